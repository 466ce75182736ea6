"""Judging a model by data: what its pipeline says, against what is right."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mobilebert.datasets.fingerprints import digest_of
from mobilebert.datasets.items import FinetuneTask, Item
from mobilebert.errors import InputError
from mobilebert.training.answering import Asking, open_pipeline
from mobilebert.training.evaluation_answers import judge_answers
from mobilebert.training.evaluation_choices import judge_choices
from mobilebert.training.evaluation_labels import judge_labels
from mobilebert.training.evaluation_plain import judge_masked_words
from mobilebert.training.evaluation_results import Evaluation, JudgingOptions
from mobilebert.training.evaluation_tags import judge_tags
from mobilebert.training.evaluation_texts import judge_classes, judge_numbers

__all__ = ["PIPELINE_OF_TASK", "evaluate_items"]

Judge = Callable[[Asking, Sequence[Any], JudgingOptions], Evaluation]

# Texts with one class, several labels or a number are all classified.
PIPELINE_OF_TASK: dict[FinetuneTask, str] = {task: task.value for task in FinetuneTask} | {
    FinetuneTask.MULTI_LABEL: "text-classification",
    FinetuneTask.REGRESSION: "text-classification",
}

_JUDGES: dict[FinetuneTask, Judge] = {
    FinetuneTask.TEXT_CLASSIFICATION: judge_classes,
    FinetuneTask.MULTI_LABEL: judge_labels,
    FinetuneTask.REGRESSION: judge_numbers,
    FinetuneTask.TOKEN_CLASSIFICATION: judge_tags,
    FinetuneTask.QUESTION_ANSWERING: judge_answers,
    FinetuneTask.MULTIPLE_CHOICE: judge_choices,
    FinetuneTask.MASKED_LM: judge_masked_words,
}


def evaluate_items(
    task: FinetuneTask,
    model: Any,
    tokenizer: Any,
    items: Iterable[Item],
    *,
    backend: str = "auto",
    dtype: Any = None,
    options: JudgingOptions | None = None,
    parameters: Mapping[str, Any] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Judge a model.

    Args:
        task: The task.
        model: A name, a directory or a model object of PyTorch; that is left as it was.
        tokenizer: A tokenizer, its name, or None for the model's.
        items: Items with what is right.
        backend: As for `pipeline`; a model object runs on the engine in float32 by default.
        dtype: As for `pipeline`.
        options: Thresholds, seed and the like.
        parameters: Parameters of the pipeline, as a user would give them.
        on_progress: Is told now and then how many items have an answer.

    Raises:
        InputError: There is no item, or one that cannot be used; the error has its place.
        MobileBertError: The model cannot be used; see `pipeline`.
    """
    listed = list(items)
    if not listed:
        raise InputError("There is nothing to judge the model by: the data have no items.")
    was_training = bool(getattr(model, "training", False))
    try:
        opened = open_pipeline(
            PIPELINE_OF_TASK[task], model, tokenizer, backend=backend, dtype=dtype
        )
        asking = Asking(opened, parameters or {}, on_progress)
        evaluation = _JUDGES[task](asking, listed, options or JudgingOptions())
    finally:
        if was_training:
            model.train()
    evaluation.summary.digest = digest_of(listed)
    return evaluation
