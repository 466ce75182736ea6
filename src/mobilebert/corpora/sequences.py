"""Sequences as places in a text: pairs of segments, half of which follow each other.

Devlin et al. 2019 (arXiv:1810.04805), section 3.1 and appendix A.2. Every pass over the text draws
where sequences end, where pairs are parted, and what does not follow.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import NamedTuple

from mobilebert.corpora.segments import SegmentedUnit
from mobilebert.corpora.settings import PreparationSettings

__all__ = ["PlannedSequence", "drawn_length", "plan_pairs"]


class PlannedSequence(NamedTuple):
    """A sequence to be made: tokens of the text from ... to behind ... .

    Attributes:
        first_start: First segment.
        first_end: Its end.
        second_start: Second segment.
        second_end: Its end; equal to its start for a single segment.
        follows: 1, 0, or `shards.NO_PAIR`.
        source: Number of the source.
    """

    first_start: int
    first_end: int
    second_start: int
    second_end: int
    follows: int
    source: int


def plan_pairs(
    unit: SegmentedUnit, settings: PreparationSettings, random: Random
) -> Iterator[PlannedSequence]:
    """Plan pairs of segments.

    Segments of a document are collected until a sequence is full, and parted at random; half the
    time the second part gives way to segments of another document, and its own are used for the
    next sequence. So half of the pairs follow each other, whatever the paragraphs are like.

    Args:
        unit: The text.
        settings: How long sequences are.
        random: Draws.
    """
    return _PairPlanner(unit, settings, random).pairs()


@dataclass(frozen=True)
class _Chunk:
    """Segments that are collected for a sequence.

    Attributes:
        first: The first.
        last: Behind the last.
        length: Their tokens, at most as many as the sequence is to have.
        full: Whether they are as many.
        room: Tokens that the sequence may have at most.
    """

    first: int
    last: int
    length: int
    full: bool
    room: int


class _PairPlanner:
    def __init__(self, unit: SegmentedUnit, settings: PreparationSettings, random: Random) -> None:
        self._unit, self._settings, self._random = unit, settings, random
        self._bounds = unit.bounds
        documents = _in_two(unit.documents)
        self._halved = len(documents) > len(unit.documents)
        self._ranges = list(pairwise(documents))
        self._sources = [*unit.sources] * (len(self._ranges) // max(1, len(unit.sources)))
        self._documents = documents
        # Segments of each source; units have the documents of a source one after the other.
        self._of_source: dict[int, tuple[int, int]] = {}
        for (first, last), source in zip(self._ranges, self._sources, strict=True):
            self._of_source[source] = (self._of_source.get(source, (first, last))[0], last)

    def pairs(self) -> Iterator[PlannedSequence]:
        for document, (first, last) in enumerate(self._ranges):
            while first < last:
                chunk = self._chunk(first, last)
                planned, first = self._pair(chunk, document)
                if planned is not None:
                    yield self._truncated(planned, chunk.room)

    def _chunk(self, first: int, last: int) -> _Chunk:
        bounds, settings = self._bounds, self._settings
        goal = drawn_length(settings, self._random)
        end = min(last, bisect_left(bounds, bounds[first] + goal, first + 1, last + 1))
        # One segment alone is no pair, and two have room: the longest has a quarter of it.
        end = min(last, max(end, first + 2))
        if last - end == 1:
            end = last
        there = bounds[end] - bounds[first]
        room = goal if goal == settings.short_room else settings.room
        return _Chunk(first, end, min(goal, there), there >= goal, room)

    def _pair(self, chunk: _Chunk, document: int) -> tuple[PlannedSequence | None, int]:
        """Plan a sequence; return it and the segment to go on with."""
        random, bounds = self._random, self._bounds
        start, end = bounds[chunk.first], bounds[chunk.last]
        source = self._sources[document]
        if chunk.last - chunk.first > 1:
            part = random.randint(chunk.first + 1, chunk.last - 1)
            middle, following = bounds[part], part
        elif end - start > 1:
            # Parted, or all short pairs of a document's end would be those that do not follow; and
            # anywhere, or equal parts would be those that do.
            middle, following = random.randint(start + 1, end - 1), chunk.last
        else:
            return None, chunk.last
        if len(self._ranges) > 1 and random.random() < 0.5:
            wanted = max(1, chunk.length - (middle - start))
            second = self._elsewhere(document, chunk, wanted)
            return PlannedSequence(start, middle, *second, 0, source), following
        return PlannedSequence(start, middle, middle, end, 1, source), chunk.last

    def _elsewhere(self, document: int, chunk: _Chunk, wanted: int) -> tuple[int, int]:
        """Choose segments of another document, of the same source if there is one.

        Args:
            document: The document that they are not of.
            chunk: What they stand in for a part of. If it is full, they have no less tokens than
                wanted; else the number comes as near as it can, or pairs at the end of a document
                would be told by their length.
            wanted: How many tokens they should have, about.
        """
        bounds, (own_first, own_last) = self._bounds, self._ranges[document]
        first, last = self._of_source[self._sources[document]]
        if (first, last) == (own_first, own_last):
            first, last = 0, self._documents[-1]
        # Any segment is as likely, so long documents are chosen more often: in short ones there is
        # too little text behind it.
        start = self._random.randrange(first, last - (own_last - own_first))
        start += (own_last - own_first) * (start >= own_first)
        last = self._documents[bisect_right(self._documents, start)]
        if self._halved and start == chunk.last and last - start > 1:
            start += 1  # what stands there goes on where the chunk ends
        place = bounds[start] + wanted
        end = min(last, bisect_left(bounds, place, start + 1, last + 1))
        if not chunk.full and end - start > 1 and bounds[end] - place > place - bounds[end - 1]:
            end -= 1
        return bounds[start], bounds[end]

    def _truncated(self, planned: PlannedSequence, room: int) -> PlannedSequence:
        """Take tokens from the longer segment until both fit, each from one of its ends."""
        first = planned.first_end - planned.first_start
        second = planned.second_end - planned.second_start
        excess = first + second - room
        if excess <= 0:
            return planned
        from_longer = min(excess, abs(first - second))
        both = excess - from_longer
        from_first = both // 2 + (from_longer if first > second else 0)
        first_start, first_end = self._shortened(planned.first_start, planned.first_end, from_first)
        second_start, second_end = self._shortened(
            planned.second_start, planned.second_end, excess - from_first
        )
        return planned._replace(
            first_start=first_start,
            first_end=first_end,
            second_start=second_start,
            second_end=second_end,
        )

    def _shortened(self, start: int, end: int, count: int) -> tuple[int, int]:
        front = self._random.getrandbits(count).bit_count() if count else 0
        return start + front, end - (count - front)


def _in_two(documents: Sequence[int]) -> list[int]:
    """Part a single document in the middle, so that there is another one."""
    first, last = documents[0], documents[-1]
    if len(documents) == 2 and last - first > 1:
        return [first, (first + last) // 2, last]
    return list(documents)


def drawn_length(settings: PreparationSettings, random: Random) -> int:
    """Draw how many tokens a sequence is to have: all there is room for, but for a share."""
    if random.random() < settings.short_sequences:
        return settings.short_room or random.randint(2, settings.room)
    return settings.room
