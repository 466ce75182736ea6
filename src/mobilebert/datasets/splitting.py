"""Splitting items into those to train on and those to judge by."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from mobilebert.datasets.fingerprints import fingerprint, folded, input_of
from mobilebert.datasets.items import ChoiceItem, Item, QuestionItem, TaggedItem, TextItem
from mobilebert.datasets.problems import Problem, ProblemKind
from mobilebert.errors import InputError

__all__ = ["leaks", "split"]

# Numbers are stratified by tenths.
_BINS = 10
# The stratum of all items.
_EVERYTHING = ""

_Indices = NDArray[np.int64]


def split(
    items: Iterable[Item],
    *,
    share: float = 0.1,
    seed: int = 0,
    groups: Sequence[str] | None = None,
) -> tuple[_Indices, _Indices]:
    """Split items so that both parts have each label in the same proportion.

    Items with the same text (but for case and white space) or of the same group stay together. The
    first part has each label that the second has.

    Args:
        items: The items; read once.
        share: How much the second part gets, between 0 and 1.
        seed: Decides which; the same seed splits in the same way.
        groups: For each item what belongs together; empty names say nothing.

    Returns:
        The places of the items of both parts, in order.

    Raises:
        InputError: A part would be empty.
    """
    if not 0 < share < 1:
        raise InputError(f"The share of a split is between 0 and 1, not {share}.")
    labels, texts = _strata_and_texts(items)
    units = _units(texts, groups)
    wanted = _Wanted(labels, share)
    order = np.random.default_rng(seed).permutation(len(units)).tolist()
    held = np.zeros(len(labels), bool)
    # Rare labels first, as iterative stratification does (Sechidis et al. 2011, section 3): what
    # comes with them of others is made up for when it is their turn. Then what is still missing.
    rare_first = sorted(order, key=lambda place: wanted.rarity(units[place]))
    for places, fits in ((rare_first, wanted.has_room), (order, wanted.comes_nearer)):
        for place in places:
            unit = units[place]
            if not held[unit[0]] and fits(unit):
                wanted.take(unit)
                held[unit] = True
    if not held.any() or held.all():
        raise InputError(
            f"{len(labels):,} rows in {len(units):,} groups of the same text or group cannot be "
            f"split by {share:g}; give a file to judge by (--dev), or another share."
        )
    return np.flatnonzero(~held), np.flatnonzero(held)


class _Wanted:
    """How many items of each stratum are still wanted in the second part."""

    def __init__(self, strata: Sequence[tuple[str, ...]], share: float) -> None:
        self._strata = strata
        self._all = Counter(name for names in strata for name in names)
        self._wanted = {name: share * count for name, count in self._all.items()}
        self._held: Counter[str] = Counter()

    def _counts(self, unit: Sequence[int]) -> Counter[str]:
        return Counter(name for place in unit for name in self._strata[place])

    def _rarest(self, counts: Counter[str]) -> str:
        return min(counts, key=lambda name: (self._all[name], name))

    def rarity(self, unit: Sequence[int]) -> int:
        """Return how many items the rarest stratum has."""
        return self._all[self._rarest(self._counts(unit))]

    def _takes_all(self, counts: Counter[str]) -> bool:
        return any(self._held[name] + n == self._all[name] for name, n in counts.items())

    def has_room(self, unit: Sequence[int]) -> bool:
        """Tell whether items do not exceed what is wanted of their rarest stratum, and of all."""
        counts = self._counts(unit)
        return not self._takes_all(counts) and all(
            self._held[name] + counts[name] <= self._wanted[name]
            for name in (_EVERYTHING, self._rarest(counts))
        )

    def comes_nearer(self, unit: Sequence[int]) -> bool:
        """Tell whether the second part is nearer to what is wanted with these items."""
        counts = self._counts(unit)
        nearer = 0.0
        for name, count in counts.items():
            missing = self._wanted[name] - self._held[name]
            nearer += abs(missing) - abs(missing - count)
        return nearer > 0 and not self._takes_all(counts)

    def take(self, unit: Sequence[int]) -> None:
        """Count items as held."""
        self._held.update(self._counts(unit))


def _strata_and_texts(items: Iterable[Item]) -> tuple[list[tuple[str, ...]], list[int]]:
    strata: list[tuple[str, ...]] = []
    texts: list[int] = []
    numbers: list[float] = []
    for item in items:
        texts.append(fingerprint(folded(input_of(item))))
        strata.append(_strata(item))
        if isinstance(item, TextItem) and isinstance(item.label, float):
            numbers.append(item.label)
    if numbers and len(numbers) == len(strata):
        borders = np.unique(np.quantile(numbers, np.arange(1, _BINS) / _BINS))
        bins = np.searchsorted(borders, numbers)
        strata = [(_EVERYTHING, str(place)) for place in bins.tolist()]
    return strata, texts


def _strata(item: Item) -> tuple[str, ...]:
    """Return what an item counts as; each counts as an item."""
    match item:
        case TextItem(label=str() as label):
            return (_EVERYTHING, f"={label}")
        case TextItem(label=tuple() as labels):
            return (_EVERYTHING, *(f"={label}" for label in labels))
        case TaggedItem():
            return (_EVERYTHING, *sorted({tag.partition("-")[2] for tag in item.tags} - {""}))
        case QuestionItem():
            return (_EVERYTHING, "=answer" if item.answers else "=nothing")
        case ChoiceItem():
            return (_EVERYTHING, f"={item.label}")
    return (_EVERYTHING,)


def _units(texts: Sequence[int], groups: Sequence[str] | None) -> list[list[int]]:
    """Return the places of items that must stay together."""
    parent = list(range(len(texts)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    first: dict[int | str, int] = {}
    for place, text in enumerate(texts):
        parent[place] = root(first.setdefault(text, place))
        if groups is not None and (group := groups[place]):
            parent[root(place)] = root(first.setdefault(group, place))
    units: dict[int, list[int]] = defaultdict(list)
    for place in range(len(texts)):
        units[root(place)].append(place)
    return list(units.values())


def leaks(train: Iterable[Item], dev: Iterable[Item]) -> list[Problem]:
    """Find items to judge by whose text stands in the training data.

    Args:
        train: What is trained on.
        dev: What is judged by.

    Returns:
        One for each such item of `dev`. Case and white space make no other text.
    """
    places = {fingerprint(folded(input_of(item))): item.place for item in dev}
    seen: dict[int, str] = {}
    for item in train:
        text = fingerprint(folded(input_of(item)))
        if text in places:
            seen.setdefault(text, item.place)
    return [
        Problem(item.place, ProblemKind.LEAK, f"its text stands in {seen[text]} too.")
        for item in dev
        if (text := fingerprint(folded(input_of(item)))) in seen
    ]
