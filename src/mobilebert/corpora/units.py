"""Units of work: documents whose sequences are made together, by one process.

A unit has whole documents of a few megabytes, or parts of a huge one, so memory is bounded
whatever the size of the text. Random second segments come from the other documents of the unit:
those are thousands of sentences to choose from, and no process has to know the text of another.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mobilebert.corpora.holding_out import Window
from mobilebert.corpora.manifest import Split
from mobilebert.corpora.text_sources import TextSource

__all__ = ["HeldOutCounts", "Piece", "Unit", "make_units"]

UNIT_CHARACTERS = 8_000_000
# Parts of larger documents are documents of their own: two of them fit into a unit.
_PIECE_CHARACTERS = UNIT_CHARACTERS // 2


@dataclass
class Piece:
    """A document, or a part of one.

    Attributes:
        source: Number of its source.
        paragraphs: Its text.
        size: Characters.
    """

    source: int
    paragraphs: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, paragraph: str) -> None:
        """Take one more paragraph."""
        self.paragraphs.append(paragraph)
        self.size += len(paragraph)


@dataclass(frozen=True)
class Unit:
    """Documents whose sequences are made together.

    Attributes:
        split: What they are for.
        number: Its number among those of the split.
        pieces: The documents.
    """

    split: Split
    number: int
    pieces: tuple[Piece, ...]

    @property
    def name(self) -> str:
        """What its shard is called."""
        return f"{self.split}-{self.number:05}"

    @property
    def size(self) -> int:
        """Characters."""
        return sum(piece.size for piece in self.pieces)

    def fingerprint(self, settings: str) -> str:
        """Return a digest of the text and of what decides what becomes of it.

        Args:
            settings: All that decides it, as a text.
        """
        digest = hashlib.blake2b(f"{settings}\n{self.name}\n".encode(), digest_size=16)
        for piece in self.pieces:
            digest.update(f"{piece.source} {len(piece.paragraphs)}\n".encode())
            digest.update("\n".join(piece.paragraphs).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


@dataclass
class HeldOutCounts:
    """How much of a source is held out.

    Attributes:
        documents: Documents as a whole.
        parts: Documents in part.
        characters: Characters.
    """

    documents: int = 0
    parts: int = 0
    characters: int = 0


class _Gathering:
    """Collects the pieces of a split into units.

    The last unit is kept back until the next has two documents, because a random second segment
    comes from another one.
    """

    def __init__(self, split: Split) -> None:
        self._split, self._number = split, 0
        self._pieces: list[Piece] = []
        self._kept: list[Piece] = []
        self._size = 0

    def add(self, piece: Piece) -> Iterator[Unit]:
        if not piece.paragraphs:
            return
        self._pieces.append(piece)
        self._size += piece.size
        if self._size >= UNIT_CHARACTERS and len(self._pieces) > 1:
            yield from self._give(self._kept)
            self._kept, self._pieces, self._size = self._pieces, [], 0

    def finish(self) -> Iterator[Unit]:
        if len(self._pieces) == 1:
            self._kept += self._pieces
            self._pieces = []
        yield from self._give(self._kept)
        yield from self._give(self._pieces)

    def _give(self, pieces: list[Piece]) -> Iterator[Unit]:
        if pieces:
            yield Unit(self._split, self._number, tuple(pieces))
            self._number += 1


def make_units(
    sources: Sequence[TextSource],
    held_out: Mapping[int, Window],
    counts: Sequence[HeldOutCounts],
) -> Iterator[Unit]:
    """Read all text once more, and cut it into units.

    Args:
        sources: The text.
        held_out: Fingerprint of a document -> what is held out of it.
        counts: Of each source; what is held out is added.

    Yields:
        Units of both splits, each as soon as it is full.

    Raises:
        InputError: A file cannot be read, or has changed.
    """
    gathering = {split: _Gathering(split) for split in Split}
    for number, source in enumerate(sources):
        for file in source.files:
            for fingerprint, paragraphs in file.documents():
                window = held_out.get(fingerprint)
                if window is not None:
                    counts[number].documents += window.whole
                    counts[number].parts += not window.whole
                for split, piece in _pieces(number, paragraphs, window):
                    if split is Split.HELD_OUT:
                        counts[number].characters += piece.size
                    yield from gathering[split].add(piece)
    for split in Split:
        yield from gathering[split].finish()


def _pieces(
    source: int, paragraphs: Iterator[str], window: Window | None
) -> Iterator[tuple[Split, Piece]]:
    """Cut a document where what is held out begins and ends, and where it is too long."""
    split, piece, place = Split.TRAIN, Piece(source), 0
    for paragraph in paragraphs if window is None else _parted(paragraphs, window):
        end = place + len(paragraph)
        held = window is not None and (window.whole or window.meets(place, end))
        now = Split.HELD_OUT if held else Split.TRAIN
        if now is not split or piece.size >= _PIECE_CHARACTERS:
            yield split, piece
            split, piece = now, Piece(source)
        piece.add(paragraph)
        place = end
    yield split, piece


def _parted(paragraphs: Iterator[str], window: Window) -> Iterator[str]:
    place = 0
    for paragraph in paragraphs:
        yield from window.parts(paragraph, place)
        place += len(paragraph)
