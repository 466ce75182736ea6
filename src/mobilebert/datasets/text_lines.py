"""Formats with one item on a line: plain text and JSON objects."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from mobilebert.datasets.problems import Problem, ProblemKind
from mobilebert.datasets.rows import Row

__all__ = ["read_jsonl", "read_txt"]


def read_txt(file: Path, lines: Iterable[str]) -> Iterator[Row | Problem]:
    """Read a text from each line.

    Yields:
        For each line a row with ``text``; empty lines too.
    """
    for number, line in enumerate(lines, start=1):
        yield Row(file, number, {"text": line.rstrip("\r\n")})


def read_jsonl(file: Path, lines: Iterable[str]) -> Iterator[Row | Problem]:
    """Read a JSON object from each line that is not empty.

    Yields:
        A row with its values, or what is wrong with the line.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            cells = json.loads(line)
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a ValueError
            reason = f"not JSON ({error})."
        else:
            if isinstance(cells, dict):
                yield Row(file, number, cells)
                continue
            reason = (
                f'a line is a JSON object like {{"text": "..."}}, not a {type(cells).__name__}.'
            )
        yield Problem(Row(file, number, {}).place, ProblemKind.UNREADABLE, reason)
