"""What becomes of texts that are longer than the model reads."""

from enum import StrEnum

from mobilebert.datasets.items import FinetuneTask

__all__ = ["LongText", "treatment_of"]


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
