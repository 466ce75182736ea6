"""Where the command line gets its inputs from: arguments, standard input, or a file of rows."""

import io
import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mobilebert.datasets.problems import Problem
from mobilebert.datasets.rows import Row
from mobilebert.datasets.tables import TableLayout, read_table
from mobilebert.datasets.text_lines import read_jsonl, read_txt
from mobilebert.errors import InputError

__all__ = ["INPUT_FORMATS", "InputRow", "InputSource", "open_file", "open_stream", "read_texts"]

INPUT_FORMATS = ("txt", "csv", "tsv", "jsonl")


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
    """Read rows from a file, or from a pipe, which is read to its end.

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

    with binary() as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            content = stream.read()  # a pipe gives what it holds once
            return _source(path, kind, lambda: io.BytesIO(content))
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
            for row in _READERS[kind](Path(name), _lines(name, stream)):
                if isinstance(row, Problem):
                    raise InputError(str(row))
                yield InputRow(row.line, dict(row.cells))

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


def _texts(file: Path, lines: Iterator[str]) -> Iterator[Row | Problem]:
    empty: Row | None = None
    for row in read_txt(file, lines):
        if isinstance(row, Row) and not row.cells["text"].strip():
            empty = empty or row
            continue
        if empty:
            raise InputError(f"{empty.place}: The text is empty; remove the line.")
        yield row


def _table(delimiter: str) -> Callable[[Path, Iterator[str]], Iterator[Row | Problem]]:
    return lambda file, lines: read_table(file, lines, TableLayout(delimiter, names=None))


_READERS: dict[str, Callable[[Path, Iterator[str]], Iterator[Row | Problem]]] = {
    "txt": _texts,
    "jsonl": read_jsonl,
    "csv": _table(","),
    "tsv": _table("\t"),
}
