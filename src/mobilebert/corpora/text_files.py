"""Files of text as documents: one paragraph a line, an empty line between documents."""

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mobilebert.datasets.cells import text_of
from mobilebert.datasets.compressed import COMPRESSED, open_bytes
from mobilebert.datasets.encodings import Encoding, guess_encoding, named_encoding
from mobilebert.datasets.problems import ProblemKind, RowError
from mobilebert.datasets.rows import Row
from mobilebert.datasets.sources import RowSource, open_rows
from mobilebert.errors import InputError

__all__ = ["LeftOut", "Paragraph", "TextFile", "find_files", "open_text"]

Paragraph = tuple[int, str]
"""Number of its document within the file, and its text without white space around it."""

_ROWS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet"}
_TEXTS = (".txt", ".text")
# Files whose lines are no paragraphs, whatever else is in them.
_REFUSED = {
    *(".csv", ".tsv", ".tab", ".json", ".xlsx", ".xlsm", ".conll", ".bio", ".iob"),
    *(".pdf", ".html", ".htm", ".xml", ".docx", ".epub", ".zip", ".tar", ".7z", ".zst"),
}
_READABLE = ".txt, .jsonl and .parquet, the first two also with .xz, .gz or .bz2 behind"
# Where rows have their text, by usage of published corpora.
_COLUMNS = ("text", "content", "document", "body", "article")

# Characters of a line that are read at a time: what is longer becomes several paragraphs, so that a
# file without line ends needs no more memory than others.
_LONGEST_LINE = 1 << 16
# Share of NUL characters beyond which a file is no text.
_MOST_NULS = 1e-3
_BLOCK = 1 << 20


@dataclass
class LeftOut:
    """What the last reading of a file has left out.

    Attributes:
        rows: Rows without text.
    """

    rows: int = 0


@dataclass(frozen=True)
class TextFile:
    """A file whose paragraphs can be read more than once.

    Attributes:
        path: The file.
        fact: How it is read, and how that is known.
        read: Starts reading.
        left_out: What it leaves out; complete when all was read.
    """

    path: Path
    fact: str
    read: Callable[[], Iterator[Paragraph]]
    left_out: LeftOut = field(default_factory=LeftOut, compare=False)


def find_files(inputs: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """List the files that are named, and those of directories that are named.

    Of a directory, those are taken that are called as what can be read, in order of their names.

    Raises:
        InputError: There is no such file, a directory has none, or one is named twice.
    """
    files: list[Path] = []
    for given in map(Path, inputs):
        if not given.is_dir():
            files.append(_readable(given))
            continue
        found = sorted(path for path in given.rglob("*") if _is_text(path, given))
        if not found:
            raise InputError(f"{given} has no files of text; those are {_READABLE}.")
        files += map(_readable, found)
    if not files:
        raise InputError("There is no file to read.")
    seen: set[Path] = set()
    for file in files:
        if (place := file.resolve()) in seen:
            raise InputError(f"{file} is there twice; name it once.")
        seen.add(place)
    return files


def _readable(file: Path) -> Path:
    try:
        with file.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"Cannot read {file}: {error.strerror or error}.") from None
    suffix, packed = _suffix(file)
    if suffix in _REFUSED or (packed and _ROWS.get(suffix) == "parquet"):
        raise InputError(f"{file} is no file of text that is read here; those are {_READABLE}.")
    return file


def _suffix(file: Path) -> tuple[str, bool]:
    """Return the suffix in front of that of a compressed file, and whether it is one."""
    suffix = file.suffix.lower()
    packed = suffix in COMPRESSED
    return (Path(file.stem).suffix.lower() if packed else suffix), packed


def _is_text(path: Path, directory: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(directory).parts)
    suffix, packed = _suffix(path)
    known = suffix in (*_TEXTS, *_ROWS) or (packed and suffix not in _REFUSED)
    return known and not hidden and path.is_file()


