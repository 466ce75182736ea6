"""Files of data as rows: one way to open every format."""

import codecs
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from mobilebert.datasets.compressed import COMPRESSED, open_bytes
from mobilebert.datasets.conll import is_like_tag, read_conll
from mobilebert.datasets.encodings import Encoding, guess_encoding, named_encoding
from mobilebert.datasets.parquet import parquet_columns, parquet_size, read_parquet
from mobilebert.datasets.problems import Problem
from mobilebert.datasets.rows import Row
from mobilebert.datasets.spreadsheet import read_sheet, sheet_columns, sheet_size
from mobilebert.datasets.squad import read_json
from mobilebert.datasets.tables import DELIMITERS, guess_delimiter, guess_layout, read_table
from mobilebert.datasets.text_lines import read_jsonl, read_txt
from mobilebert.errors import InputError

__all__ = ["FORMATS", "RowSource", "named_format", "open_rows"]

FORMATS = ("csv", "tsv", "jsonl", "txt", "json", "conll", "parquet", "xlsx")
"""What can be read."""

_SUFFIXES = {f".{name}": name for name in FORMATS} | {
    ".tab": "tsv",
    ".ndjson": "jsonl",
    ".text": "txt",
    ".bio": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".pq": "parquet",
    ".xlsm": "xlsx",
}
_LINES_LOOKED_AT = 200
_ROWS_UNTOLD = 1000
# Of English text by gzip, about.
_COMPRESSION = 3
_NAMES = {character: name for name, character in DELIMITERS.items()}
# As it is written where a tab is hard to type.
_WRITTEN = {"\\t": "\t"}
# What has another meaning in tables.
_NO_DELIMITERS = '"\r\n\0'


