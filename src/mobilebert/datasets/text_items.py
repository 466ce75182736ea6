"""Rows as texts with a class, a number or several labels."""

from collections.abc import Callable, Sequence
from typing import Any

from mobilebert.datasets.cells import (
    is_missing,
    label_of,
    list_in,
    number_of,
    shown,
    text_of,
)
from mobilebert.datasets.column_profiles import FLAGS
from mobilebert.datasets.columns import Columns
from mobilebert.datasets.items import FinetuneTask, PlainItem, TextItem
from mobilebert.datasets.problems import ProblemKind, RowError
from mobilebert.datasets.rows import Row

__all__ = ["plain_reader", "text_reader"]

_Label = str | float | tuple[str, ...]

# What separates labels in a cell, and what it is called.
_SEPARATORS = {",": "commas", ";": "semicolons", "|": "bars"}


def plain_reader(columns: Columns, sample: Sequence[Row]) -> Callable[[Row], PlainItem]:
    """Make what reads paragraphs."""
    name = columns.one("text")
    return lambda row: PlainItem(row.place, text_of(row.cells.get(name)))


def text_reader(
    task: FinetuneTask, columns: Columns, sample: Sequence[Row]
) -> Callable[[Row], TextItem]:
    """Make what reads texts, or pairs, with their label.

    Args:
        task: What the labels are for.
        columns: Where texts and labels are; what separates labels is guessed where it is not told.
        sample: The first rows.
    """
    text = columns.one("text")
    pair = columns.one("text_pair") if "text_pair" in columns.fields else None
    label = _LABELS[task](columns, sample)

    def read(row: Row) -> TextItem:
        cells = row.cells
        return TextItem(
            row.place,
            text_of(cells.get(text)),
            None if pair is None else text_of(cells.get(pair), "second text"),
            label(cells),
        )

    return read


def _one_class(columns: Columns, sample: Sequence[Row]) -> Callable[[Any], _Label]:
    name = columns.one("label")
    return lambda cells: label_of(cells.get(name))


def _one_number(columns: Columns, sample: Sequence[Row]) -> Callable[[Any], _Label]:
    name = columns.one("label")
    return lambda cells: number_of(cells.get(name))


def _several_labels(columns: Columns, sample: Sequence[Row]) -> Callable[[Any], _Label]:
    names = columns.fields["label"]
    if len(names) > 1:
        return lambda cells: tuple(name for name in names if _flag(cells.get(name), name))
    (name,) = names
    if columns.separator is None:
        columns.separator = _separator([row.cells.get(name) for row in sample], columns)
    separator = columns.separator

    def read(cells: Any) -> tuple[str, ...]:
        value = cells.get(name)
        if isinstance(value, str):
            value = _parts(value, separator)
        elif value is None:
            raise RowError(
                ProblemKind.MISSING_LABEL, 'the labels are missing; no label is "" or [].'
            )
        elif not isinstance(value, list | tuple):
            value = [value]
        return tuple(dict.fromkeys(label_of(label) for label in value))

    return read


def _parts(text: str, separator: str) -> list[Any]:
    written = list_in(text, ProblemKind.TEXT_AS_LABEL, "labels")
    if written is not None:
        return written
    return [part for part in map(str.strip, text.split(separator)) if part]


def _flag(value: Any, name: str) -> bool:
    if is_missing(value):
        raise RowError(ProblemKind.MISSING_LABEL, f"the label {name!r} is missing.")
    text = str(value).strip().lower()
    if text not in FLAGS:
        raise RowError(
            ProblemKind.TEXT_AS_LABEL, f"the label {name!r} is {shown(value)}, not 0 or 1."
        )
    return FLAGS[text]


def _separator(values: Sequence[Any], columns: Columns) -> str:
    """Find what separates labels: of those there are, that which gives the fewest different."""
    texts = [value for value in values if isinstance(value, str)]
    there = [sign for sign in _SEPARATORS if any(sign in text for text in texts)]
    if not there:
        return ","

    def different(sign: str) -> int:
        return len({part.strip() for text in texts for part in text.split(sign)})

    best = min(there, key=different)
    columns.facts.append(f"labels are separated by {_SEPARATORS[best]}")
    return best


_LABELS: dict[FinetuneTask, Callable[[Columns, Sequence[Row]], Callable[[Any], _Label]]] = {
    FinetuneTask.TEXT_CLASSIFICATION: _one_class,
    FinetuneTask.REGRESSION: _one_number,
    FinetuneTask.MULTI_LABEL: _several_labels,
}
