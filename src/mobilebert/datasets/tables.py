"""Rows of tables in text files: comma, tab and other delimiters, with or without a header."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import multimode

from mobilebert.datasets.rows import Row
from mobilebert.errors import InputError

__all__ = ["DELIMITERS", "guess_delimiter", "read_table"]

# Name for the command line -> delimiter, in the order in which ties are decided.
DELIMITERS = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|"}

# The module's own limit, 128 KB, is less than a long document; this is the largest it takes.
_LONGEST_CELL = 2**31 - 1
_LINES_LOOKED_AT = 200


def guess_delimiter(lines: Iterable[str]) -> str:
    """Find what separates the cells.

    That is the delimiter by which most records have the same number of cells, more than one; of
    equally good ones that which gives more cells, then the first of `DELIMITERS`. A table of one
    column has a comma.

    Args:
        lines: The first lines.
    """
    sample = list(islice(lines, _LINES_LOOKED_AT))

    def rating(delimiter: str) -> tuple[float, int]:
        widths = [len(cells) for cells in _records_of(sample, delimiter) if cells]
        width = max(multimode(widths), default=1)
        return (widths.count(width) / len(widths), width) if width > 1 else (0.0, 1)

    return max(DELIMITERS.values(), key=rating)


def _records_of(lines: list[str], delimiter: str) -> list[list[str]]:
    records: list[list[str]] = []
    try:
        records.extend(csv.reader(lines, delimiter=delimiter, strict=False))
    except csv.Error:
        return []
    return records


def read_table(
    file: Path, lines: Iterable[str], delimiter: str, header: Sequence[str] | None = None
) -> Iterator[Row]:
    """Read the records of a table.

    Args:
        file: Its name, for errors.
        lines: All lines, with their ends.
        delimiter: What separates cells.
        header: Names of the columns; by default those of the first record.

    Yields:
        A row for each record that is not empty.

    Raises:
        InputError: A record has another number of cells, quotes are not closed, or a name is there
            twice.
    """
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    names = None if header is None else _checked(file, header)
    before = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{file}, line {reader.line_num}: {error}.") from None
        line, before = before + 1, reader.line_num
        if not cells:
            continue
        if names is None:
            names = _checked(file, cells)
        elif len(cells) != len(names):
            raise InputError(f"{file}, line {line}: {len(cells)} cells instead of {len(names)}.")
        else:
            yield Row(file, line, dict(zip(names, cells, strict=True)))


def _checked(file: Path, names: Sequence[str]) -> Sequence[str]:
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise InputError(f"{file}: the column {twice[0]!r} is there twice; rename one.")
    return names
