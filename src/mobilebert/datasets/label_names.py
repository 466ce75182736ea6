"""Other names for labels than those that a file has."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from mobilebert.datasets.cells import label_of, shown
from mobilebert.datasets.items import FinetuneTask, Item, TaggedItem, TextItem
from mobilebert.datasets.problems import RowError
from mobilebert.errors import InputError

__all__ = ["check_occurring", "label_namer"]

_NAMED = (
    FinetuneTask.TEXT_CLASSIFICATION,
    FinetuneTask.MULTI_LABEL,
    FinetuneTask.TOKEN_CLASSIFICATION,
)
# Labels that one error lists.
_LISTED = 8


def label_namer(task: FinetuneTask, names: Mapping[str, str]) -> Callable[[Item], Item]:
    """Make what gives the labels of an item their names; those without one stay as they are.

    Args:
        task: The task.
        names: Label as the file has it -> name. Several labels may get the same one.

    Raises:
        InputError: The task has no named labels, or a label or name is empty.
    """
    if names and task not in _NAMED:
        raise InputError(f"The task {task} has no labels to name; {', '.join(_NAMED)} have.")
    named: dict[str, str] = {}
    for label, name in names.items():
        try:
            named[label_of(label)] = label_of(name)
        except RowError:
            raise InputError(f"A label and its name cannot be empty: {label!r}={name!r}.") from None

    def name_of(label: str) -> str:
        return named.get(label, label)

    def rename(item: Item) -> Item:
        match item:
            case TextItem(label=str() as label):
                return replace(item, label=name_of(label))
            case TextItem(label=tuple() as labels):
                return replace(item, label=tuple(dict.fromkeys(map(name_of, labels))))
            case TaggedItem(tags=tags):
                return replace(item, tags=tuple(map(name_of, tags)))
        return item

    return rename if named else lambda item: item


def check_occurring(path: str, names: Mapping[str, str], labels: Iterable[str]) -> None:
    """Refuse names of labels that a file does not have, which are slips of the pen.

    Args:
        path: What was read, for errors.
        names: Label -> name.
        labels: The labels that occur, by their new names.

    Raises:
        InputError: There is one.
    """
    there = set(labels)
    absent = [label for label, name in names.items() if label_of(name) not in there]
    if not absent:
        return
    listed = [shown(label) for label in sorted(there)]
    more = f" and {len(listed) - _LISTED:,} more" if len(listed) > _LISTED else ""
    raise InputError(
        f"{path}: no row has the label {shown(absent[0])} that is to be named "
        f"{shown(names[absent[0]])}; the others are {', '.join(listed[:_LISTED])}{more}."
    )
