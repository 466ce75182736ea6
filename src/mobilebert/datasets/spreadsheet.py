"""Rows of the first sheet of .xlsx files."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from mobilebert.datasets.rows import Row
from mobilebert.errors import InputError
from mobilebert.extras import require

__all__ = ["read_sheet", "sheet_columns"]


def _rows(file: Path) -> Generator[tuple[Any, ...]]:
    openpyxl = require("openpyxl", "train", "Reading .xlsx")
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    except (
        OSError,
        ValueError,
        KeyError,
        BadZipFile,
        openpyxl.utils.exceptions.InvalidFileException,
    ) as error:
        raise InputError(f"Cannot read {file}: {error}") from None
    try:
        yield from book.worksheets[0].iter_rows(values_only=True)
    finally:
        book.close()


def sheet_columns(file: Path) -> tuple[str, ...]:
    """Return the names of the columns, from the first row.

    Raises:
        InputError: It is not such a file, or a name is there twice.
        MissingExtraError: openpyxl is not installed.
    """
    rows = _rows(file)
    first = next(rows, ())
    rows.close()
    names = [
        str(number) if name is None else str(name).strip()
        for number, name in enumerate(first, start=1)
    ]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{file}: the column {twice[0]!r} is there twice; rename one.")
    return tuple(names)


def read_sheet(file: Path) -> Iterator[Row]:
    """Read the rows below the first.

    Raises:
        InputError: It is not such a file.
        MissingExtraError: openpyxl is not installed.
    """
    names = sheet_columns(file)
    for number, cells in enumerate(_rows(file), start=1):
        if number > 1:
            filled = [*cells, *[None] * (len(names) - len(cells))]
            yield Row(file, number, dict(zip(names, filled, strict=False)), "row")
