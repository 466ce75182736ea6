"""From labels of tokens to entities: the aggregation strategies of token classification.

The strategies and their rules are those documented for transformers' pipeline.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["AggregationStrategy", "Tag", "Token", "grouped", "tag_tokens", "tag_words", "unite"]

Array = npt.NDArray[np.floating[Any]]


class AggregationStrategy(StrEnum):
    """How labels of tokens become entities."""

    NONE = "none"  # one entry for each token
    SIMPLE = "simple"  # neighbouring tokens of one label
    FIRST = "first"  # a word has the label of its first token
    AVERAGE = "average"  # a word has the label with the best mean score
    MAX = "max"  # a word has the label of its most certain token


@dataclass(frozen=True, slots=True)
class Token:
    """One token with its scores.

    Attributes:
        word: The token, or the source text of an unknown one.
        scores: Score of each label, [labels].
        index: Place in the sequence, [CLS] being 0.
        start: First character in the text, None without offsets.
        end: Character behind the last.
        continues: Whether it continues the word before it.
    """

    word: str
    scores: Array
    index: int
    start: int | None
    end: int | None
    continues: bool


@dataclass(frozen=True, slots=True)
class Tag:
    """One token or word with its label."""

    label: str
    score: float
    words: tuple[str, ...]
    start: int | None
    end: int | None
    index: int

    @property
    def kind(self) -> str:
        """The label without B- or I-."""
        return self.label[2:] if self.label[:2] in ("B-", "I-") else self.label

    @property
    def begins(self) -> bool:
        """Whether the label says that an entity begins here."""
        return self.label.startswith("B-")


def tag_tokens(tokens: list[Token], labels: Mapping[int, str]) -> list[Tag]:
    """Give each token its best label."""
    return [_tag([token], token.scores, labels) for token in tokens]


def tag_words(
    tokens: list[Token], labels: Mapping[int, str], strategy: AggregationStrategy
) -> list[Tag]:
    """Give each word one label.

    Args:
        tokens: The tokens of one sequence.
        labels: Number -> label.
        strategy: FIRST, AVERAGE or MAX.
    """
    return [_tag(word, _word_scores(word, strategy), labels) for word in _words(tokens)]


def _words(tokens: list[Token]) -> Iterator[list[Token]]:
    word: list[Token] = []
    for token in tokens:
        if word and not token.continues:
            yield word
            word = []
        word.append(token)
    if word:
        yield word


def _word_scores(word: list[Token], strategy: AggregationStrategy) -> Array:
    if strategy is AggregationStrategy.AVERAGE:
        return np.asarray(np.mean([token.scores for token in word], axis=0))
    if strategy is AggregationStrategy.MAX:
        return max(word, key=lambda token: float(token.scores.max())).scores
    return word[0].scores


def _tag(word: list[Token], scores: Array, labels: Mapping[int, str]) -> Tag:
    place = int(scores.argmax())
    return Tag(
        labels[place],
        float(scores[place]),
        tuple(token.word for token in word),
        word[0].start,
        word[-1].end,
        word[0].index,
    )


def grouped(tags: list[Tag]) -> Iterator[list[Tag]]:
    """Put neighbouring tags of one kind together; B- begins another group."""
    group: list[Tag] = []
    for tag in tags:
        if group and (tag.kind != group[-1].kind or tag.begins):
            yield group
            group = []
        group.append(tag)
    if group:
        yield group


def unite(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Unite what overlapping windows found: of two entries at one place the longer one stays.

    Of equally long ones the earlier token stays, as pieces of one character have the same place; of
    what two windows say about one token, the more certain.

    Args:
        entries: Entries with ``start``, ``end`` and ``score``, of all windows.

    Returns:
        The entries left, in the order of the text.
    """
    united: list[dict[str, Any]] = []
    for entry in sorted(entries, key=lambda entry: entry["start"]):
        if not united or not united[-1]["start"] <= entry["start"] < united[-1]["end"]:
            united.append(entry)
        elif _rank(entry) > _rank(united[-1]):
            united[-1] = entry
    return united


def _rank(entry: dict[str, Any]) -> tuple[int, int, float]:
    # Entities have no index.
    return entry["end"] - entry["start"], -entry.get("index", 0), entry["score"]
