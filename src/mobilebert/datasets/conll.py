"""Sentences of tagged tokens in columns, as the shared tasks of CoNLL have them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from mobilebert.datasets.problems import Problem, ProblemKind
from mobilebert.datasets.rows import Row

__all__ = ["is_like_tag", "read_conll"]

_DOCUMENT = "-DOCSTART-"
_COMMENT = "# "
# Lines whose tags tell whether that of "#" is one.
_LINES_LOOKED_AT = 200


def read_conll(file: Path, lines: Iterable[str]) -> Iterator[Row | Problem]:
    """Read sentences: a token and its tag on a line, an empty line between sentences.

    The token is the first column, the tag the last one. The first line of several columns that is
    no comment for certain tells how many there are, and whether tabs or blanks separate them. Lines
    ``-DOCSTART-`` are passed over, and comments: ``# `` and text, without a tab where tabs separate
    columns, else with a tab, or before a sentence and with another number of columns or no tag.

    Args:
        file: Its name, for errors.
        lines: All lines.

    Yields:
        For each sentence a row with ``tokens`` and ``tags``, two lists; or, for each sentence with
        a line that has another number of columns than those before, or fewer than two, that line.
    """
    rest = iter(lines)
    layout = _layout(rest)
    sentence = _Sentence(file)
    for number, line in enumerate(chain(layout.begun, rest), start=1):
        text = line.rstrip("\r\n")
        if not text.strip():
            yield from sentence.end()
        elif text.split()[0] != _DOCUMENT and not layout.is_comment(text, sentence.has_begun):
            sentence.add(number, layout.cells(text), layout.columns)
    yield from sentence.end()


def is_like_tag(text: str) -> bool:
    """Tell whether a column looks like the tag of a word: O, or B-PER and the like."""
    return text == "O" or (text[:1].isupper() and text[1:2] == "-")


@dataclass
class _Layout:
    """How the columns of a file are written.

    Attributes:
        begun: The lines that were read to find out.
        tabs: Whether tabs separate columns, or any white space.
        columns: How many there are; 0 where no line has several.
        tags: Those of the first lines that begin with another token than "#".
    """

    begun: list[str] = field(default_factory=list)
    tabs: bool = False
    columns: int = 0
    tags: set[str] = field(default_factory=set)

    def cells(self, text: str) -> list[str]:
        return text.split("\t") if self.tabs else text.split()

    def is_comment(self, text: str, in_sentence: bool) -> bool:
        """Tell a comment from a line whose token is "#"."""
        if not text.startswith(_COMMENT):
            return False
        has_tab = "\t" in text
        if self.tabs or has_tab:
            return has_tab is not self.tabs
        if in_sentence:
            return False
        cells = text.split()
        has_tag = cells[-1] in self.tags or is_like_tag(cells[-1])
        return len(cells) != self.columns or not has_tag


def _layout(lines: Iterator[str]) -> _Layout:
    layout = _Layout()
    for line in lines:
        layout.begun.append(line)
        text = line.rstrip("\r\n")
        if text.startswith((_COMMENT, _DOCUMENT)):
            continue
        layout.tabs = "\t" in text
        if len(layout.cells(text)) > 1:
            layout.columns = len(layout.cells(text))
            layout.tags.add(layout.cells(text)[-1])
            break
    for line in islice(lines, _LINES_LOOKED_AT):
        layout.begun.append(line)
        cells = layout.cells(line.rstrip("\r\n"))
        if len(cells) == layout.columns and not line.startswith((_COMMENT, _DOCUMENT)):
            layout.tags.add(cells[-1])
    return layout


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

    @property
    def has_begun(self) -> bool:
        return self._start > 0

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
