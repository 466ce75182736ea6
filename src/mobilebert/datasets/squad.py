"""Questions in the JSON of SQuAD, versions 1.1 and 2.0.

The format: https://rajpurkar.github.io/SQuAD-explorer/ (articles of paragraphs of questions).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mobilebert.datasets.cells import shown
from mobilebert.datasets.problems import Problem, ProblemKind
from mobilebert.datasets.rows import Row
from mobilebert.errors import InputError

__all__ = ["is_squad", "read_json"]


def is_squad(content: Any) -> bool:
    """Tell whether JSON has articles of questions."""
    return (
        isinstance(content, dict)
        and isinstance(content.get("data"), list)
        and all(
            isinstance(article, dict) and "paragraphs" in article for article in content["data"]
        )
    )


def read_json(file: Path, text: str) -> Iterator[Row | Problem]:
    """Read SQuAD, or a list of objects.

    Args:
        file: Its name, for errors.
        text: All of it.

    Yields:
        For each question a row with ``id``, ``question``, ``context``, ``answers``, ``title`` and
        perhaps ``is_impossible``; for each object a row with its values.

    Raises:
        InputError: It is no JSON, or something else.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{file} is not a JSON file: {error}. A file with an object on each line is .jsonl."
        ) from None
    if isinstance(content, dict) and isinstance(content.get("data"), list):
        if is_squad(content):
            yield from _questions(file, text, content["data"])
            return
        content = content["data"]
    if not isinstance(content, list):
        raise InputError(
            f'{file}: a JSON file is that of SQuAD ({{"data": [{{"title", "paragraphs"}}]}}) or a '
            "list of objects."
        )
    for number, cells in enumerate(content, start=1):
        row = Row(file, number, cells, "object")
        if isinstance(cells, dict):
            yield row
        else:
            reason = f"an object is expected, not a {type(cells).__name__}."
            yield Problem(row.place, ProblemKind.UNREADABLE, reason)


def _questions(file: Path, text: str, articles: list[dict[str, Any]]) -> Iterator[Row | Problem]:
    lines = _LineOf(text)
    for number, article in enumerate(articles, start=1):
        title = str(article.get("title") or f"article {number}")
        for paragraph in _objects(article.get("paragraphs"), "paragraph", f"{file}, {title}"):
            if isinstance(paragraph, Problem):
                yield paragraph
                continue
            context = paragraph.get("context")
            place = f"{file}, {title}, the paragraph {shown(context)}"
            for question in _objects(paragraph.get("qas"), "question", place):
                if isinstance(question, Problem):
                    yield question
                    continue
                cells = {**question, "context": context, "title": title}
                name = question.get("id")
                called = "" if name is None else f"question {name}"
                yield Row(file, lines.of(name), cells, name=called)


def _objects(value: Any, what: str, place: str) -> Iterator[dict[str, Any] | Problem]:
    """Yield the objects of a list, and a problem for everything else."""
    if not isinstance(value, list):
        reason = f"a list of {what}s is expected, not {shown(value)}."
        yield Problem(place, ProblemKind.UNREADABLE, reason)
        return
    for number, entry in enumerate(value, start=1):
        if isinstance(entry, dict):
            yield entry
        else:
            reason = f"{what} {number} is {shown(entry)}, and not an object."
            yield Problem(place, ProblemKind.UNREADABLE, reason)


class _LineOf:
    """Finds the lines of ids, which follow each other."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._line = 1

    def of(self, value: Any) -> int:
        if value is None:
            return self._line
        found = self._text.find(json.dumps(value, ensure_ascii=False), self._place)
        if found >= 0:
            self._line += self._text.count("\n", self._place, found)
            self._place = found
        return self._line
