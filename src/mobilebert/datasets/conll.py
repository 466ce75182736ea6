"""Sentences of tagged tokens in columns, as the shared tasks of CoNLL have them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from mobilebert.datasets.problems import Problem, ProblemKind
from mobilebert.datasets.rows import Row

__all__ = ["read_conll"]

_DOCUMENT = "-DOCSTART-"


def read_conll(file: Path, lines: Iterable[str]) -> Iterator[Row | Problem]:
    """Read sentences: a token and its tag on a line, an empty line between sentences.

    The token is the first column, the tag the last one; columns are separated by tabs, or else by
    spaces. Lines ``-DOCSTART-`` and comments (``# `` and text without a tag) are passed over.

    Args:
        file: Its name, for errors.
        lines: All lines.

    Yields:
        For each sentence a row with ``tokens`` and ``tags``, two lists; or, for each sentence with
        a line that has another number of columns than those before, or fewer than two, that line.
    """
    sentence = _Sentence(file)
    columns = 0
    for number, line in enumerate(lines, start=1):
        text = line.rstrip("\r\n")
        cells = text.split("\t") if "\t" in text else text.split()
        if not text.strip():
            yield from sentence.end()
            continue
        if cells[0] == _DOCUMENT or (text.startswith("# ") and len(cells) != columns):
            continue
        if len(cells) > 1:
            columns = columns or len(cells)
        sentence.add(number, cells, columns)
    yield from sentence.end()


class _Sentence:
    """The lines since the last empty one."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._clear()

    def _clear(self) -> None:
        self._tokens: list[str] = []
        self._tags: list[str] = []
        self._start = 0
        self._problem: Problem | None = None

    def add(self, line: int, cells: list[str], columns: int) -> None:
        self._start = self._start or line
        if len(cells) == columns:
            self._tokens.append(cells[0])
            self._tags.append(cells[-1])
        elif self._problem is None:
            self._problem = Problem(
                Row(self._file, line, {}).place,
                ProblemKind.BAD_COLUMNS,
                f"{len(cells)} columns instead of {max(columns, 2)}; each line has a token, "
                "perhaps other columns, and a tag, and sentences have an empty line between.",
            )

    def end(self) -> Iterator[Row | Problem]:
        if self._problem:
            yield self._problem
        elif self._tokens:
            cells = {"tokens": self._tokens, "tags": self._tags}
            yield Row(self._file, self._start, cells)
        self._clear()
