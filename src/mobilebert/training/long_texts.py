"""What becomes of texts that are longer than the model reads."""

from enum import StrEnum

from mobilebert.datasets.items import FinetuneTask

__all__ = ["LongText", "told_treatment", "treatment_of"]

# Of plain text, whatever was asked for.
_BLOCKS = "blocks"


class LongText(StrEnum):
    """What becomes of a text that is longer than the model reads."""

    WINDOW = "window"  # overlapping windows, each an example, as pipelines read it
    HEAD_TAIL = "head_tail"  # the first and the last part, as one text
    TRUNCATE = "truncate"  # the first part


def treatment_of(task: FinetuneTask, wanted: LongText | str) -> LongText:
    """Return what becomes of long texts in a task.

    Args:
        task: The task.
        wanted: As it was asked for. Choices have no windows: the longer of text and choice is cut.
    """
    treatment = LongText(wanted)
    if task is FinetuneTask.MULTIPLE_CHOICE and treatment is LongText.WINDOW:
        return LongText.TRUNCATE
    return treatment


def told_treatment(task: FinetuneTask, wanted: LongText | str) -> str:
    """Return what a report calls that which becomes of long texts: ``blocks`` of plain text.

    Args:
        task: The task.
        wanted: As it was asked for.
    """
    return _BLOCKS if task is FinetuneTask.MASKED_LM else str(treatment_of(task, wanted))
