"""Padding encoded rows to one length."""

from collections.abc import Mapping
from typing import Any

from mobilebert.text.options import Lengths, PaddingStrategy

__all__ = ["pad_row", "padded_length"]


def padded_length(lengths: Lengths, row: int, longest: int) -> int:
    """Return the length one row is padded to.

    Args:
        lengths: The options of the call.
        row: Tokens of the row.
        longest: Tokens of the longest row of the batch.

    Returns:
        The length in tokens; `row` itself where nothing is padded.
    """
    if not lengths.pads:
        return row
    target = longest if lengths.padding is PaddingStrategy.LONGEST else lengths.max_length
    if target is None:
        return row
    if lengths.pad_to_multiple_of:
        target = -(-target // lengths.pad_to_multiple_of) * lengths.pad_to_multiple_of
    return max(row, target)


def pad_row(
    row: Mapping[str, Any], missing: int, side: str, fillers: Mapping[str, Any]
) -> dict[str, Any]:
    """Pad the lists of one row.

    Args:
        row: Name to list with one entry a token.
        missing: Number of tokens to add.
        side: ``"left"`` or ``"right"``, where padding goes.
        fillers: Name to padding value. Other entries of the row are left alone.

    Returns:
        A new row.
    """
    padded = dict(row)
    if missing <= 0:
        return padded
    for name, filler in fillers.items():
        if name in row:
            filling = [filler] * missing
            content = list(row[name])
            padded[name] = filling + content if side == "left" else content + filling
    return padded
