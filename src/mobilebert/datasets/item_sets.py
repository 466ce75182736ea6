"""All items of a file, with what was found out while they were read."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.datasets.items import Item
from mobilebert.datasets.label_texts import names_of
from mobilebert.datasets.problems import Problem, ProblemKind, ProblemLog

__all__ = ["LARGEST_IN_MEMORY", "Items", "StreamedItems"]


LARGEST_IN_MEMORY = 100 * 2**20
"""Bytes of text; items of more are not kept, but read again each time."""

_Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class StreamedItems:
    """Items that are read again each time.

    Attributes:
        start: Starts reading.
        count: How many there are.
        size: Bytes of text, about.
    """

    start: Callable[[], Iterator[Item]]
    count: int
    size: int

    def __iter__(self) -> Iterator[Item]:
        return self.start()

    def __len__(self) -> int:
        return self.count

    def only(self, places: _Places) -> "list[Item] | StreamedItems":
        """Take some of the items, into memory where they are few enough.

        Args:
            places: Which, in order, [number of items].
        """
        size = self.size * len(places) // max(self.count, 1)
        part = StreamedItems(lambda: _at(self, places), len(places), size)
        return list(part) if size <= LARGEST_IN_MEMORY else part


@dataclass(frozen=True)
class Items:
    """What a task reads.

    Attributes:
        items: The items: a list, or what reads the file again each time where it is large.
        facts: Sentences about how the file was read and what was guessed.
        problems: The first problems of each kind.
        counts: How many problems of each kind there are.
        groups: For each item what belongs together, or None.
        labels: How many items have each class, or words each tag.
        options: Keywords of `read_items` by which another file is read in the same way.
    """

    items: Sequence[Item] | StreamedItems
    facts: tuple[str, ...]
    problems: tuple[Problem, ...]
    counts: Mapping[ProblemKind, int]
    groups: Sequence[str] | None
    labels: Mapping[str, int]
    options: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def only(
        self,
        places: Sequence[int] | _Places,
        log: ProblemLog | None = None,
        *,
        labels: Mapping[str, int] | None = None,
    ) -> "Items":
        """Take some of the items.

        Args:
            places: Which, in order.
            log: Problems to tell besides, for instance those of the others.
            labels: How many of them have each label, where that is known; else they are counted.
        """
        chosen = np.asarray(places, np.int64)
        items: Sequence[Item] | StreamedItems
        if isinstance(self.items, StreamedItems):
            items = self.items.only(chosen)
        else:
            items = [self.items[place] for place in map(int, chosen)]
        if labels is None:
            labels = Counter(name for item in items for name in names_of(item))
        return replace(
            self if log is None else self.with_problems(log),
            items=items,
            groups=None if self.groups is None else [self.groups[n] for n in map(int, chosen)],
            labels=labels,
        )

    def with_problems(self, log: ProblemLog) -> "Items":
        """Tell of further problems.

        Args:
            log: The problems.
        """
        return replace(
            self,
            problems=(*self.problems, *log.kept),
            counts=Counter(self.counts) + Counter(log.counts),
        )


def _at(items: Iterable[Item], places: _Places) -> Iterator[Item]:
    """Yield the items at some places; what stands behind the last one is not read."""
    numbered = enumerate(items)
    for wanted in map(int, places):
        yield next(item for place, item in numbered if place == wanted)
