"""Which items have the same text."""

import hashlib
from array import array
from collections.abc import Iterable
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from mobilebert.datasets.items import ChoiceItem, Item, QuestionItem, TaggedItem, TextItem
from mobilebert.datasets.problems import KEPT_PROBLEMS, Problem, ProblemKind, ProblemLog

__all__ = [
    "Repetitions",
    "digest_of",
    "fingerprint",
    "folded",
    "input_of",
    "shared_text",
    "target_of",
    "whole_text",
]


def input_of(item: Item) -> tuple[str, ...]:
    """Return what a model reads of an item."""
    match item:
        case TextItem():
            return (item.text,) if item.pair is None else (item.text, item.pair)
        case TaggedItem():
            return item.words
        case QuestionItem():
            return (item.question, item.context)
        case ChoiceItem():
            return (item.prompt, *item.choices)
    return (item.text,)


def target_of(item: Item) -> object:
    """Return what a model should say about an item."""
    match item:
        case TextItem() | ChoiceItem():
            return item.label
        case TaggedItem():
            return item.tags
        case QuestionItem():
            return item.answers
    return None


def folded(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Take away what an uncased tokenizer does not see: case, and how much white space."""
    return tuple(" ".join(text.casefold().split()) for text in texts)


def shared_text(item: Item) -> int:
    """Return the fingerprint of what items to judge by must not share with those to learn from.

    Of questions that is the context, of others `whole_text`.
    """
    if isinstance(item, QuestionItem):
        return fingerprint(folded((item.context,)))
    return whole_text(item)


def whole_text(item: Item) -> int:
    """Return the fingerprint of all that a model reads of an item.

    The order of the texts of a pair, and of choices, makes no other text, nor do case and white
    space.
    """
    texts = folded(input_of(item))
    match item:
        case TextItem():
            texts = tuple(sorted(texts))
        case ChoiceItem():
            texts = (texts[0], *sorted(texts[1:]))
    return fingerprint(texts)


def fingerprint(texts: tuple[str, ...]) -> int:
    """Return 64 bits that other texts have as good as never (3e-6 for ten million)."""
    digest = hashlib.blake2b("\x1f".join(texts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def digest_of(items: Iterable[Item]) -> str:
    """Return a digest of the texts of items, whatever their order; labels may have other names."""
    found = np.fromiter((fingerprint(input_of(item)) for item in items), np.dtype("<u8"))
    return hashlib.blake2b(np.sort(found).tobytes(), digest_size=8).hexdigest()


class Repetitions:
    """Finds items that are there twice, in 16 bytes for each."""

    def __init__(self) -> None:
        self._texts, self._targets = array("Q"), array("Q")

    def add(self, item: Item) -> None:
        """Take the next item."""
        self._texts.append(fingerprint(input_of(item)))
        self._targets.append(fingerprint((repr(target_of(item)),)))

    def log_into(self, log: ProblemLog, items: Iterable[Item]) -> None:
        """Log each item whose text an earlier one has.

        Args:
            log: Gets them; with a place only as many as it keeps.
            items: The same items once more, for their places; read only if there are such.
        """
        first = self._first_alike()
        later = np.flatnonzero(first != np.arange(len(first)))
        targets = np.frombuffer(self._targets, np.uint64)
        alike = targets[later] == targets[first[later]]
        found = (
            (ProblemKind.DUPLICATE, "the same as", later[alike]),
            (ProblemKind.CONTRADICTION, "another label than the same text in", later[~alike]),
        )
        named = {
            item: (kind, reason)
            for kind, reason, chosen in found
            for item in chosen[:KEPT_PROBLEMS].tolist()
        }
        wanted = {*named, *(int(first[item]) for item in named)}
        some = islice(items, max(wanted) + 1) if wanted else ()
        places = {n: item.place for n, item in enumerate(some) if n in wanted}
        for item, (kind, reason) in sorted(named.items()):
            log.add(Problem(places[item], kind, f"{reason} {places[first[item]]}."))
        for kind, _, chosen in found:
            log.count(kind, len(chosen[KEPT_PROBLEMS:]))

    def _first_alike(self) -> NDArray[np.int64]:
        """Return for each item the first one with its text."""
        texts = np.frombuffer(self._texts, np.uint64)
        order = np.argsort(texts, kind="stable")
        new = np.ones(len(order), bool)
        new[1:] = texts[order][1:] != texts[order][:-1]
        first = np.empty_like(order)
        first[order] = order[np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))]
        return first
