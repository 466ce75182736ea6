"""Text to Markdown in which nothing but our own marks is a mark."""

import re
from collections.abc import Iterable, Sequence

from mobilebert.reports.markup import clean, shortened

__all__ = ["plain", "table"]

MOST_CHARACTERS = 200

# What can begin a mark, a tag, an entity or a cell (CommonMark 0.31, sections 2.4 and 2.5); an
# underscore within a word is none.
_MARKS = re.compile(r"([\\`*{}\[\]<>#|&~$]|(?<![^\W_])_|_(?![^\W_]))")


def plain(text: str) -> str:
    """Return a text as one line of Markdown that shows it, cut where it is very long."""
    line = shortened(" ".join(clean(text).split()), MOST_CHARACTERS)
    return _MARKS.sub(r"\\\1", line)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table, none if it has no rows.

    Args:
        head: Titles; Markdown.
        rows: Cells; Markdown on one line.
    """
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines, ""] if lines else []
