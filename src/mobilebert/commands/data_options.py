"""Options that all commands with data have."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from mobilebert.errors import InputError

__all__ = ["data_options", "read_columns"]

F = TypeVar("F", bound=Callable[..., Any])


def data_options(command: F) -> F:
    """Add the options that say how files of data are read."""
    for option in (
        click.option("--skip-bad-rows", is_flag=True, help="Leave out rows that cannot be used."),
        click.option("--encoding", metavar="E", help="Of the files. Default: guessed."),
        click.option(
            "--column",
            "columns",
            metavar="FIELD=COLUMN[,...]",
            multiple=True,
            help="Columns to read: text=C, text_pair=C, label=C; prompt=A+B, choices=C+D.",
        ),
    ):
        command = option(command)
    return command


def read_columns(assignments: Sequence[str]) -> dict[str, str]:
    """Read what --column says: field -> column, or columns with + between.

    Raises:
        InputError: A part is no FIELD=COLUMN, or a field is there twice.
    """
    columns: dict[str, str] = {}
    for assignment in assignments:
        for part in assignment.split(","):
            field, equals, column = part.partition("=")
            if not (equals and field.strip() and column.strip()):
                raise InputError(f"--column takes FIELD=COLUMN, such as text=review, not {part!r}.")
            if field.strip() in columns:
                raise InputError(f"--column names {field.strip()} twice.")
            columns[field.strip()] = column.strip()
    return columns
