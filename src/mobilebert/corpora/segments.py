"""Text as segments: the pieces that sequences are put together from."""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobilebert.corpora.shards import id_type
from mobilebert.corpora.text_ids import TextIds
from mobilebert.corpora.units import Piece

__all__ = ["SegmentedUnit", "Vocabulary", "segment_unit"]

# Segments of a full sequence, at least: with one, there is no next one, and with few, cutting what
# is too long loses much. 31 tokens at the usual 128 are about a sentence.
_SEGMENTS = 4
# What ends a sentence, and what may stand behind it.
_STOPS = (".", "!", "?", "…", "。", "！", "？", "।", "؟", "۔")
_CLOSERS = ('"', "'", ")", "]", "”", "’", "»", "」")
_CONTINUATION = "##"


@dataclass(frozen=True)
class Vocabulary:
    """What making sequences asks of a vocabulary.

    Attributes:
        size: Ids are smaller.
        cls: Id of [CLS].
        sep: Id of [SEP].
        continues: Whether an id continues a word, [V].
        stops: Whether it ends a sentence, [V].
        closes: Whether it may stand behind such, [V].
    """

    size: int
    cls: int
    sep: int
    continues: NDArray[np.bool_]
    stops: NDArray[np.bool_]
    closes: NDArray[np.bool_]

    @classmethod
    def of(cls, tokenizer: Any) -> "Vocabulary":
        """Take that of a tokenizer."""
        ids = tokenizer.get_vocab()
        size = max(ids.values()) + 1
        continues = np.zeros(size, np.bool_)
        continues[[id_ for token, id_ in ids.items() if token.startswith(_CONTINUATION)]] = True
        stops, closes = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
        stops[[ids[token] for token in _STOPS if token in ids]] = True
        closes[[ids[token] for token in _CLOSERS if token in ids]] = True
        return cls(size, tokenizer.cls_token_id, tokenizer.sep_token_id, continues, stops, closes)


@dataclass(frozen=True)
class SegmentedUnit:
    """The text of a unit as ids, and where its segments and documents begin.

    Attributes:
        tokens: Ids of all documents one after the other, [T].
        bounds: Where segments begin, and where the last ends, [S + 1].
        documents: Number of the first segment of each document, and of all segments, [D + 1].
        sources: Number of the source of each document, [D].
    """

    tokens: NDArray[Any]
    bounds: Sequence[int]
    documents: Sequence[int]
    sources: Sequence[int]


def segment_unit(
    pieces: Sequence[Piece], text_ids: TextIds, vocabulary: Vocabulary, room: int
) -> SegmentedUnit:
    """Tokenize documents, and cut paragraphs that are too long for a segment.

    A paragraph is a segment. One of more than a quarter of a sequence is cut behind the end of a
    sentence, or else between words. Documents of which the tokenizer keeps nothing are left out.

    Args:
        pieces: The documents.
        text_ids: Gives ids.
        vocabulary: That of the same tokenizer.
        room: Tokens of text in a sequence; in a short one where these have a length of their own.
    """
    ids = array("I")
    paragraphs: list[int] = [0]
    documents: list[int] = [0]
    found = text_ids.of([text for piece in pieces for text in piece.paragraphs])
    for piece in pieces:
        for of_paragraph in islice(found, len(piece.paragraphs)):
            if of_paragraph:
                ids.extend(of_paragraph)
                paragraphs.append(len(ids))
        documents.append(len(paragraphs) - 1)
    tokens = np.frombuffer(ids, np.uint32).astype(id_type(vocabulary.size))
    cutter = _Cutter(tokens, vocabulary, max(1, room // _SEGMENTS))
    bounds = array("q")
    firsts: list[int] = []
    for first, last in pairwise(documents):
        firsts.append(len(bounds))
        for number in range(first, last):
            bounds.extend(cutter.starts(paragraphs[number], paragraphs[number + 1]))
    firsts.append(len(bounds))
    bounds.append(len(ids))
    full = [number for number in range(len(pieces)) if firsts[number] < firsts[number + 1]]
    return SegmentedUnit(
        tokens,
        bounds,
        [*(firsts[number] for number in full), firsts[-1]],
        [pieces[number].source for number in full],
    )


class _Cutter:
    """Finds where paragraphs are cut.

    Args:
        tokens: Ids of all paragraphs, [T].
        vocabulary: Says what they are.
        longest: Tokens of a segment at most.
    """

    def __init__(self, tokens: NDArray[Any], vocabulary: Vocabulary, longest: int) -> None:
        self._longest = longest
        ends = vocabulary.stops[tokens]
        closes = vocabulary.closes[tokens]
        behind = ends.copy()
        behind[1:] |= closes[1:] & ends[:-1]
        # Of a stop and what closes behind it, the last.
        behind[:-1] &= ~(behind[1:] & closes[1:])
        self._sentences: Sequence[int] = (np.flatnonzero(behind) + 1).tolist()
        self._continues = vocabulary.continues[tokens].tobytes()

    def starts(self, start: int, end: int) -> list[int]:
        """Return where the segments of a paragraph begin.

        Args:
            start: Its first token.
            end: Behind its last.
        """
        found = [start]
        while end - start > self._longest:
            start = self._cut(start)
            found.append(start)
        return found

    def _cut(self, start: int) -> int:
        last = start + self._longest
        number = bisect_right(self._sentences, last) - 1
        if number >= 0 and self._sentences[number] > start + self._longest // 2:
            return self._sentences[number]
        between = last
        while between > start and self._continues[between]:
            between -= 1
        return between if between > start else last