def open_text(
    file: Path, *, encoding: str | None = None, text_column: str | None = None
) -> TextFile:
    """Open a file of documents.

    Args:
        file: Text, or rows of .jsonl or .parquet, each of which is a document.
        encoding: Of text; by default it is guessed.
        text_column: Where rows have their text; by default it is looked for.

    Raises:
        InputError: It cannot be read, or rows have no such column.
        MissingExtraError: The library of .parquet is not installed.
    """
    kind = _ROWS.get(_suffix(file)[0])
    if kind is not None:
        rows = open_rows(file, file_format=kind, encoding=encoding)
        column = _column(rows, text_column)
        fact = f"{file}: {kind}, a document in each row's {column!r}"
        left_out = LeftOut()
        return TextFile(file, fact, lambda: _documents_of_rows(rows, column, left_out), left_out)
    known = guess_encoding(file) if encoding is None else named_encoding(encoding, file)
    fact = f"{file}: text, encoding {known.name} ({known.reason})"
    return TextFile(file, fact, lambda: _documents_of_lines(file, known))


def _documents_of_lines(file: Path, encoding: Encoding) -> Iterator[Paragraph]:
    number, inside = 0, False
    for line in _lines(file, encoding):
        if paragraph := line.strip():
            inside = True
            yield number, paragraph
        elif inside:
            number, inside = number + 1, False


def _lines(file: Path, encoding: Encoding) -> Iterator[str]:
    """Yield lines, long ones in parts that end between words and are not blank.

    Raises:
        InputError: The file is not in that encoding, or no text.
    """
    characters = nuls = 0
    with open_bytes(file) as stream:
        text = io.TextIOWrapper(stream, encoding=encoding.name)
        rest, begun = "", False  # of a long line: what is left, and whether some was yielded
        try:
            while line := text.readline(_LONGEST_LINE):
                characters += len(line)
                nuls += line.count("\0")
                if nuls and characters > _BLOCK:
                    _check_nuls(file, nuls, characters)
                cut = len(line) == _LONGEST_LINE and not line.endswith("\n")
                line, rest = rest + line, ""
                if cut:
                    end = line.rfind(" ") + 1
                    if end > len(line) // 2:
                        line, rest = line[:end], line[end:]
                blank = not line.strip()
                if not (blank and (cut or begun)):  # it would end the document
                    yield line
                begun = cut and (begun or not blank)
        except UnicodeError as error:
            raise InputError(
                f"{file} is not {encoding.name} ({encoding.reason}) after {characters:,} "
                f"characters: {error}. Name its encoding with --encoding."
            ) from None
        if rest:
            yield rest
    _check_nuls(file, nuls, characters)


def _check_nuls(file: Path, nuls: int, characters: int) -> None:
    if nuls > characters * _MOST_NULS:
        raise InputError(
            f"{file} has {nuls:,} NUL characters among {characters:,}: it is no text, or it is "
            "UTF-16 without a byte order mark, which --encoding utf-16-le or utf-16-be reads."
        )


def _column(rows: RowSource, given: str | None) -> str:
    """Return the column of the text."""
    names = rows.columns
    first: Mapping[str, Any] = {}
    if names is None:
        first = next((row.cells for row in rows), {})
        names = tuple(first)
    if not names:
        raise InputError(f"{rows.path} has no rows.")
    if given is not None:
        if given not in names:
            raise InputError(
                f"{rows.path} has no column {given!r}; there are {', '.join(map(repr, names))}."
            )
        return given
    likely = [name for name in _COLUMNS if name in names]
    likely += [name for name in names if isinstance(first.get(name), str)] if not likely else []
    if len(names) == 1 or len(likely) == 1 or likely[:1] == ["text"]:
        return likely[0] if likely else names[0]
    raise InputError(
        f"{rows.path} has the columns {', '.join(map(repr, names))}; say with --text-column which "
        "one has the text."
    )


def _documents_of_rows(rows: Iterable[Row], column: str, left_out: LeftOut) -> Iterator[Paragraph]:
    number = left_out.rows = 0
    for row in rows:
        paragraphs = _paragraphs(row, column)
        for paragraph in paragraphs:
            yield number, paragraph
        number += bool(paragraphs)
        left_out.rows += not paragraphs


def _paragraphs(row: Row, column: str) -> list[str]:
    if column not in row.cells:
        raise InputError(f"{row.place} has no {column!r}.")
    try:
        text = text_of(row.cells[column])
    except RowError as error:
        if error.kind is ProblemKind.EMPTY_TEXT:
            return []
        raise InputError(f"{row.place}: {error}") from None
    return [stripped for line in text.splitlines() if (stripped := line.strip())]
