"""Rows as sentences of tagged words."""

from collections.abc import Callable, Sequence
from typing import Any

from mobilebert.datasets.cells import label_of, list_in, shown, text_of
from mobilebert.datasets.columns import Columns
from mobilebert.datasets.items import TaggedItem
from mobilebert.datasets.problems import ProblemKind, RowError
from mobilebert.datasets.rows import Row
from mobilebert.datasets.spans import spans_of, tag_words

__all__ = ["tagged_reader"]

# How lists of texts begin.
_LISTS = ("['", '["')


def tagged_reader(columns: Columns, sample: Sequence[Row]) -> Callable[[Row], TaggedItem]:
    """Make what reads words and their tags, or a text and its spans."""
    if "spans" in columns.fields:
        text, spans = columns.one("text"), columns.one("spans")

        def read_spans(row: Row) -> TaggedItem:
            words, tags = tag_words(text_of(row.cells.get(text)), spans_of(row.cells.get(spans)))
            return TaggedItem(row.place, words, tags)

        return read_spans
    words_name, tags_name = columns.one("words"), columns.one("tags")

    def read_tags(row: Row) -> TaggedItem:
        written, marks = row.cells.get(words_name), row.cells.get(tags_name)
        in_brackets = _is_list(marks)
        words = [text_of(word, "word") for word in _list(written, "words", in_brackets)]
        tags = [label_of(tag) for tag in _list(marks, "tags", in_brackets)]
        if len(words) != len(tags):
            raise RowError(ProblemKind.BAD_TAGS, f"{len(words)} words have {len(tags)} tags.")
        if not words:
            raise RowError(ProblemKind.EMPTY_TEXT, "there are no words.")
        return TaggedItem(row.place, tuple(words), tuple(tags))

    return read_tags


def _list(value: Any, name: str, in_brackets: bool) -> list[Any]:
    """Read words or tags: a list, or a text with blanks between.

    Args:
        value: The cell.
        name: What it holds, for errors.
        in_brackets: Whether a text in brackets is a list for certain; brackets are words too.
    """
    if isinstance(value, str):
        is_list = value.lstrip().startswith(_LISTS)
        found = list_in(value, ProblemKind.BAD_TAGS, name) if is_list or in_brackets else None
        if is_list and found is None:
            raise RowError(ProblemKind.BAD_TAGS, f"the {name} are a list that has no end.")
        return value.split() if found is None else found
    if value is None:
        raise RowError(ProblemKind.MISSING_LABEL, f"the {name} are missing.")
    if not isinstance(value, list):
        raise RowError(ProblemKind.BAD_TAGS, f"the {name} are {shown(value)}, not a list.")
    return value


def _is_list(value: Any) -> bool:
    """Tell whether tags stand in brackets, all in the same ones: "[CLS]" may be one of them."""
    text = value.strip() if isinstance(value, str) else ""
    return text[:1] == "[" and "]" not in text[1:-1]
