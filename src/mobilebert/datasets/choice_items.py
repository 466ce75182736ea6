"""Rows as a text and several continuations."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mobilebert.datasets.cells import is_missing, shown, text_of
from mobilebert.datasets.columns import Columns
from mobilebert.datasets.items import ChoiceItem
from mobilebert.datasets.problems import ProblemKind, RowError
from mobilebert.datasets.rows import Row
from mobilebert.errors import InputError

__all__ = ["choice_reader"]

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def choice_reader(columns: Columns, sample: Sequence[Row]) -> Callable[[Row], ChoiceItem]:
    """Make what reads choices.

    Choices are in columns, in a list, or in ``{"text": [...], "label": [names]}``. The label is a
    number, a letter, the text of the right choice, or its name.

    Args:
        columns: Where they are; what the first choice is numbered, or that labels are texts though
            they look like numbers, is guessed where it is not told.
        sample: The first rows.

    Raises:
        InputError: Labels may be numbers of choices as well as their texts.
    """
    prompt, names, label = columns.fields["prompt"], columns.fields["choices"], columns.one("label")

    def choices(row: Row) -> tuple[str, ...]:
        values = row.cells.get(names[0]) if len(names) == 1 else [row.cells.get(n) for n in names]
        if isinstance(values, dict):
            values = values.get("text")
        if not isinstance(values, list) or not values:
            raise RowError(ProblemKind.NOT_TEXT, f"the choices are {shown(values)}, not a list.")
        return tuple(text_of(value, f"choice {n}") for n, value in enumerate(values))

    if columns.first_choice is None and not columns.choice_texts:
        _decide(columns, list(_labels(sample, choices, names[0], label)))
    first = None if columns.choice_texts else columns.first_choice

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


@dataclass(frozen=True)
class _Label:
    """A label that is no name, with the choices that it may mean.

    Attributes:
        place: File and line.
        value: The label.
        choices: The choices.
    """

    place: str
    value: Any
    choices: tuple[str, ...]

    @property
    def number(self) -> int | None:
        """The number that it is, or None."""
        return _number(self.value)

    @property
    def same(self) -> list[int]:
        """The choices whose text it is."""
        text = str(self.value).strip()
        return [place for place, choice in enumerate(self.choices) if choice.strip() == text]

    def counted(self, first: int) -> int | None:
        """Return the choice whose number it is, or None."""
        place = -1 if self.number is None else self.number - first
        return place if 0 <= place < len(self.choices) else None


def _labels(
    sample: Sequence[Row], choices: Callable[[Row], tuple[str, ...]], named: str, label: str
) -> Iterator[_Label]:
    for row in sample:
        value = row.cells.get(label)
        if is_missing(value) or _place_by_name(row.cells.get(named), value) is not None:
            continue
        try:
            yield _Label(row.place, value, choices(row))
        except RowError:
            continue


def _decide(columns: Columns, labels: Sequence[_Label]) -> None:
    """Tell for all rows whether numbers are counted, and from where, or are texts of choices.

    Raises:
        InputError: They may be both.
    """
    first = _first_number(labels)
    clear = [label for label in labels if len(label.same) < 2]
    texts = [label for label in clear if label.same and label.counted(first) is None]
    numbers = [label for label in clear if not label.same and label.counted(first) is not None]
    both = [label for label in clear if label.same and label.counted(first) is not None]
    if texts and not numbers:
        columns.choice_texts = bool(both) or any(label.number is not None for label in texts)
    elif bool(texts) == bool(numbers):
        for label in both:
            if label.same != [label.counted(first)]:
                raise _doubt(label, first, [*texts[:1], *numbers[:1]])
    if columns.choice_texts:
        columns.facts.append("labels are the texts of choices")
        return
    columns.first_choice = first
    if any(label.number is not None for label in labels):
        columns.facts.append(f"choices are counted from {first}")


def _first_number(labels: Sequence[_Label]) -> int:
    """Tell whether choices are counted from 1: there is no 0, but one beyond the last."""
    beyond = any(label.number == len(label.choices) for label in labels)
    return 1 if beyond and all(label.number != 0 for label in labels) else 0


def _doubt(label: _Label, first: int, others: Sequence[_Label]) -> InputError:
    told = "no other label tells which"
    if others:
        text, number = (f"{shown(other.value)} ({other.place})" for other in others)
        told = f"others are of both kinds: {text} is only a text, {number} only a number"
    return InputError(
        f"{label.place}: the label {shown(label.value)} is the text of a choice and the number of "
        f"another, counted from {first}, and {told}. Write all labels as letters (A, B, ...)."
    )


def _number(value: Any) -> int | None:
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def _right(value: Any, choices: tuple[str, ...], first: int | None) -> int:
    """Find the right choice; without a first number, labels that are numbers are texts."""
    if is_missing(value):
        raise RowError(ProblemKind.MISSING_LABEL, "the label is missing.")
    label = _Label("", value, choices)
    same, text = label.same, str(value).strip()
    place = None if first is None else label.counted(first)
    is_counted = first is not None and label.number is not None and not same
    if place is None and not is_counted:
        # The text of a choice may be a number.
        if len(same) == 1:
            (place,) = same
        elif len(text) == 1 and text.lower() in _LETTERS:
            place = _LETTERS.index(text.lower())
    if place is None or place >= len(choices):
        numbers = "" if first is None else f"none of {first} to {first + len(choices) - 1}, and "
        raise RowError(
            ProblemKind.BAD_CHOICE,
            f"the label {shown(value)} is {numbers}not the text of a choice.",
        )
    return place
