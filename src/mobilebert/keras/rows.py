"""Rows of a data set, whatever holds it, and how some of them become the arrays of one batch.

Nothing here imports the libraries whose data sets it reads: they are known by what they can do.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.errors import ArgumentError, InputError
from mobilebert.tasks import Reads, TaskSpec

__all__ = ["Padding", "Rows", "collate", "padding_of", "rows_of"]

Array = npt.NDArray[Any]
Row = Mapping[str, Any]

_SOURCES = (
    "a datasets.Dataset, a list of dictionaries (one for each row), or a dictionary of columns "
    "such as a tokenizer returns"
)


@dataclass(frozen=True)
class Rows:
    """A data set as rows.

    Attributes:
        columns: The columns the rows have.
        count: Number of rows.
        take: From the numbers of some rows to these rows.
    """

    columns: tuple[str, ...]
    count: int
    take: Callable[[Sequence[int]], list[Row]]


def rows_of(dataset: Any, wanted: Container[str]) -> Rows:
    """Read a data set row by row, without the columns that are not wanted.

    Args:
        dataset: A `datasets.Dataset`, a list of dictionaries, or a dictionary of columns.
        wanted: Names of the columns to keep.

    Raises:
        ArgumentError: Something else.
        InputError: Columns or rows that do not fit each other.
    """
    if isinstance(dataset, Mapping):
        return _rows_of_columns(dataset, wanted)
    if isinstance(getattr(dataset, "column_names", None), (list, tuple)):
        return _rows_of_table(dataset, wanted)
    if isinstance(dataset, str) or not hasattr(dataset, "__getitem__"):
        raise _no_dataset(dataset)
    return _rows_of_sequence(dataset, wanted)


def _no_dataset(found: Any) -> ArgumentError:
    return ArgumentError(f"dataset must be {_SOURCES}, not a {type(found).__name__}.")


def _length(dataset: Any) -> int:
    try:
        return len(dataset)
    except TypeError:
        raise ArgumentError(
            f"The number of rows of this {type(dataset).__name__} is unknown; dataset must be "
            f"{_SOURCES}."
        ) from None


def _rows_of_columns(columns: Mapping[str, Any], wanted: Container[str]) -> Rows:
    if splits := [str(name) for name, value in columns.items() if hasattr(value, "column_names")]:
        raise ArgumentError(
            f"This holds several data sets, {', '.join(splits)}; give one: dataset[{splits[0]!r}]."
        )
    kept = {
        name: np.atleast_1d(value) if hasattr(value, "dtype") else _list(name, value)
        for name, value in columns.items()
        if name in wanted
    }
    lengths = {name: len(value) for name, value in kept.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} {count}" for name, count in lengths.items())
        raise InputError(f"The columns have different numbers of rows: {counts}.")

    def take(numbers: Sequence[int]) -> list[Row]:
        return [{name: value[number] for name, value in kept.items()} for number in numbers]

    return Rows(tuple(kept), next(iter(lengths.values()), 0), take)


def _list(name: str, column: Any) -> list[Any]:
    if not isinstance(column, Iterable) or isinstance(column, str):
        raise InputError(
            f"The column {name} must have a value for each row, not be {column!r:.60}."
        )
    return list(column)


def _rows_of_table(table: Any, wanted: Container[str]) -> Rows:
    """Rows of a `datasets.Dataset`: columns by name, and rows by a list of their numbers."""
    count = _length(table)
    if unwanted := [name for name in table.column_names if name not in wanted]:
        table = table.remove_columns(unwanted)

    def take(numbers: Sequence[int]) -> list[Row]:
        columns = table[list(numbers)]
        return [
            dict(zip(columns, values, strict=True))
            for values in zip(*columns.values(), strict=True)
        ]

    return Rows(tuple(table.column_names), count, take)


def _rows_of_sequence(rows: Any, wanted: Container[str]) -> Rows:
    count = _length(rows)
    if not count:
        return Rows((), 0, lambda numbers: [])
    try:
        first = rows[0]
    except (KeyError, TypeError):
        raise _no_dataset(rows) from None
    if not isinstance(first, Mapping):
        raise _no_dataset(rows)
    names = tuple(name for name in first if name in wanted)

    def take(numbers: Sequence[int]) -> list[Row]:
        taken: list[Row] = []
        for number in numbers:
            row = rows[number]
            if missing := [name for name in names if name not in row]:
                raise InputError(f"Row {number} has no {missing[0]}, which row 0 has.")
            taken.append({name: row[name] for name in names})
        return taken

    return Rows(names, count, take)


@dataclass(frozen=True)
class Padding:
    """How rows of different lengths are made one length.

    Attributes:
        fills: Column -> what its padding holds; other columns must fit as they are.
        left: Whether padding comes before the text.
        choices: Columns that hold a list of choices in each row.
        adds_mask: Whether an attention mask is made where there is none.
    """

    fills: Mapping[str, float] = field(default_factory=dict)
    left: bool = False
    choices: Container[str] = ()
    adds_mask: bool = False


def padding_of(task: TaskSpec, tokenizer: Any | None) -> Padding:
    """Return how rows of a task are padded.

    Args:
        task: The row of the task table.
        tokenizer: Says what padding tokens are and where they stand; without it nothing is padded.

    Raises:
        ArgumentError: This tokenizer knows no padding token.
    """
    texts = ("input_ids", "attention_mask", "token_type_ids", "position_ids", "inputs_embeds")
    choices = texts if task.choices else ()
    if tokenizer is None:
        return Padding(choices=choices)
    padding_id = getattr(tokenizer, "pad_token_id", None)
    if padding_id is None:
        raise ArgumentError(
            f"tokenizer must be a tokenizer with a padding token; this "
            f"{type(tokenizer).__name__} has none."
        )
    fills = {
        "input_ids": padding_id,
        "attention_mask": 0,
        "token_type_ids": getattr(tokenizer, "pad_token_type_id", 0),
        "position_ids": 0,
        "inputs_embeds": 0.0,
    }
    projection = task.projection
    by_token = projection is not None and projection.reads is Reads.SEQUENCE
    if task.vocabulary or by_token:
        # Labels of padding count nowhere, as in every loss of this library.
        fills |= dict.fromkeys(("labels", "label", "label_ids"), -100)
    left = getattr(tokenizer, "padding_side", "right") == "left"
    return Padding(fills, left, choices, adds_mask=True)


def collate(rows: Sequence[Row], padding: Padding) -> dict[str, Array]:
    """Make the arrays of a batch, one for each column of its rows.

    Args:
        rows: The rows of the batch, with the same columns.
        padding: How they become one length, that of the longest.

    Returns:
        Arrays by column: [B, S] for lists of S numbers, [B] for numbers, and so on.

    Raises:
        InputError: A column that is no array of numbers, or rows that do not fit each other.
    """
    names = list(rows[0])
    columns = {name: [row[name] for row in rows] for name in names}
    if padding.adds_mask and "attention_mask" not in columns and "input_ids" in columns:
        chosen = "input_ids" in padding.choices
        columns["attention_mask"] = [
            [_ones(ids) for ids in row] if chosen else _ones(row) for row in columns["input_ids"]
        ]
    return {name: _column(name, values, padding) for name, values in columns.items()}


def _ones(ids: Any) -> Array:
    return np.ones(len(ids), dtype=np.int64)


def _column(name: str, values: list[Any], padding: Padding) -> Array:
    if name not in padding.choices:
        return _padded(name, [_array(name, value) for value in values], padding)
    counts = {len(value) for value in values}
    if len(counts) > 1:
        raise InputError(
            f"{name} has rows of {min(counts)} and of {max(counts)} choices; every row of a batch "
            "needs the same number."
        )
    flat = _padded(name, [_array(name, one) for value in values for one in value], padding)
    return flat.reshape(len(values), -1, *flat.shape[1:])


def _array(name: str, value: Any) -> Array:
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths within a row
        array = np.asarray(None)
    if array.dtype.kind not in "iufb":
        raise InputError(
            f"{name} must hold numbers, or lists of them with one length, in every row; there is "
            f"{value!r:.60}."
        )
    return array


def _padded(name: str, arrays: list[Array], padding: Padding) -> Array:
    """Join arrays along a new first axis; their own first axis is made as long as the longest."""
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) == 1:
        return np.stack(arrays)
    alike = len({shape[1:] for shape in shapes}) == 1 and all(shapes)
    if not alike or name not in padding.fills:
        advice = "" if padding.fills else "; give tokenizer=, which pads them, or pad before"
        raise InputError(
            f"{name} has rows of different shapes, {shapes[0]} and {shapes[-1]}, in one batch"
            f"{advice}."
        )
    longest = max(len(array) for array in arrays)
    joined = np.full(
        (len(arrays), longest, *shapes[0][1:]),
        padding.fills[name],
        dtype=np.result_type(*arrays),
    )
    for row, array in zip(joined, arrays, strict=True):
        start = longest - len(array) if padding.left else 0
        row[start : start + len(array)] = array
    return joined
