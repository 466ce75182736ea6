"""Shortening sequences to a maximum length."""

import logging
from dataclasses import dataclass, field

from mobilebert.text.options import TruncationStrategy

__all__ = ["Cut", "cut_to_fit"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cut:
    """What stays of two sequences and what overflows, as ranges of their tokens.

    Attributes:
        first: The part of the first sequence that stays.
        second: The part of the second sequence that stays.
        overflow: The part that is reported as overflowing.
        overflow_of: Which sequence (0 or 1) `overflow` is a part of.
    """

    first: slice = field(default_factory=lambda: slice(None))
    second: slice = field(default_factory=lambda: slice(None))
    overflow: slice = field(default_factory=lambda: slice(0, 0))
    overflow_of: int = 0


def cut_to_fit(
    lengths: tuple[int, int | None],
    surplus: int,
    strategy: TruncationStrategy,
    stride: int,
    side: str,
) -> Cut:
    """Decide which tokens to remove.

    Args:
        lengths: Tokens of the first sequence and of the second (None without one).
        surplus: Number of tokens to remove.
        strategy: Which sequence to shorten.
        stride: Tokens that stay and are reported as overflowing too.
        side: ``"right"`` or ``"left"``, the side to remove from.

    Returns:
        The cut. Where the strategy cannot remove as much, nothing is cut and an error is logged,
        as transformers' pure-Python tokenizers do.
    """
    first, second = lengths
    if surplus <= 0 or strategy is TruncationStrategy.DO_NOT_TRUNCATE:
        return Cut()
    if strategy is TruncationStrategy.LONGEST_FIRST and second is not None:
        return _cut_longest(first, second, surplus, side)
    of = 1 if strategy is TruncationStrategy.ONLY_SECOND else 0
    length = second if of else first
    if length is None:
        return Cut()
    if length <= surplus:
        logger.error(
            "Cannot remove %d tokens from the %s sequence, which has %d; nothing is truncated. "
            "Choose another truncation strategy or a larger max_length.",
            surplus,
            ("first", "second")[of],
            length,
        )
        return Cut()
    stays = _kept(length, surplus, side)
    window = min(length, stride + surplus)
    overflow = slice(0, window) if side == "left" else slice(length - window, length)
    return (
        Cut(second=stays, overflow=overflow, overflow_of=1) if of else Cut(stays, overflow=overflow)
    )


def _kept(length: int, removed: int, side: str) -> slice:
    kept = max(0, length - removed)
    return slice(length - kept, length) if side == "left" else slice(0, kept)


def _cut_longest(first: int, second: int, surplus: int, side: str) -> Cut:
    """Remove from the longer one until they are equal, then from both in turn."""
    unequal = min(abs(second - first), surplus)
    shared = surplus - unequal
    from_first, from_second = shared // 2, shared - shared // 2
    if first > second:
        from_first += unequal
    else:
        from_second += unequal
    return Cut(_kept(first, from_first, side), _kept(second, from_second, side))
