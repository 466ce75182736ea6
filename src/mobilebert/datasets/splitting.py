"""Splitting items into those to train on and those to judge by."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from sys import intern
from typing import overload

import numpy as np
from numpy.typing import NDArray

from mobilebert.datasets.cells import shown
from mobilebert.datasets.fingerprints import shared_text
from mobilebert.datasets.item_sets import Items
from mobilebert.datasets.items import ChoiceItem, Item, QuestionItem, TaggedItem, TextItem
from mobilebert.datasets.problems import Problem, ProblemKind, ProblemLog
from mobilebert.errors import InputError

__all__ = ["leaks", "shared_groups", "split"]

# Numbers are stratified by tenths.
_BINS = 10
# The stratum of all items.
_EVERYTHING = ""

_Indices = NDArray[np.int64]
_Texts = NDArray[np.uint64]
# Strata and how many items have them, the rarest first.
_Counts = tuple[tuple[str, int], ...]


def split(
    items: Iterable[Item],
    *,
    share: float = 0.1,
    seed: int = 0,
    groups: Sequence[str] | None = None,
    text_of: Callable[[Item], int] = shared_text,
) -> tuple[_Indices, _Indices]:
    """Split items so that both parts have each label in the same proportion.

    Items with the same text (of questions the same context) or of the same group stay together. The
    first part has each label that the second has.

    Args:
        items: The items; read once.
        share: How much the second part gets, between 0 and 1.
        seed: Decides which; the same seed splits in the same way.
        groups: For each item what belongs together; empty names say nothing.
        text_of: Fingerprint of an item's text, the same of those with the same one.

    Returns:
        The places of the items of both parts, in order.

    Raises:
        InputError: A part would be empty.
    """
    if not 0 < share < 1:
        raise InputError(f"The share of a split is between 0 and 1, not {share}.")
    strata, texts = _strata_and_texts(items, text_of)
    units = _units(texts, groups)
    wanted = _Wanted(strata, share)
    counts = [wanted.counts(unit) for unit in units]
    order = np.random.default_rng(seed).permutation(len(units))
    rarity = np.fromiter(map(wanted.rarity, counts), np.int64, len(units))
    held = np.zeros(len(units), bool)
    # Rare labels first, as iterative stratification does (Sechidis et al. 2011, section 3): what
    # comes with them of others is made up for when it is their turn. Then what is still missing.
    rare_first = order[np.argsort(rarity[order], kind="stable")]
    for places, fits in ((rare_first, wanted.has_room), (order, wanted.comes_nearer)):
        for place in map(int, places):
            if not held[place] and fits(counts[place]):
                wanted.take(counts[place])
                held[place] = True
    if not held.any() or held.all():
        raise InputError(
            f"{len(strata):,} rows in {len(units):,} groups of the same text or group cannot be "
            f"split by {share:g}; give a file to judge by (--dev), or another share."
        )
    return units.members_of(~held), units.members_of(held)


class _Strata(Sequence[tuple[str, ...]]):
    """What each item counts as, in four bytes."""

    def __init__(self) -> None:
        self.names: list[tuple[str, ...]] = []
        self._numbers: dict[tuple[str, ...], int] = {}
        self._of_items = array("i")

    def append(self, names: tuple[str, ...]) -> None:
        """Take the next item's."""
        number = self._numbers.setdefault(names, len(self.names))
        if number == len(self.names):
            self.names.append(names)
        self._of_items.append(number)

    def __len__(self) -> int:
        return len(self._of_items)

    @overload
    def __getitem__(self, place: int) -> tuple[str, ...]: ...

    @overload
    def __getitem__(self, place: slice) -> list[tuple[str, ...]]: ...

    def __getitem__(self, place: int | slice) -> tuple[str, ...] | list[tuple[str, ...]]:
        if isinstance(place, slice):
            return [self.names[number] for number in self._of_items[place]]
        return self.names[self._of_items[place]]

    def counts(self) -> Counter[str]:
        """Count the items of each stratum."""
        counts: Counter[str] = Counter()
        for number, items in enumerate(np.bincount(self._of_items).tolist()):
            for name in self.names[number]:
                counts[name] += items
        return counts


@dataclass(frozen=True)
class _Units:
    """Items that stay together, in sixteen bytes for each.

    Attributes:
        members: Places of the items, unit by unit.
        starts: Where units begin in that, and where the last one ends.
    """

    members: _Indices
    starts: _Indices

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __iter__(self) -> Iterator[_Indices]:
        for start, end in pairwise(map(int, self.starts)):
            yield self.members[start:end]

    def members_of(self, chosen: NDArray[np.bool_]) -> _Indices:
        """Return the places of the items of some units, in order."""
        return np.sort(self.members[np.repeat(chosen, np.diff(self.starts))])


