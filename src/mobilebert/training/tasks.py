"""Names of what a model can be tuned for."""

from mobilebert.datasets.items import FinetuneTask
from mobilebert.errors import InputError

__all__ = ["resolve_finetune_task"]

_ALIASES = {
    "sentiment-analysis": FinetuneTask.TEXT_CLASSIFICATION,
    "sequence-classification": FinetuneTask.TEXT_CLASSIFICATION,
    "multi-label": FinetuneTask.MULTI_LABEL,
    "ner": FinetuneTask.TOKEN_CLASSIFICATION,
    "qa": FinetuneTask.QUESTION_ANSWERING,
    "masked-lm": FinetuneTask.MASKED_LM,
}


def resolve_finetune_task(name: FinetuneTask | str) -> FinetuneTask:
    """Return the task of a name in any spelling.

    Raises:
        InputError: There is no such task; the message lists them.
    """
    spelled = str(name).strip().lower().replace("_", "-")
    if spelled in _ALIASES:
        return _ALIASES[spelled]
    try:
        return FinetuneTask(spelled)
    except ValueError:
        raise InputError(
            f"Unknown task {str(name)!r}; choose one of {', '.join(FinetuneTask)}."
        ) from None
