"""What becomes of texts that are longer than the model reads."""

from enum import StrEnum

__all__ = ["LongText", "head_and_tail"]

# Sun et al. 2019 (arXiv:1905.05583), section 5.3.1: of 510 tokens, 128 of the head.
_HEAD_SHARE = 4


class LongText(StrEnum):
    """What becomes of a text that is longer than the model reads."""

    WINDOW = "window"  # overlapping windows, each an example, as pipelines read it
    HEAD_TAIL = "head_tail"  # the first and the last part, as one text
    TRUNCATE = "truncate"  # the first part


def head_and_tail(length: int, room: int) -> list[int]:
    """Return the places of the tokens that are kept: a quarter from the head, else from the tail.

    Args:
        length: Tokens of the text.
        room: Tokens that fit; all are kept where that is no fewer.
    """
    if length <= room:
        return list(range(length))
    head = room // _HEAD_SHARE
    return [*range(head), *range(length - (room - head), length)]
