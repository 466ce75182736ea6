"""Sentences of tagged tokens in columns, as the shared tasks of CoNLL have them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from mobilebert.datasets.rows import Row
from mobilebert.errors import InputError

__all__ = ["read_conll"]

_DOCUMENT = "-DOCSTART-"


def read_conll(file: Path, lines: Iterable[str]) -> Iterator[Row]:
    """Read sentences: a token and its tag on a line, an empty line between sentences.

    The token is the first column, the tag the last one; columns are separated by tabs, or else by
    spaces. Lines ``-DOCSTART-`` and comments (``# `` and text without a tag) are passed over.

    Args:
        file: Its name, for errors.
        lines: All lines.

    Yields:
        For each sentence a row with ``tokens`` and ``tags``, two lists.

    Raises:
        InputError: A line has another number of columns than those before, or fewer than two.
    """
    tokens: list[str] = []
    tags: list[str] = []
    start, columns = 0, 0
    for number, line in enumerate(lines, start=1):
        text = line.rstrip("\r\n")
        cells = text.split("\t") if "\t" in text else text.split()
        if not text.strip():
            if tokens:
                yield Row(file, start, {"tokens": tokens, "tags": tags})
                tokens, tags = [], []
            continue
        if cells[0] == _DOCUMENT or (text.startswith("# ") and len(cells) != columns):
            continue
        columns = columns or len(cells)
        if len(cells) != columns or columns == 1:
            wanted = max(columns, 2)
            raise InputError(
                f"{file}, line {number}: {len(cells)} columns instead of {wanted}; each line has a "
                "token, perhaps other columns, and a tag, and sentences have an empty line between."
            )
        if not tokens:
            start = number
        tokens.append(cells[0])
        tags.append(cells[-1])
    if tokens:
        yield Row(file, start, {"tokens": tokens, "tags": tags})
