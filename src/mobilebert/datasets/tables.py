"""Rows of tables in text files: comma, tab and other delimiters, with or without a header."""

import csv
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mobilebert.datasets.column_names import is_known, is_no_class
from mobilebert.datasets.column_profiles import FLAGS
from mobilebert.datasets.problems import Problem, ProblemKind
from mobilebert.datasets.rows import Row
from mobilebert.errors import InputError

__all__ = ["DELIMITERS", "TableLayout", "guess_delimiter", "guess_layout", "read_table"]

# Name for the command line -> delimiter, in the order in which ties are decided.
DELIMITERS = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|"}

# The module's own limit, 128 KB, is less than a long document; this is the largest it takes.
_LONGEST_CELL = 2**31 - 1
_LINES_LOOKED_AT = 200
_LONGEST_NAME = 60
_WORDS_OF_A_NAME = 5

_Record = tuple[int, list[str] | csv.Error]


@dataclass(frozen=True)
class TableLayout:
    """How a table is written.

    Attributes:
        delimiter: What separates cells.
        names: Names of the columns, their numbers from 1 where the table has no header; None if
            they are to be read from the header.
        header: Whether the first record is the header.
        quoted: Whether quotes stand around cells. Where not, a quote is a character like others.
        facts: How this is known.
    """

    delimiter: str
    names: tuple[str, ...] | None
    header: bool = True
    quoted: bool = True
    facts: tuple[str, ...] = ()


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
        quoted = delimiter != "\t"
        records = [cells for _, cells in _records(sample, delimiter, quoted)]
        width = _width(records)
        alike = sum(isinstance(cells, list) and len(cells) == width for cells in records)
        return (alike / len(records), width) if width > 1 else (0.0, 1)

    return max(DELIMITERS.values(), key=rating)


def _width(records: Iterable[list[str] | csv.Error]) -> int:
    """Return how many cells most records have; the larger number where two are as frequent."""
    widths = Counter(len(cells) for cells in records if isinstance(cells, list))
    return max(widths, key=lambda width: (widths[width], width), default=1)


def _records(
    lines: Iterable[str], delimiter: str, quoted: bool, width: int | None = None
) -> Iterator[_Record]:
    """Yield the line on which a record begins, and its cells or what is wrong with them.

    An open quote takes in the lines behind it. So of a record of several lines that is wrong, or
    has not `width` cells, only the first line is taken, and the others are read again.
    """
    if not quoted:
        for number, line in enumerate(lines, start=1):
            if text := line.rstrip("\r\n"):
                yield number, text.split(delimiter)
        return
    csv.field_size_limit(_LONGEST_CELL)
    source = _LinesAgain(lines)
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    while True:
        source.begin()
        cells: list[str] | csv.Error
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cells = error
        if isinstance(cells, csv.Error) or (width and len(cells) != width):
            source.keep_first()
        if cells:
            yield source.line, cells


