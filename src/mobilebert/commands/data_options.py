"""Options that all commands with data have."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from mobilebert.errors import InputError

__all__ = ["DATA_OPTIONS", "data_options", "read_columns", "read_label_names"]

# What `data_options` adds, as functions of commands call it.
DATA_OPTIONS = ("columns", "encoding", "delimiter", "skip_bad_rows", "label_names")

F = TypeVar("F", bound=Callable[..., Any])


def data_options(command: F) -> F:
    """Add the options that say how files of data are read."""
    for option in (
        click.option("--skip-bad-rows", is_flag=True, help="Leave out rows that cannot be used."),
        click.option(
            "--label-names",
            metavar="LABEL=NAME[,...]",
            multiple=True,
            help="Names for labels: 0=negative,1=positive.",
        ),
        click.option("--encoding", metavar="E", help="Of the files. Default: guessed."),
        click.option(
            "--delimiter",
            metavar="D",
            help="Of tables: a character, or comma, tab, semicolon, pipe. Default: guessed.",
        ),
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
    return _assigned("--column", assignments, "FIELD=COLUMN, such as text=review")


def read_label_names(assignments: Sequence[str]) -> dict[str, str]:
    """Read what --label-names says: label -> name.

    Raises:
        InputError: A part is no LABEL=NAME, or a label is there twice.
    """
    return _assigned("--label-names", assignments, "LABEL=NAME, such as 1=positive")


def _assigned(option: str, assignments: Sequence[str], form: str) -> dict[str, str]:
    read: dict[str, str] = {}
    for assignment in assignments:
        for part in assignment.split(","):
            key, equals, value = map(str.strip, part.partition("="))
            if not (equals and key and value):
                raise InputError(f"{option} takes {form}, not {part!r}.")
            if key in read:
                raise InputError(f"{option} names {key} twice.")
            read[key] = value
    return read
