"""Which columns of a row a task reads, and what its pipeline takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mobilebert.commands.inputs import InputRow, InputSource
from mobilebert.errors import InputError

__all__ = ["ColumnReader", "read_arguments"]

# What separates the columns of several choices: --column choices=ending0+ending1.
CHOICES_SEPARATOR = "+"


@dataclass(frozen=True)
class _Fields:
    """The fields of a task's inputs; those behind the required ones may be left out."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


_TEXT = _Fields(("text",))
_FIELDS: dict[str, _Fields] = {
    "text-classification": _Fields(("text",), ("text_pair",)),
    "question-answering": _Fields(("question", "context")),
    "next-sentence-prediction": _Fields(("text", "text_pair")),
    "multiple-choice": _Fields(("text", "choices")),
}


def fields_of(task: str) -> _Fields:
    """Return the fields of a task's inputs."""
    return _FIELDS.get(task, _TEXT)


def read_arguments(task: str, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Turn the TEXT arguments into rows.

    Tasks on one text take each argument as an input. Tasks on two take one pair, and
    multiple-choice takes the text and then its choices.

    Raises:
        InputError: There are too many or too few.
    """
    fields = fields_of(task).required
    if fields == ("text",):
        return [{"text": text} for text in texts]
    if "choices" in fields and len(texts) > 1:
        return [{"text": texts[0], "choices": list(texts[1:])}]
    if "choices" not in fields and len(texts) == len(fields):
        return [dict(zip(fields, texts, strict=True))]
    wanted = "a text and its choices" if "choices" in fields else " and ".join(fields)
    raise InputError(f"{task} takes {wanted}; {len(texts)} TEXT arguments were given.")


class ColumnReader:
    """Takes a task's input out of a row.

    Args:
        task: Name of the task.
        assignments: ``field=column`` pairs, several in one separated by commas. A field not named
            is read from the column of its own name.

    Raises:
        InputError: There is no such field, it is there twice, or it is no assignment.
    """

    def __init__(self, task: str, assignments: Sequence[str] = ()) -> None:
        self.task = task
        self.fields = fields_of(task)
        self.columns = {name: name for name in self.fields.required}
        named = set()
        self.optional = () if assignments else self.fields.optional
        for part in (part for several in assignments for part in several.split(",")):
            name, equals, column = part.partition("=")
            known = (*self.fields.required, *self.fields.optional)
            if not equals or not column or name.strip() not in known:
                raise InputError(
                    f"--column {part!r}: write FIELD=COLUMN; {task} has the fields "
                    f"{', '.join(known)}."
                )
            if name.strip() in named:
                raise InputError(
                    f"--column names {name.strip()} twice, which is read from one column; give it "
                    "once."
                )
            named.add(name.strip())
            self.columns[name.strip()] = column

    def item(self, row: InputRow, source: InputSource) -> Any:
        """Return what the pipeline takes.

        Raises:
            InputError: A column is not there; the message lists those that are.
        """
        values = {name: self._cell(row, source, name) for name in self.columns}
        for name in self.optional:
            if name in row.columns:
                values[name] = row.columns[name]
        return values if len(values) > 1 else values["text"]

    def _cell(self, row: InputRow, source: InputSource, name: str) -> Any:
        column = self.columns[name]
        if column in row.columns:
            return row.columns[column]
        parts = column.split(CHOICES_SEPARATOR)
        if name == "choices" and all(part in row.columns for part in parts):
            return [row.columns[part] for part in parts]
        there = ", ".join(map(repr, row.columns)) or "none"
        raise InputError(
            f"{source.place(row.line)}there is no column {column!r}; there are {there}. Say which "
            f"one to read with --column {name}=COLUMN."
        )
