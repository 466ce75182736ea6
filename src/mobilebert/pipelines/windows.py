"""Texts longer than the model are read in windows that overlap."""

from mobilebert.errors import InputError

__all__ = ["DEFAULT_OVERLAP", "default_overlap", "window_ranges"]

# Tokens that neighbouring windows share, unless a window has less than four times as many: each
# token then has at least 64 tokens of context on both sides in one of the windows.
DEFAULT_OVERLAP = 128


def default_overlap(size: int) -> int:
    """Return how many tokens neighbouring windows of `size` tokens share by default."""
    return min(size // 4, DEFAULT_OVERLAP)


def window_ranges(length: int, size: int, overlap: int, name: str = "stride") -> list[range]:
    """Cut `length` tokens into windows.

    The same windows as the overflowing parts of `tokenizers`: each starts `size` - `overlap`
    tokens after the one before it, and the one that reaches the end is the last.

    Args:
        length: Number of tokens.
        size: Tokens in one window.
        overlap: Tokens shared by neighbours.
        name: What the overlap is called where it was given.

    Returns:
        The places of each window's tokens; one window when all fit.

    Raises:
        InputError: The overlap leaves no step forward.
    """
    if length <= size:
        return [range(length)]
    if not 0 <= overlap < size:
        raise InputError(
            f"{name}={overlap} is not possible: the text is read in windows of {size} tokens, so "
            f"the overlap must be from 0 to {size - 1}."
        )
    starts = range(0, length - overlap, size - overlap)
    return [range(start, min(start + size, length)) for start in starts]
