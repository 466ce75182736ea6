"""Names of labels: those that occur in the training data, in a fixed order."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mobilebert.datasets.items import FinetuneTask
from mobilebert.datasets.problems import ProblemKind, RowError

__all__ = ["OUTSIDE", "LabelNames", "collect_labels", "not_of_model", "number_of"]

LabelNames = tuple[str, ...]

# The tag of a word that is part of nothing.
OUTSIDE = "O"

# Labels of a model that one error names.
_NAMED = 8

_TAGS = FinetuneTask.TOKEN_CLASSIFICATION
_LABELLED = (FinetuneTask.TEXT_CLASSIFICATION, FinetuneTask.MULTI_LABEL, _TAGS)


def collect_labels(task: FinetuneTask, names: Iterable[str]) -> LabelNames:
    """Put the labels that occur in the order of their numbers.

    Whole numbers are in rising order, names in that of the alphabet; of tags "O" is the first, and
    those of one type stand together.

    Args:
        task: The task.
        names: The labels of the training data, each once or more often.

    Returns:
        The names; none for tasks without labels.
    """
    if task not in _LABELLED:
        return ()
    known = set(names)
    return tuple(sorted(known, key=_tag_order if task is _TAGS else _order(known)))


def number_of(name: str, numbers: Mapping[str, int]) -> int:
    """Return the number of a label.

    Args:
        name: The label.
        numbers: Label -> number.

    Raises:
        RowError: It is not among them.
    """
    if name not in numbers:
        raise RowError(ProblemKind.UNSEEN_LABEL, f"The label {name!r} {not_of_model(numbers)}.")
    return numbers[name]


def not_of_model(names: Iterable[str]) -> str:
    """Return what is said of a label that is not among a model's.

    Args:
        names: Those of the model.
    """
    known = [repr(name) for name in names]
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    return (
        f"is not one of the model's ({', '.join(known[:_NAMED])}{more}); if it has another name "
        "there, say so with --label-names"
    )


def _order(names: set[str]) -> Callable[[str], Any] | None:
    if all(name.isdecimal() and name.isascii() for name in names):
        return lambda name: (int(name), name)
    return None


def _tag_order(tag: str) -> tuple[bool, str, str]:
    prefix, _, kind = tag.partition("-")
    return (tag != OUTSIDE, kind, prefix)
