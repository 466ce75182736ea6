"""Where the command line gets its inputs from: arguments, standard input, or a file of rows."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mobilebert.errors import InputError

__all__ = ["INPUT_FORMATS", "InputRow", "InputSource", "open_file", "open_stream", "read_texts"]

INPUT_FORMATS = ("txt", "csv", "tsv", "jsonl")

# The module's own limit, 128 KB, is less than a long document; this is the largest it takes.
LONGEST_CELL = 2**31 - 1


@dataclass(frozen=True, slots=True)
class InputRow:
    """One input.

    Attributes:
        line: Where it begins in the file, counting from 1.
        columns: Name -> value.
    """

    line: int
    columns: dict[str, Any]


@dataclass(frozen=True)
class InputSource:
    """A sequence of rows that may be read more than once.

    Attributes:
        name: What errors call it; empty for arguments.
        open_rows: Starts reading from the beginning.
        rereadable: Whether it can be read twice.
    """

    name: str
    open_rows: Callable[[], Iterator[InputRow]]
    rereadable: bool = True

    def place(self, line: int) -> str:
        """Say where a line is, as the start of an error."""
        return f"{self.name}, line {line}: " if self.name else ""

    def count(self) -> int:
        """Read everything once and count the rows.

        Raises:
            InputError: Something cannot be read, or there is nothing.
        """
        return self._counted(lambda line: None)

    def _counted(self, read: Callable[[bytes], None]) -> int:
        count = 0
        for row in self.open_rows():
            count += 1
            read(json.dumps(row.columns, sort_keys=True).encode() + b"\n")
        if not count:
            raise InputError(f"{self.name} holds no inputs.")
        return count

    def summary(self) -> tuple[int, str]:
        """Read everything once.

        Returns:
            The number of rows, and a digest of their content.

        Raises:
            InputError: Something cannot be read, or there is nothing.
        """
        import hashlib  # 4 MB of memory that answers on standard output do not need

        digest = hashlib.sha256()
        count = self._counted(digest.update)
        return count, digest.hexdigest()


def read_texts(rows: list[dict[str, Any]]) -> InputSource:
    """Take inputs that were given as arguments."""
    return InputSource("", lambda: (InputRow(n, row) for n, row in enumerate(rows, start=1)))


def open_file(path: str, kind: str | None) -> InputSource:
    """Read rows from a file.

    Args:
        path: The file.
        kind: One of `INPUT_FORMATS`; by default what the suffix says.

    Raises:
        InputError: It cannot be read, or its suffix says nothing.
    """
    kind = kind or Path(path).suffix.removeprefix(".").lower()
    if kind not in INPUT_FORMATS:
        raise InputError(
            f"{path}: unknown suffix; name it .{', .'.join(INPUT_FORMATS)} or say which it "
            "is with --input-format."
        )

    def binary() -> BinaryIO:
        try:
            return Path(path).open("rb")
        except OSError as error:
            raise InputError(f"Cannot read {path}: {error.strerror or error}.") from None

    binary().close()
    return _source(path, kind, binary)


def open_stream(stream: BinaryIO, kind: str | None, *, whole: bool) -> InputSource:
    """Read rows from standard input.

    Args:
        stream: Where the bytes come from.
        kind: One of `INPUT_FORMATS`; txt by default.
        whole: Whether to read it to the end first, so that it can be read again.
    """
    if not whole:
        return _source("standard input", kind or "txt", lambda: stream, rereadable=False)
    content = stream.read()
    return _source("standard input", kind or "txt", lambda: io.BytesIO(content))


def _source(
    name: str, kind: str, binary: Callable[[], BinaryIO], rereadable: bool = True
) -> InputSource:
    def rows() -> Iterator[InputRow]:
        with binary() as stream:
            yield from _READERS[kind](name, _lines(name, stream))

    return InputSource(name, rows, rereadable)


def _lines(name: str, stream: BinaryIO) -> Iterator[str]:
    """Decode line by line, so that an error can say which."""
    for number, line in enumerate(stream, start=1):
        try:
            # Spreadsheet programs put a byte order mark in front.
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{name} is not UTF-8: byte 0x{line[error.start]:02x} in line {number}; save it as "
                "UTF-8 (for instance iconv -f CP949 -t UTF-8)."
            ) from None


def _read_txt(name: str, lines: Iterator[str]) -> Iterator[InputRow]:
    empty = 0
    for number, line in enumerate(lines, start=1):
        text = line.rstrip("\r\n")
        if not text.strip():
            empty = empty or number
            continue
        if empty:
            raise InputError(f"{name}, line {empty}: The text is empty; remove the line.")
        yield InputRow(number, {"text": text})


def _read_jsonl(name: str, lines: Iterator[str]) -> Iterator[InputRow]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            columns = json.loads(line)
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a ValueError
            raise InputError(f"{name}, line {number}: not JSON ({error}).") from None
        if not isinstance(columns, dict):
            raise InputError(
                f"{name}, line {number}: a line is a JSON object like "
                f'{{"text": "..."}}, not a {type(columns).__name__}.'
            )
        yield InputRow(number, columns)


def _read_table(delimiter: str, name: str, lines: Iterator[str]) -> Iterator[InputRow]:
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header: list[str] | None = None
    before = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{name}, line {reader.line_num}: {error}.") from None
        line, before = before + 1, reader.line_num
        if not cells:
            continue
        if header is None:
            header = _checked_header(name, cells)
        elif len(cells) != len(header):
            raise InputError(
                f"{name}, line {line}: {len(cells)} cells, but the header has {len(header)}."
            )
        else:
            yield InputRow(line, dict(zip(header, cells, strict=True)))


def _checked_header(name: str, cells: list[str]) -> list[str]:
    twice = {cell for cell in cells if cells.count(cell) > 1}
    if twice:
        raise InputError(f"{name}: the column {sorted(twice)[0]!r} is there twice; rename one.")
    return cells


_READERS: dict[str, Callable[[str, Iterator[str]], Iterator[InputRow]]] = {
    "txt": _read_txt,
    "jsonl": _read_jsonl,
    "csv": lambda name, lines: _read_table(",", name, lines),
    "tsv": lambda name, lines: _read_table("\t", name, lines),
}
