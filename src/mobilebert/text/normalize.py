"""First step of tokenization: clean the text and fold case and accents, keeping offsets.

Source: `BasicTokenizer` in google-research/bert ``tokenization.py``, with the NFC step that
transformers added. Every normalized character knows the span of the source it came from.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Literal

from mobilebert.text.characters import continues_cluster, is_cjk, is_dropped, is_whitespace

__all__ = ["AlignedText", "Normalizer", "lower_each"]

# Longer words are never in a vocabulary; only for them is the cost of ordering marks a concern.
_LONG_WORD = 200


@dataclass(slots=True)
class AlignedText:
    """Text whose characters remember where they came from. It is not changed once made.

    Attributes:
        text: The characters.
        starts: For each character, where its source begins (in characters of the source).
        ends: For each character, where its source ends (exclusive).
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    @classmethod
    def of(cls, source: str) -> "AlignedText":
        """Align a source text with itself."""
        return cls(source, range(len(source)), range(1, len(source) + 1))

    def __getitem__(self, part: slice) -> "AlignedText":
        return AlignedText(self.text[part], self.starts[part], self.ends[part])

    @classmethod
    def joined(cls, parts: Sequence["AlignedText"]) -> "AlignedText":
        """Put parts of one text together again."""
        return cls(
            "".join(part.text for part in parts),
            [start for part in parts for start in part.starts],
            [end for part in parts for end in part.ends],
        )

    def split(self) -> Iterator["AlignedText"]:
        """Split at whitespace."""
        for match in re.finditer(r"\S+", self.text):
            yield self[match.start() : match.end()]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the source span of the characters from `start` to `end` (exclusive)."""
        return self.starts[start], self.ends[end - 1]

    def replaced(self, parts: Sequence[tuple[int, str]]) -> "AlignedText":
        """Replace runs of characters.

        Args:
            parts: (number of characters taken, text put in their place), covering the whole text.
        """
        starts: list[int] = []
        ends: list[int] = []
        position = 0
        for taken, text in parts:
            start, end = self.span(position, position + taken)
            starts += [start] * len(text)
            ends += [end] * len(text)
            position += taken
        return AlignedText("".join(text for _, text in parts), starts, ends)


def lower_each(source: AlignedText) -> AlignedText:
    """Lower-case character by character, so without the final form of the Greek sigma."""
    lowered = "".join(map(str.lower, source.text))
    if len(lowered) == len(source.text):
        return AlignedText(lowered, source.starts, source.ends)
    return source.replaced([(1, char.lower()) for char in source.text])


def _strip_accents(text: str) -> str:
    decomposed = _unicode_normal("NFD", text)
    return "".join(char for char in decomposed if unicodedata.category(char) != "Mn")


def _unicode_normal(form: Literal["NFC", "NFD"], text: str) -> str:
    """Normalize in linear time.

    CPython orders combining marks by insertion, which is quadratic in the length of a run of
    marks; in long texts the runs are therefore put into canonical order first (Unicode Standard
    3.11, D109: a stable sort by combining class).
    """
    if len(text) > _LONG_WORD:
        runs = groupby(text, key=lambda char: unicodedata.combining(char) > 0)
        text = "".join(
            "".join(sorted(run, key=unicodedata.combining) if marks else run) for marks, run in runs
        )
    return unicodedata.normalize(form, text)


def _folded(text: str, lower: bool, strip: bool) -> str:
    text = _unicode_normal("NFC", text)
    if lower:
        text = text.lower()
    return _strip_accents(text) if strip else text


_folded_character = lru_cache(maxsize=1 << 16)(_folded)


def _clusters(text: str) -> Iterator[str]:
    """Split text where Unicode normalization never joins across."""
    start = 0
    for position in range(1, len(text)):
        if not continues_cluster(text[position]):
            yield text[start:position]
            start = position
    yield text[start:]


@dataclass(frozen=True)
class Normalizer:
    """Cleaning, CJK spacing, NFC, lower-casing and accent stripping.

    Attributes:
        do_lower_case: Whether words are lower-cased.
        tokenize_chinese_chars: Whether each CJK ideograph is a word.
        strip_accents: Whether accents are removed; None follows `do_lower_case`.
    """

    do_lower_case: bool = True
    tokenize_chinese_chars: bool = True
    strip_accents: bool | None = None

    @property
    def strips_accents(self) -> bool:
        """Whether accents are removed in the end."""
        return self.do_lower_case if self.strip_accents is None else self.strip_accents

    def words(self, source: AlignedText) -> Iterator[AlignedText]:
        """Clean the text and split it at whitespace and around CJK ideographs.

        Yields:
            The words as they stand in the source, without dropped characters.
        """
        kept: list[int] = []
        for position, char in enumerate(source.text):
            if char.isalnum() and char.isascii():
                kept.append(position)
            elif is_dropped(char):
                continue
            elif is_whitespace(char) or char.isspace():
                if kept:
                    yield _selected(source, kept)
                    kept = []
            elif self.tokenize_chinese_chars and is_cjk(char):
                if kept:
                    yield _selected(source, kept)
                    kept = []
                yield source[position : position + 1]
            else:
                kept.append(position)
        if kept:
            yield _selected(source, kept)

    def fold(self, word: AlignedText) -> AlignedText:
        """Apply NFC, lower case and accent stripping to one word.

        Offsets are exact for each character where folding works character by character, else
        for each combining cluster, else for the word: each split is used only if it gives the
        same text as folding the word at once.
        """
        if word.text.isascii():
            text = word.text.lower() if self.do_lower_case else word.text
            return AlignedText(text, word.starts, word.ends)
        how = (self.do_lower_case, self.strips_accents)
        parts = [(1, _folded_character(char, *how)) for char in word.text]
        if len(parts) == 1:
            return word.replaced(parts)
        folded = _folded(word.text, *how)
        if "".join(text for _, text in parts) != folded:
            parts = [(len(part), _folded(part, *how)) for part in _clusters(word.text)]
        if "".join(text for _, text in parts) != folded:
            parts = [(len(word.text), folded)]
        return word.replaced(parts)

    def compose(self, word: AlignedText) -> AlignedText:
        """Apply NFC alone: what happens to a word that is never split."""
        if word.text.isascii():
            return word
        composed = _unicode_normal("NFC", word.text)
        return word if composed == word.text else word.replaced([(len(word.text), composed)])


def _selected(source: AlignedText, positions: list[int]) -> AlignedText:
    first, last = positions[0], positions[-1]
    if last - first + 1 == len(positions):
        return source[first : last + 1]
    return AlignedText(
        "".join(source.text[position] for position in positions),
        [source.starts[position] for position in positions],
        [source.ends[position] for position in positions],
    )
