"""Whether there is something to learn, and whether training and judging have the same labels."""

from collections.abc import Collection

from mobilebert.datasets.cells import shown
from mobilebert.datasets.item_sets import Items
from mobilebert.datasets.items import FinetuneTask, TextItem
from mobilebert.datasets.label_texts import names_of
from mobilebert.datasets.problems import (
    NOTICES,
    OnError,
    Problem,
    ProblemKind,
    ProblemLog,
    on_error_of,
)
from mobilebert.errors import InputError

__all__ = ["check_tags", "check_training", "without_unseen_labels"]

# Tags that an error lists.
_NAMED = 5
_CLASSES = (FinetuneTask.TEXT_CLASSIFICATION, FinetuneTask.TOKEN_CLASSIFICATION)


def check_training(task: FinetuneTask, train: Items, *, is_part: bool = False) -> None:
    """Refuse data that a model can learn nothing from.

    Args:
        task: The task.
        train: What it would be trained on.
        is_part: Whether the files have other rows, to judge by.

    Raises:
        InputError: All items have the same class, tag or number, none has a label, or all tags are
            numbers.
    """
    first = next(iter(train), None)
    place = "" if first is None else f"{first.place}: "
    rows = _counted(train, is_part)
    if task in _CLASSES and len(train.labels) < 2:
        (name,) = train.labels
        raise InputError(
            f"{place}all {rows} have the same label {shown(name)}, from here on; "
            "there is nothing to learn. Say which column has the labels with --column label=..."
        )
    check_tags(task, train)
    if task is FinetuneTask.MULTI_LABEL and not train.labels:
        raise InputError(f"{place}none of the {rows} has a label, from here on.")
    if task is FinetuneTask.REGRESSION:
        numbers = (item.label for item in train if isinstance(item, TextItem))
        number = next(numbers, None)
        if all(other == number for other in numbers):
            raise InputError(
                f"{place}all {rows} have the same target, from here on; there is nothing to learn."
            )


def check_tags(task: FinetuneTask, items: Items) -> None:
    """Refuse tags that do not say which words are part of nothing, nor where entities begin.

    Args:
        task: The task.
        items: Its items.

    Raises:
        InputError: All tags are numbers.
    """
    names = sorted(items.labels, key=lambda name: (len(name), name))
    is_tagged = task is FinetuneTask.TOKEN_CLASSIFICATION
    if is_tagged and all(name.removeprefix("-").isdecimal() for name in names):
        place, some = next(iter(items)).place, ", ".join(names[:_NAMED])
        raise InputError(
            f"{place}: the tags are numbers, from here on ({some}); name them: "
            "--label-names 0=O,1=B-PER,2=I-PER,... Data sets name them in their description."
        )


def _counted(items: Items, is_part: bool) -> str:
    """Say how many rows there are, and whether the file has others."""
    usable = "usable " if any(kind not in NOTICES for kind in items.counts) else ""
    return f"{len(items):,} {usable}rows{' to learn from' if is_part else ''}"


def without_unseen_labels(
    names: Collection[str],
    dev: Items,
    on_error: OnError | str = OnError.REFUSE,
    reason: str = "is not in the training data",
) -> Items:
    """Refuse or leave out items to judge by that have a label which was not learned.

    Args:
        names: The labels that were learned.
        dev: What is judged by.
        on_error: Whether such items are refused or left out.
        reason: What is said of other labels.

    Returns:
        `dev`, or its other items and the problems of those left out.

    Raises:
        InputError: There are such items and they are refused, or there are no others.
    """
    known = set(names)
    if known.issuperset(dev.labels):
        return dev
    unseen = ProblemLog()
    kept = []
    for place, item in enumerate(dev):
        name = next((name for name in names_of(item) if name not in known), None)
        if name is None:
            kept.append(place)
        else:
            sentence = f"the label {shown(name)} {reason}."
            unseen.add(Problem(item.place, ProblemKind.UNSEEN_LABEL, sentence))
    if on_error_of(on_error) is OnError.REFUSE:
        unseen.refuse("The data to judge by", len(dev))
    if not kept:
        raise InputError(f"No row to judge by has a label that was learned; {unseen.kept[0]}")
    return dev.only(kept, unseen)
