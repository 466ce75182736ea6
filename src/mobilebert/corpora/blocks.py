"""Text without pairs: blocks that are full, whatever stands in them."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobilebert.corpora.segments import Vocabulary
from mobilebert.corpora.sequences import PlannedSequence, drawn_length
from mobilebert.corpora.settings import PreparationSettings
from mobilebert.corpora.shards import NO_PAIR, id_type
from mobilebert.corpora.text_ids import TextIds
from mobilebert.corpora.units import Piece

__all__ = ["JoinedUnit", "join_unit", "plan_blocks"]


@dataclass(frozen=True)
class JoinedUnit:
    """The text of a unit as ids, its documents joined.

    Attributes:
        tokens: Ids, with [SEP] between documents, [T].
        runs: First token, end and number of the source of the documents of each source.
    """

    tokens: NDArray[Any]
    runs: Sequence[tuple[int, int, int]]


def join_unit(pieces: Sequence[Piece], text_ids: TextIds, vocabulary: Vocabulary) -> JoinedUnit:
    """Tokenize documents and put [SEP] between them.

    Args:
        pieces: The documents.
        text_ids: Gives ids.
        vocabulary: That of the same tokenizer.
    """
    ids = array("I")
    runs: list[tuple[int, int, int]] = []
    found = text_ids.of([text for piece in pieces for text in piece.paragraphs])
    for piece in pieces:
        again = bool(runs) and runs[-1][2] == piece.source
        start, before = (runs[-1][0] if again else len(ids)), len(ids)
        if again:
            ids.append(vocabulary.sep)
        for of_paragraph in islice(found, len(piece.paragraphs)):
            ids.extend(of_paragraph)
        if len(ids) == before + again:  # nothing is left of it
            del ids[before:]
            continue
        if again:
            runs.pop()
        runs.append((start, len(ids), piece.source))
    tokens = np.frombuffer(ids, np.uint32).astype(id_type(vocabulary.size))
    return JoinedUnit(tokens, runs)


def plan_blocks(
    unit: JoinedUnit, settings: PreparationSettings, random: Random, *, separator: int, later: bool
) -> Iterator[PlannedSequence]:
    """Plan single segments.

    They go on from one document of a source to the next (Liu et al. 2019, arXiv:1907.11692,
    section 4.2: full sentences); [SEP] at the border of a block is left out.

    Args:
        unit: The text.
        settings: How long sequences are.
        random: Draws.
        separator: Id of [SEP].
        later: Whether the text was read before: the first block has a random length then, so that
            passes cut at other places.
    """
    tokens = unit.tokens
    for start, end, source in unit.runs:
        place, first = start, later
        while place < end:
            length = random.randint(1, settings.room) if first else drawn_length(settings, random)
            stop, first = min(end, place + length), False
            inner_start = place + (tokens[place] == separator)
            inner_stop = stop - (tokens[stop - 1] == separator)
            if inner_start < inner_stop:
                yield PlannedSequence(
                    int(inner_start), int(inner_stop), stop, stop, NO_PAIR, source
                )
            place = stop
