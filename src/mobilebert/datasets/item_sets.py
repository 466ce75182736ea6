"""All items of a file, with what was found out while they were read."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mobilebert.datasets.items import Item
from mobilebert.datasets.label_texts import names_of
from mobilebert.datasets.problems import Problem, ProblemKind, ProblemLog

__all__ = ["Items", "StreamedItems"]


@dataclass(frozen=True)
class StreamedItems:
    """Items that are read again each time.

    Attributes:
        start: Starts reading.
        count: How many there are.
    """

    start: Callable[[], Iterator[Item]]
    count: int

    def __iter__(self) -> Iterator[Item]:
        return self.start()

    def __len__(self) -> int:
        return self.count


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

    def only(self, places: Iterable[int], log: ProblemLog | None = None) -> "Items":
        """Take some of the items.

        Args:
            places: Which, in order.
            log: Problems to tell besides, for instance those of the others.
        """
        chosen = [int(place) for place in places]
        items: Sequence[Item] | StreamedItems
        if isinstance(self.items, StreamedItems):
            items = StreamedItems(lambda: _at(self.items, chosen), len(chosen))
        else:
            items = [self.items[place] for place in chosen]
        added = ProblemLog() if log is None else log
        return replace(
            self,
            items=items,
            problems=(*self.problems, *added.kept),
            counts=Counter(self.counts) + Counter(added.counts),
            groups=None if self.groups is None else [self.groups[place] for place in chosen],
            labels=Counter(name for item in items for name in names_of(item)),
        )


def _at(items: Iterable[Item], places: Sequence[int]) -> Iterator[Item]:
    wanted = iter(places)
    next_one = next(wanted, None)
    for place, item in enumerate(items):
        if place == next_one:
            yield item
            next_one = next(wanted, None)
