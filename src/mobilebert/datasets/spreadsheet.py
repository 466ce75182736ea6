"""Rows of the first sheet of .xlsx files."""

import zlib
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from mobilebert.datasets.problems import Problem, ProblemKind
from mobilebert.datasets.rows import Row
from mobilebert.errors import InputError
from mobilebert.extras import require

__all__ = ["read_sheet", "sheet_columns", "sheet_size"]


def _rows(file: Path) -> Generator[tuple[Any, ...]]:
    openpyxl = require("openpyxl", "train", "Reading .xlsx")
    # Opened here: the library asks for a suffix that it knows.
    try:
        with file.open("rb") as stream:
            book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
            if not book.worksheets:
                raise InputError(f"{file} has no sheet with cells.")
            sheet = book.worksheets[0]
            # What a sheet says about its size need not be so, but tells of columns without a name.
            columns = sheet.max_column or 0
            sheet.reset_dimensions()
            rows = sheet.iter_rows(values_only=True)
            for first in rows:
                yield (*first, *[None] * (columns - len(first)))
                break
            yield from rows
    except InputError:
        raise
    except (
        OSError,
        EOFError,
        LookupError,
        ValueError,
        SyntaxError,  # of XML
        AttributeError,  # of parts that are missing
        BadZipFile,
        zlib.error,
        openpyxl.utils.exceptions.InvalidFileException,
    ) as error:
        raise InputError(f"Cannot read {file}: {error}") from None


def sheet_columns(file: Path) -> tuple[str, ...]:
    """Return the names of the columns, from the first row; those without one are numbered.

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


def sheet_size(file: Path, on_disk: int) -> int:
    """Return how many bytes the cells have, about: those of its XML without compression.

    Args:
        file: The file.
        on_disk: Its bytes.
    """
    with ZipFile(file) as parts:
        return sum(part.file_size for part in parts.infolist() if part.filename.endswith(".xml"))


def read_sheet(file: Path) -> Iterator[Row | Problem]:
    """Read the rows below the first. An empty cell is an empty text, as in other tables.

    Yields:
        A row, or what is wrong with it: a value behind the last column.

    Raises:
        InputError: It is not such a file.
        MissingExtraError: openpyxl is not installed.
    """
    names = sheet_columns(file)
    for number, cells in enumerate(_rows(file), start=1):
        if number == 1:
            continue
        filled = ["" if cell is None else cell for cell in cells]
        filled += [""] * (len(names) - len(cells))
        row = Row(file, number, dict(zip(names, filled, strict=False)), "row")
        if (width := _width(cells)) > len(names):
            reason = f"{width} cells, but there are {len(names)} columns."
            yield Problem(row.place, ProblemKind.UNREADABLE, reason)
        else:
            yield row


def _width(cells: Sequence[Any]) -> int:
    """Return the number of cells up to the last one that is not empty."""
    return max((n for n, cell in enumerate(cells, start=1) if cell not in (None, "")), default=0)