class _LinesAgain:
    """Lines of which the last ones can be read again."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self.line = 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self._taken.append(line)
        return line

    def begin(self) -> None:
        """Begin a record; `line` is its first line."""
        self.line += len(self._taken)
        self._taken.clear()

    def keep_first(self) -> None:
        """Read all lines but the first of the record again."""
        self._again.extendleft(reversed(self._taken[1:]))
        del self._taken[1:]


def guess_layout(
    file: Path,
    open_lines: Callable[[], Iterator[str]],
    delimiter: str,
    header: bool | Sequence[str] | None = None,
) -> TableLayout:
    """Find how a table is written.

    Args:
        file: Its name, for errors.
        open_lines: Starts reading its lines, with their ends.
        delimiter: What separates cells.
        header: Whether the first record is a header, or names for the columns of a table without
            one; by default it is guessed.

    Raises:
        InputError: A name is there twice.
    """
    quoted, about_quotes = _guess_quotes(open_lines, delimiter)
    records = [cells for _, cells in islice(_records(open_lines(), delimiter, quoted), 200)]
    given = None if header is None or isinstance(header, bool) else tuple(header)
    if given is not None:
        return TableLayout(delimiter, _checked(file, given), False, quoted, about_quotes)
    width = _width(records)
    full = [cells for cells in records if isinstance(cells, list) and len(cells) == width]
    first = records[0] if records else []
    has, reason = _guess_header(first, full) if header is None else (bool(header), "given")
    if has and isinstance(first, csv.Error):
        raise InputError(f"{file}, line 1: The header cannot be read: {first}.")
    names = (
        _names_in(first)
        if has and isinstance(first, list)
        else [str(number) for number in range(1, width + 1)]
    )
    about_header = f"{'a' if has else 'no'} header ({reason})"
    if not has:
        about_header += ", columns are numbered from 1"
    return TableLayout(delimiter, _checked(file, names), has, quoted, (*about_quotes, about_header))


def _names_in(header: list[str]) -> list[str]:
    # The index that pandas writes has no name.
    return [name.strip() or str(number) for number, name in enumerate(header, start=1)]


def _guess_quotes(
    open_lines: Callable[[], Iterator[str]], delimiter: str
) -> tuple[bool, tuple[str, ...]]:
    """Tell whether quotes stand around cells.

    Only of tables with tabs it is asked: those of GLUE have bare quotes, in and around sentences
    (https://gluebenchmark.com/tasks); other delimiters stand in texts and need quotes.
    """
    if delimiter != "\t":
        return True, ()
    opening = any(line.startswith('"') or '\t"' in line for line in open_lines())
    if not opening:
        return False, ()
    records = (cells for _, cells in _records(open_lines(), delimiter, True))
    widths: set[int] = set()
    several = doubled = False
    for cells in records:
        if isinstance(cells, csv.Error):
            return False, (f"quotes are characters like others ({cells})",)
        widths.add(len(cells))
        if len(widths) > 1:
            return False, ("quotes are characters like others (else rows have different widths)",)
        for cell in cells:
            if "\t" in cell or "\n" in cell or "\r" in cell:
                several, doubled = True, doubled or '"' in cell
    if several and not doubled and _is_whole_without_quotes(open_lines, delimiter):
        return False, ("quotes are characters like others (each line has as many cells)",)
    return True, ("quotes stand around cells",)


def _is_whole_without_quotes(open_lines: Callable[[], Iterator[str]], delimiter: str) -> bool:
    """Tell whether all lines have the same number of cells, and the first one is not in quotes."""
    lines = (text.split(delimiter) for line in open_lines() if (text := line.rstrip("\r\n")))
    first = next(lines)
    is_quoted = all(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in first)
    return not is_quoted and len(first) > 1 and all(len(cells) == len(first) for cells in lines)


def _guess_header(first: list[str] | csv.Error, records: list[list[str]]) -> tuple[bool, str]:
    """Tell whether the first record has the names of the columns, and why."""
    if isinstance(first, csv.Error) or not first:
        return True, "supposed"
    cells = [cell.strip() for cell in first]
    below = [record for record in records if record is not first]
    numbers = [cell for cell in cells if is_number(cell)]
    known = _known_names(cells, below)
    certain = [cell for cell in known if is_no_class(cell)]
    are_names = _look_like_names(cells)
    if numbers:
        if (certain or (known and len(numbers) > 1)) and are_names and _are_flags(cells, below):
            return True, f"{(certain or known)[0]!r} is the name of a column"
        return False, "the first row has a number"
    if certain or (known and are_names):
        return True, f"{(certain or known)[0]!r} is the name of a column"
    if len(known) > 1:
        return True, f"{known[0]!r} and {known[1]!r} are names of columns"
    if not are_names:
        return False, "the first row does not look like names"
    if not below or any(len(record) != len(cells) for record in below):
        return True, "the first row looks like names"
    reason = _unlike_those_below(cells, below)
    return reason is not None, reason or "the first row is like the others"


def _are_flags(cells: list[str], below: list[list[str]]) -> bool:
    """Tell whether columns called by numbers are those of classes: 0 or 1 stands below."""
    return all(
        cell.isdecimal() and len(record) > place and record[place].strip() in FLAGS
        for place, cell in enumerate(cells)
        if is_number(cell)
        for record in below
    )


def _unlike_those_below(cells: list[str], below: list[list[str]]) -> str | None:
    """Say what tells a first row from the rows below it, if anything does."""
    for place, cell in enumerate(cells):
        values = [record[place].strip() for record in below]
        if not cell:
            continue
        if all(is_number(value) for value in values):
            return f"numbers stand below {cell!r}"
        if len(set(values)) <= len(values) // 2 and cell not in values:
            return f"few values stand below {cell!r}, and others"
    return None


def _known_names(cells: list[str], below: list[list[str]]) -> list[str]:
    """Return the cells of a first row that columns are called, and that do not stand below.

    "spam" is the name of a column, and a label. A header may be there twice, as a whole.
    """
    others = [record for record in below if list(map(str.strip, record)) != cells]
    return [
        cell
        for place, cell in enumerate(cells)
        if is_known(cell)
        and not any(cell == record[place].strip() for record in others if len(record) > place)
    ]


def _look_like_names(cells: list[str]) -> bool:
    # The index that pandas writes has no name, nor have columns that were left empty at the end.
    names = [cell for cell in cells if cell]
    inner = cells[1 : max((n for n, cell in enumerate(cells, start=1) if cell), default=0)]
    return (
        0 < len(names) == len(set(names))
        and all(inner)
        and all(len(n) <= _LONGEST_NAME and len(n.split()) <= _WORDS_OF_A_NAME for n in names)
    )


def is_number(text: str) -> bool:
    """Tell whether a cell is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_table(file: Path, lines: Iterable[str], layout: TableLayout) -> Iterator[Row | Problem]:
    """Read the records of a table.

    Args:
        file: Its name, for errors.
        lines: All lines, with their ends.
        layout: How it is written.

    Yields:
        A row for each record that is not empty, or what is wrong with it.
    """
    names = layout.names
    width = None if names is None else len(names)
    records = _records(lines, layout.delimiter, layout.quoted, width)
    for place, (line, cells) in enumerate(records):
        if place == 0 and layout.header and isinstance(cells, list):
            names = names or _checked(file, cells)
        elif names is not None and isinstance(cells, list) and len(cells) == len(names):
            yield Row(file, line, dict(zip(names, cells, strict=True)))
        else:
            reason = str(cells)
            if names is not None and isinstance(cells, list):
                wanted = f"the header has {len(names)}"
                if not layout.header:
                    wanted = f"there are {len(names)} columns"
                reason = f"{len(cells)} cells, but {wanted}"
            yield Problem(Row(file, line, {}).place, ProblemKind.UNREADABLE, f"{reason}.")


def _checked(file: Path, names: Sequence[str]) -> tuple[str, ...]:
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise InputError(f"{file}: the column {twice[0]!r} is there twice; rename one.")
    return tuple(names)
