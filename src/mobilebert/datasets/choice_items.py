"""Rows as a text and several continuations."""

from collections.abc import Callable, Sequence
from typing import Any

from mobilebert.datasets.cells import is_missing, shown, text_of
from mobilebert.datasets.columns import Columns
from mobilebert.datasets.items import ChoiceItem
from mobilebert.datasets.problems import ProblemKind, RowError
from mobilebert.datasets.rows import Row

__all__ = ["choice_reader"]

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def choice_reader(columns: Columns, sample: Sequence[Row]) -> Callable[[Row], ChoiceItem]:
    """Make what reads choices.

    Choices are in columns, in a list, or in ``{"text": [...], "label": [names]}``. The label is a
    number, a letter, the text of the right choice, or its name.

    Args:
        columns: Where they are; what the first choice is numbered is guessed where it is not told.
        sample: The first rows.
    """
    prompt, names, label = columns.fields["prompt"], columns.fields["choices"], columns.one("label")

    def choices(row: Row) -> tuple[str, ...]:
        values = row.cells.get(names[0]) if len(names) == 1 else [row.cells.get(n) for n in names]
        if isinstance(values, dict):
            values = values.get("text")
        if not isinstance(values, list) or not values:
            raise RowError(ProblemKind.NOT_TEXT, f"the choices are {shown(values)}, not a list.")
        return tuple(text_of(value, f"choice {n}") for n, value in enumerate(values))

    if columns.first_choice is None:
        columns.first_choice = _first_number(columns, sample, choices, label)
    first = columns.first_choice

    def read(row: Row) -> ChoiceItem:
        found = choices(row)
        texts = [text_of(row.cells.get(name), name) for name in prompt]
        value = _place_by_name(row.cells.get(names[0]), row.cells.get(label))
        right = _right(row.cells.get(label), found, first) if value is None else value
        return ChoiceItem(row.place, " ".join(texts), found, right)

    return read


def _place_by_name(choices: Any, value: Any) -> int | None:
    """Find the right choice where they are ``{"label": ["A", "B"], "text": [...]}``."""
    names = choices.get("label") if isinstance(choices, dict) else None
    return names.index(value) if isinstance(names, list) and value in names else None


def _first_number(
    columns: Columns,
    sample: Sequence[Row],
    choices: Callable[[Row], tuple[str, ...]],
    label: str,
) -> int:
    """Tell whether choices are counted from 1: there is no 0, but one beyond the last."""
    numbers = set()
    beyond = False
    for row in sample:
        number = _number(row.cells.get(label))
        try:
            if number is not None:
                numbers.add(number)
                beyond = beyond or number == len(choices(row))
        except RowError:
            continue
    first = 1 if beyond and 0 not in numbers else 0
    if numbers:
        columns.facts.append(f"choices are counted from {first}")
    return first


def _number(value: Any) -> int | None:
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def _right(value: Any, choices: tuple[str, ...], first: int) -> int:
    if is_missing(value):
        raise RowError(ProblemKind.MISSING_LABEL, "the label is missing.")
    # The text of a choice may be a number.
    text = str(value).strip()
    same = [place for place, choice in enumerate(choices) if choice.strip() == text]
    number = _number(value)
    if number is not None and (not same or 0 <= number - first < len(choices)):
        place = number - first
    elif len(same) == 1:
        (place,) = same
    elif len(text) == 1 and text.lower() in _LETTERS:
        place = _LETTERS.index(text.lower())
    else:
        place = -1
    if not 0 <= place < len(choices):
        last = first + len(choices) - 1
        raise RowError(
            ProblemKind.BAD_CHOICE,
            f"the label {shown(value)} is none of {first} to {last}, and not the text of a choice.",
        )
    return place
