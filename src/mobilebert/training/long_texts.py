"""What becomes of texts that are longer than the model reads."""

from enum import StrEnum

__all__ = ["LongText"]


class LongText(StrEnum):
    """What becomes of a text that is longer than the model reads."""

    WINDOW = "window"  # overlapping windows, each an example, as pipelines read it
    HEAD_TAIL = "head_tail"  # the first and the last part, as one text
    TRUNCATE = "truncate"  # the first part
