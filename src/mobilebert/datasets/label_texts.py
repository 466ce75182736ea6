"""Whether labels are names of classes, or texts that stand in the wrong column."""

from collections.abc import Iterator
from dataclasses import dataclass

from mobilebert.datasets.cells import shown
from mobilebert.datasets.items import Item, TaggedItem, TextItem
from mobilebert.datasets.problems import Problem, ProblemKind
from mobilebert.errors import InputError

__all__ = ["LabelTally", "names_of"]

_MOST_LABELS = 10_000
# From so many on, labels are compared with the number of rows.
_FEW_LABELS = 20
_WORDS_OF_A_TEXT = 4
_LENGTH_OF_A_TEXT = 50


@dataclass
class _Seen:
    place: str
    count: int = 0


class LabelTally:
    """Counts labels.

    Args:
        path: What is read, for errors.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen: dict[str, _Seen] = {}
        self._rows = 0

    def add(self, item: Item) -> None:
        """Count the labels of an item, where it has names of classes.

        Raises:
            InputError: There are more labels than a model could have.
        """
        self._rows += 1
        for name in names_of(item):
            self._seen.setdefault(name, _Seen(item.place)).count += 1
        if len(self._seen) > _MOST_LABELS:
            raise self._refusal()

    def _refusal(self) -> InputError:
        example = next(iter(self._seen))
        return InputError(
            f"{self._path}: the labels have {len(self._seen):,} different values in "
            f"{self._rows:,} rows, such as {shown(example)}: this looks like text in the label "
            "column. Say which column has the labels with --column label=..."
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many items have each label."""
        return {name: seen.count for name, seen in self._seen.items()}

    def strange(self) -> dict[str, Problem]:
        """Find labels that are texts: long ones that are there once, where the others are short.

        Returns:
            Label -> where it is.

        Raises:
            InputError: Most labels are texts.
        """
        long = [name for name in self._seen if _is_long(name)]
        if len(self._seen) > max(_FEW_LABELS, self._rows // 2) and 2 * len(long) > len(self._seen):
            raise self._refusal()
        known = [name for name, seen in self._seen.items() if seen.count > 1]
        if not known or any(map(_is_long, known)):
            return {}
        return {
            name: Problem(
                self._seen[name].place,
                ProblemKind.TEXT_AS_LABEL,
                f"the label {shown(name)} looks like a text.",
            )
            for name in long
            if self._seen[name].count == 1
        }


def _is_long(name: str) -> bool:
    return len(name) > _LENGTH_OF_A_TEXT or len(name.split()) > _WORDS_OF_A_TEXT


def names_of(item: Item) -> Iterator[str]:
    """Yield the classes or tags of an item."""
    match item:
        case TextItem(label=str() as label):
            yield label
        case TextItem(label=tuple() as names) | TaggedItem(tags=names):
            yield from names