@dataclass(frozen=True)
class RowSource:
    """Rows that can be read more than once, each time from the start.

    Attributes:
        path: The file or files, as errors name them.
        file_format: One of `FORMATS`.
        facts: Sentences about how it is read, and how that is known.
        columns: Names of the columns, where the format has the same ones in each row.
        size: Bytes, about, also of what is compressed on disk.
        read: Starts reading: rows, and problems in place of those that cannot be read.
    """

    path: str
    file_format: str
    facts: tuple[str, ...]
    columns: tuple[str, ...] | None
    size: int
    read: Callable[[], Iterator[Row | Problem]]

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows.

        Raises:
            InputError: One cannot be read.
        """
        for row in self.read():
            if isinstance(row, Problem):
                raise InputError(str(row))
            yield row

    def watched(self, on_progress: Callable[[int], None]) -> "RowSource":
        """Return the same rows.

        Args:
            on_progress: Is told now and then how many have been read since the start.
        """

        def read() -> Iterator[Row | Problem]:
            for number, row in enumerate(self.read(), 1):
                if number % _ROWS_UNTOLD == 0:
                    on_progress(number)
                yield row

        return replace(self, read=read)


def named_format(path: str | os.PathLike[str]) -> str | None:
    """Return the format that the name of a file tells, whether it is compressed or not.

    Args:
        path: The file.

    Returns:
        One of `FORMATS`; None where the suffix says nothing.
    """
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return _SUFFIXES.get(suffixes[-1]) if suffixes else None


def open_rows(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    file_format: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    header: bool | Sequence[str] | None = None,
) -> RowSource:
    """Open a file of rows.

    ``FILE=LABEL`` is a file all of whose rows have that label: they get a column ``label``. Several
    files are read one after the other. Files that end with .gz, .bz2 or .xz are decompressed.

    Args:
        path: The file, ``FILE=LABEL``, or several of them.
        file_format: One of `FORMATS`; by default what the suffix says, else the content.
        encoding: Of text formats; by default it is guessed.
        delimiter: Of tables: a character or one of `DELIMITERS`; by default it is guessed. A file
            whose format is not told by its suffix, and .txt, is then a table.
        header: Of tables in text files: whether there is one, or names for the columns of a table
            without; by default it is guessed.

    Raises:
        InputError: It cannot be read as that.
        MissingExtraError: The library of this format is not installed.
    """
    if isinstance(path, str | os.PathLike):
        return _open_one(path, file_format, encoding, delimiter, header)
    sources = [_open_one(part, file_format, encoding, delimiter, header) for part in path]
    if not sources:
        raise InputError("There is no file to read.")
    if len(sources) == 1:
        return sources[0]
    columns = dict.fromkeys(name for source in sources for name in source.columns or ())
    return RowSource(
        " and ".join(source.path for source in sources),
        sources[0].file_format,
        tuple(fact for source in sources for fact in source.facts),
        tuple(columns) if all(source.columns for source in sources) else None,
        sum(source.size for source in sources),
        lambda: chain.from_iterable(source.read() for source in sources),
    )


def _open_one(
    path: str | os.PathLike[str],
    file_format: str | None,
    encoding: str | None,
    delimiter: str | None,
    header: bool | Sequence[str] | None,
) -> RowSource:
    file, label = Path(path), ""
    if "=" in file.name and not file.exists():
        name, _, label = os.fspath(path).rpartition("=")
        file = Path(name)
    if file.is_dir():
        raise InputError(
            f"{file} is a directory; name its files. Several are read one after the other, and "
            "FILE=LABEL is a file all of whose rows have that label."
        )
    try:
        size = file.stat().st_size
        with file.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"Cannot read {file}: {error.strerror or error}.") from None
    if file_format is not None and file_format not in FORMATS:
        raise InputError(f"There is no format {file_format!r}; there are {', '.join(FORMATS)}.")
    opening = _Opening(file, file_format, encoding, delimiter, header)
    source = opening.source(size)
    return _labelled(source, label) if label else source


def _labelled(source: RowSource, label: str) -> RowSource:
    def read() -> Iterator[Row | Problem]:
        for row in source.read():
            # An empty row stays one.
            if isinstance(row, Row) and not row.is_empty:
                row = replace(row, cells={**row.cells, "label": label})
            yield row

    columns = source.columns
    if columns is not None and "label" in columns:
        raise InputError(f"{source.path} has a column 'label'; leave ={label} away.")
    facts = (*source.facts, f"{source.path}: all rows have the label {label!r}")
    return replace(
        source, facts=facts, columns=None if columns is None else (*columns, "label"), read=read
    )


@dataclass
class _Opening:
    """What is found out about a file while it is opened."""

    file: Path
    file_format: str | None
    encoding: str | None
    delimiter: str | None
    header: bool | Sequence[str] | None

    def source(self, size: int) -> RowSource:
        """Make the source."""
        if self.file.suffix.lower() in COMPRESSED:
            size *= _COMPRESSION
        kind = self.file_format or named_format(self.file) or self._binary_format()
        if kind is not None and kind in _BINARY:
            columns, read, size_of = _BINARY[kind]
            names, size = columns(self.file), size_of(self.file, size)
            facts = (f"{self.file}: {kind}, columns {', '.join(names)}",)
            return RowSource(str(self.file), kind, facts, names, size, lambda: read(self.file))
        return self._text_source(kind, size)

    def _binary_format(self) -> str | None:
        with open_bytes(self.file) as file:
            start = file.read(4)
        return {b"PAR1": "parquet", b"PK\x03\x04": "xlsx"}.get(start)

    def _text_source(self, kind: str | None, size: int) -> RowSource:
        encoding = (
            guess_encoding(self.file)
            if self.encoding is None
            else named_encoding(self.encoding, self.file)
        )
        facts = [f"encoding {encoding.name} ({encoding.reason})"]

        def lines() -> Iterator[str]:
            return _decoded(self.file, encoding)

        if kind is None or (kind == "txt" and self.file_format is None):
            guessed = _guess_format(lines, plain=kind == "txt")
            is_told = guessed == "txt" and self.delimiter is not None
            guessed = "csv" if is_told else guessed
            if guessed != kind:
                kind = guessed
                reason = "a delimiter is given" if is_told else "of its content"
                facts.append(f"read as {kind} because {reason}")
        columns: tuple[str, ...] | None = None
        reader = _LINE_READERS.get(kind)
        if reader is not None:
            columns = reader[1]
            read = reader[0]
        elif kind == "json":
            read = _whole(read_json)
        else:
            layout = guess_layout(
                self.file, lines, self._delimiter(kind, lines, facts), self.header
            )
            facts.extend(layout.facts)
            columns = layout.names
            facts.append(f"columns {', '.join(columns or ())}")

            def read(file: Path, lines: Iterable[str]) -> Iterator[Row | Problem]:
                return read_table(file, lines, layout)

        return RowSource(
            str(self.file),
            kind,
            (f"{self.file}: {'; '.join(facts)}",),
            columns,
            size,
            lambda: read(self.file, lines()),
        )

    def _delimiter(self, kind: str, lines: Callable[[], Iterator[str]], facts: list[str]) -> str:
        if self.delimiter is not None:
            return _given_delimiter(self.delimiter, facts)
        sample = list(islice(lines(), _LINES_LOOKED_AT))
        if kind == "tsv" and any("\t" in line for line in sample):
            return "\t"
        delimiter = guess_delimiter(sample)
        facts.append(f"delimiter {_NAMES[delimiter]}")
        return delimiter


def _given_delimiter(given: str, facts: list[str]) -> str:
    delimiter = (DELIMITERS | _WRITTEN).get(given, given)
    if len(delimiter) != 1 or delimiter in _NO_DELIMITERS:
        raise InputError(f"A delimiter is one character or {', '.join(DELIMITERS)}, not {given!r}.")
    facts.append(f"delimiter {_NAMES.get(delimiter, repr(delimiter))} (given)")
    return delimiter


def _whole(
    read: Callable[[Path, str], Iterator[Row | Problem]],
) -> Callable[[Path, Iterable[str]], Iterator[Row | Problem]]:
    return lambda file, lines: read(file, "".join(lines))


_LineReader = Callable[[Path, Iterable[str]], Iterator[Row | Problem]]
_LINE_READERS: dict[str | None, tuple[_LineReader, tuple[str, ...] | None]] = {
    "txt": (read_txt, ("text",)),
    "jsonl": (read_jsonl, None),
    "conll": (read_conll, ("tokens", "tags")),
}
_BINARY: dict[str | None, Any] = {
    "parquet": (parquet_columns, read_parquet, parquet_size),
    "xlsx": (sheet_columns, read_sheet, sheet_size),
}


def _decoded(file: Path, encoding: Encoding) -> Iterator[str]:
    """Yield lines with their ends; only line feeds and carriage returns end one."""
    with open_bytes(file) as stream:
        text = io.TextIOWrapper(stream, encoding=encoding.name, newline="")
        try:
            yield from text
        except UnicodeError as error:
            raise InputError(
                f"{file}, line {_undecodable_line(file, encoding)} is not {encoding.name} "
                f"({encoding.reason}): {error}. Name its encoding with --encoding."
            ) from None


def _undecodable_line(file: Path, encoding: Encoding) -> int:
    decoder = codecs.getincrementaldecoder(encoding.name)()
    number = 1
    with open_bytes(file) as stream:
        for line in stream:
            try:
                decoder.decode(line)
            except UnicodeError:
                break
            number += 1
    return number


def _guess_format(lines: Callable[[], Iterator[str]], *, plain: bool) -> str:
    """Find the format of a text file from its first lines.

    Args:
        lines: Starts reading them.
        plain: Whether it is called .txt, so that lines that begin as JSON are texts.
    """
    sample = [line.rstrip("\r\n") for line in islice(lines(), _LINES_LOOKED_AT)]
    full = [line for line in sample if line.strip()]
    start = full[0].lstrip()[0] if full else ""
    if not plain and start in ("{", "["):
        return "jsonl" if len(full) > 1 and full[0].rstrip().endswith("}") else "json"
    widths = {line.count("\t") for line in full}
    if len(widths) != 1 or widths == {0}:
        return "txt"
    if all(map(str.strip, sample[: len(full)])):
        # A table may end with empty lines, and so may the only sentence of a file.
        is_sentence = len(full) < len(sample) and all(map(is_like_tag, _last_cells(full)))
        return "conll" if is_sentence else "tsv"
    return "conll"


def _last_cells(lines: Iterable[str]) -> Iterator[str]:
    return (line.rpartition("\t")[2].strip() for line in lines)
