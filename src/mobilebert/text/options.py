"""The options of encoding: their allowed values and what they come to together."""

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from mobilebert.errors import InputError

__all__ = [
    "Lengths",
    "PaddingStrategy",
    "TensorType",
    "TruncationStrategy",
    "checked_side",
    "parse_choice",
    "resolve_lengths",
]


class PaddingStrategy(StrEnum):
    """How far to pad: to the longest of the batch, to `max_length`, or not at all."""

    LONGEST = "longest"
    MAX_LENGTH = "max_length"
    DO_NOT_PAD = "do_not_pad"


class TruncationStrategy(StrEnum):
    """Which sequence of a pair to shorten."""

    ONLY_FIRST = "only_first"
    ONLY_SECOND = "only_second"
    LONGEST_FIRST = "longest_first"
    DO_NOT_TRUNCATE = "do_not_truncate"


class TensorType(StrEnum):
    """Array library of the result."""

    PYTORCH = "pt"
    TENSORFLOW = "tf"
    NUMPY = "np"


# Beyond this a maximum length means "no maximum" (a tokenizer without one has 1e30).
LARGE_INTEGER = 10**20

logger = logging.getLogger(__name__)
Choice = TypeVar("Choice", bound=StrEnum)


def parse_choice(kind: type[Choice], value: object, argument: str) -> Choice:
    """Read one value of an enumeration.

    Raises:
        InputError: The value is not one of them; the message lists those that are.
    """
    try:
        return kind(str(value))
    except ValueError:
        allowed = ", ".join(repr(str(member)) for member in kind)
        raise InputError(f"{argument}={value!r} is not possible; choose from {allowed}.") from None


def checked_side(value: object, argument: str) -> str:
    """Read a side of the sequence.

    Raises:
        InputError: The value is neither ``"left"`` nor ``"right"``.
    """
    if value in ("left", "right"):
        return str(value)
    raise InputError(f"{argument}={value!r} is not possible; choose 'left' or 'right'.")


@dataclass(frozen=True, slots=True)
class Lengths:
    """Padding and truncation after all defaults are applied.

    Attributes:
        padding: How to pad.
        truncation: How to truncate.
        max_length: Length in tokens for either, None where neither needs one.
        stride: Tokens that one overflowing part shares with the part before it.
        pad_to_multiple_of: Padded lengths are multiples of this.
        padding_side: ``"left"`` or ``"right"``.
        truncation_side: The side that is cut off.
    """

    padding: PaddingStrategy = PaddingStrategy.DO_NOT_PAD
    truncation: TruncationStrategy = TruncationStrategy.DO_NOT_TRUNCATE
    max_length: int | None = None
    stride: int = 0
    pad_to_multiple_of: int | None = None
    padding_side: str = "right"
    truncation_side: str = "right"

    @property
    def truncates(self) -> bool:
        """Whether anything can be cut."""
        return self.truncation is not TruncationStrategy.DO_NOT_TRUNCATE

    @property
    def pads(self) -> bool:
        """Whether anything can be padded."""
        return self.padding is not PaddingStrategy.DO_NOT_PAD


def _whole(value: object, argument: str, least: int) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InputError(f"{argument} must be a whole number, not {value!r}.")
    number = int(value.__index__())
    if number < least:
        raise InputError(f"{argument}={number} is too small; it must be at least {least}.")
    return number


def resolve_lengths(
    *,
    padding: object,
    truncation: object,
    max_length: object,
    stride: object,
    pad_to_multiple_of: object,
    padding_side: str,
    truncation_side: str,
    model_max_length: int,
    verbose: bool,
    said: set[str],
) -> Lengths:
    """Apply the documented defaults to the options of one call.

    Args:
        padding: True, False or a padding strategy.
        truncation: True, False, None or a truncation strategy. None means "longest_first" when
            only `max_length` is given.
        max_length: Length in tokens; the model's maximum where one is needed and none is given.
        stride: Overlap of overflowing parts in tokens.
        pad_to_multiple_of: Round padded lengths up to a multiple of this.
        padding_side: ``"left"`` or ``"right"``.
        truncation_side: ``"left"`` or ``"right"``.
        model_max_length: The tokenizer's own maximum.
        verbose: Whether to log advice.
        said: Advice already given, so that it is given once; extended here.

    Returns:
        The options as they are applied.

    Raises:
        InputError: A value is not possible.
    """
    limit = None if max_length is None else _whole(max_length, "max_length", 0)
    multiple = (
        None if pad_to_multiple_of is None else _whole(pad_to_multiple_of, "pad_to_multiple_of", 1)
    )
    if limit is not None and padding is False and truncation is None:
        _advise(verbose, said, "max_length without truncation=True: 'longest_first' is used.")
        truncation = TruncationStrategy.LONGEST_FIRST
    to_pad = _padding_strategy(padding)
    to_cut = _truncation_strategy(truncation)
    if padding is True and limit is not None and to_cut is TruncationStrategy.DO_NOT_TRUNCATE:
        _advise(verbose, said, "max_length has no effect with padding=True and no truncation.")
    if limit is None and model_max_length <= LARGE_INTEGER:
        if to_pad is PaddingStrategy.MAX_LENGTH or to_cut is not TruncationStrategy.DO_NOT_TRUNCATE:
            limit = model_max_length
    elif limit is None:
        if to_pad is PaddingStrategy.MAX_LENGTH:
            _advise(verbose, said, "No maximum length is known: nothing is padded to it.")
            to_pad = PaddingStrategy.DO_NOT_PAD
        if to_cut is not TruncationStrategy.DO_NOT_TRUNCATE:
            _advise(verbose, said, "No maximum length is known: nothing is truncated.")
            to_cut = TruncationStrategy.DO_NOT_TRUNCATE
    lengths = Lengths(
        to_pad,
        to_cut,
        limit,
        _whole(stride, "stride", 0),
        multiple,
        checked_side(padding_side, "padding_side"),
        checked_side(truncation_side, "truncation_side"),
    )
    if lengths.truncates and lengths.pads and limit is not None and limit % (multiple or 1):
        raise InputError(
            f"max_length={limit} is not a multiple of pad_to_multiple_of={multiple}, so a "
            "truncated and padded sequence fits neither; make it a multiple."
        )
    return lengths


def _advise(verbose: bool, said: set[str], advice: str) -> None:
    if verbose and advice not in said:
        logger.warning(advice)
        said.add(advice)


def _padding_strategy(value: object) -> PaddingStrategy:
    if value is True:
        return PaddingStrategy.LONGEST
    if value is False or value is None:
        return PaddingStrategy.DO_NOT_PAD
    return parse_choice(PaddingStrategy, value, "padding")


def _truncation_strategy(value: object) -> TruncationStrategy:
    if value is True:
        return TruncationStrategy.LONGEST_FIRST
    if value is False or value is None:
        return TruncationStrategy.DO_NOT_TRUNCATE
    return parse_choice(TruncationStrategy, value, "truncation")