class _Wanted:
    """How many items of each stratum are still wanted in the second part.

    Args:
        strata: Those of each item.
        share: How much of each is wanted.
    """

    def __init__(self, strata: _Strata, share: float) -> None:
        self._strata = strata
        self._all = strata.counts()
        self._wanted = {name: share * count for name, count in self._all.items()}
        self._held: Counter[str] = Counter()
        self._of_one = cache(_counted)

    def counts(self, unit: _Indices) -> _Counts:
        """Count the strata of items, the rarest first; most units are one item."""
        if len(unit) == 1:
            return self._of_one(self._strata[unit[0]], self._rarity_of)
        names = (name for place in unit for name in self._strata[place])
        return _counted(tuple(names), self._rarity_of)

    def _rarity_of(self, name: str) -> tuple[int, str]:
        return self._all[name], name

    def rarity(self, counts: _Counts) -> int:
        """Return how many items the rarest stratum has."""
        return self._all[counts[0][0]]

    def _takes_all(self, counts: _Counts) -> bool:
        return any(self._held[name] + count == self._all[name] for name, count in counts)

    def has_room(self, counts: _Counts) -> bool:
        """Tell whether items do not exceed what is wanted of their rarest stratum, and of all."""
        return not self._takes_all(counts) and all(
            self._held[name] + count <= self._wanted[name]
            for name, count in (counts[0], counts[-1])
        )

    def comes_nearer(self, counts: _Counts) -> bool:
        """Tell whether the second part is nearer to what is wanted with these items."""
        nearer = 0.0
        for name, count in counts:
            missing = self._wanted[name] - self._held[name]
            nearer += abs(missing) - abs(missing - count)
        return nearer > 0 and not self._takes_all(counts)

    def take(self, counts: _Counts) -> None:
        """Count items as held."""
        for name, count in counts:
            self._held[name] += count


def _counted(names: tuple[str, ...], rarity: Callable[[str], tuple[int, str]]) -> _Counts:
    counts = Counter(names)
    # All items have the stratum of everything, which is so the last.
    others = sorted(set(counts) - {_EVERYTHING}, key=rarity)
    return tuple((name, counts[name]) for name in (*others, _EVERYTHING))


def _strata_and_texts(
    items: Iterable[Item], text_of: Callable[[Item], int]
) -> tuple[_Strata, _Texts]:
    strata, texts, numbers = _Strata(), array("Q"), array("d")
    for item in items:
        texts.append(text_of(item))
        strata.append(_strata(item))
        if isinstance(item, TextItem) and isinstance(item.label, float):
            numbers.append(item.label)
    if numbers and len(numbers) == len(strata):
        borders = np.unique(np.quantile(numbers, np.arange(1, _BINS) / _BINS))
        strata = _Strata()
        for place in map(int, np.searchsorted(borders, numbers)):
            strata.append((_EVERYTHING, str(place)))
    return strata, np.frombuffer(texts, np.uint64)


def _strata(item: Item) -> tuple[str, ...]:
    """Return what an item counts as; each counts as an item."""
    match item:
        case TextItem(label=str() as label):
            return (_EVERYTHING, f"={label}")
        case TextItem(label=tuple() as labels):
            return (_EVERYTHING, *(f"={label}" for label in labels))
        case TaggedItem():
            # Whole tags, "O" among them: one that is held alone would be unknown to the model.
            return (_EVERYTHING, *(intern(f"={tag}") for tag in sorted(set(item.tags))))
        case QuestionItem():
            return (_EVERYTHING, "=answer" if item.answers else "=nothing")
        case ChoiceItem():
            return (_EVERYTHING, f"={item.label}")
    return (_EVERYTHING,)


def _units(texts: _Texts, groups: Sequence[str] | None) -> _Units:
    """Find items that must stay together."""
    _, unit = np.unique(texts, return_inverse=True)
    if groups is not None:
        unit = _joined(unit, groups)
    order = np.argsort(unit, kind="stable")
    ordered = unit[order]
    first = np.ones(len(order), bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return _Units(order, np.append(np.flatnonzero(first), len(order)))


def _joined(unit: _Indices, groups: Sequence[str]) -> _Indices:
    """Join units that have items of the same group."""
    parent = array("q", range(len(unit)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    first: dict[str, int] = {}
    for place, group in zip(map(int, unit), groups, strict=True):
        if group:
            parent[root(place)] = root(first.setdefault(group, place))
    return np.fromiter((root(place) for place in map(int, unit)), np.int64, len(unit))


def leaks(train: Iterable[Item], dev: Iterable[Item]) -> list[Problem]:
    """Find items to judge by whose text stands in the training data.

    Args:
        train: What is trained on.
        dev: What is judged by.

    Returns:
        One for each such item of `dev`. What makes no other text says `shared_text`.
    """
    places = {shared_text(item): item.place for item in dev}
    seen: dict[int, str] = {}
    for item in train:
        text = shared_text(item)
        if text in places:
            seen.setdefault(text, item.place)
    return [
        Problem(item.place, ProblemKind.LEAK, f"its {_named(item)} stands in {seen[text]} too.")
        for item in dev
        if (text := shared_text(item)) in seen
    ]


def _named(item: Item) -> str:
    return "context" if isinstance(item, QuestionItem) else "text"


def shared_groups(train: Items, dev: Items) -> ProblemLog:
    """Find items to judge by of a group that training data have.

    Args:
        train: What is trained on.
        dev: What is judged by.
    """
    log = ProblemLog()
    known = set(train.groups or ()) - {""}
    if dev.groups is None or known.isdisjoint(dev.groups):
        return log
    for item, group in zip(dev, dev.groups, strict=True):
        if group in known:
            reason = f"the group {shown(group)} has rows of the training data too."
            log.add(Problem(item.place, ProblemKind.SHARED_GROUP, reason))
    return log
