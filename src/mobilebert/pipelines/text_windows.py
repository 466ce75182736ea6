"""How a text, or a pair of texts, is brought to the length of the model: cut, or in windows."""

from mobilebert.errors import InputError
from mobilebert.pipelines.encoding import ModelInput, SequenceBuilder
from mobilebert.pipelines.parameters import LengthOptions
from mobilebert.pipelines.windows import default_overlap, window_ranges

__all__ = ["text_rows"]


def text_rows(
    builder: SequenceBuilder,
    first: list[int],
    second: list[int] | None,
    lengths: LengthOptions,
    stride: int | None = None,
    way_out: str = "pass truncation=True",
) -> list[ModelInput]:
    """Build one sequence, or the windows of a long text.

    In a pair the longer text is read in windows, each with the whole shorter one.

    Args:
        builder: Builds sequences.
        first: Ids of the text.
        second: Ids of its pair, or None.
        lengths: Longest sequence, and whether a long text is cut instead.
        stride: Tokens that neighbouring windows share; by default those of `default_overlap`.
        way_out: What the error advises.

    Raises:
        InputError: Both texts of a pair are too long for windows, or cannot be cut enough.
    """
    room = builder.room(lengths.max_length, pair=second is not None)
    if len(first) + len(second or ()) <= room or lengths.strategy is not None:
        return [builder.fit(first, second, lengths)]
    whole, long = sorted((first, second or []), key=len)
    size = room - len(whole)
    if size < room / 2:
        raise InputError(
            f"Both texts are too long ({len(first)} and {len(second or ())} tokens, {room} fit "
            f"together); shorten one or {way_out}."
        )
    ranges = window_ranges(len(long), size, default_overlap(size) if stride is None else stride)
    parts = [long[part.start : part.stop] for part in ranges]
    if second is None:
        return [builder.build(part) for part in parts]
    if long is first:
        return [builder.build(part, second) for part in parts]
    return [builder.build(first, part) for part in parts]
