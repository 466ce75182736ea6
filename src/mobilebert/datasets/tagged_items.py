"""Rows as sentences of tagged words."""

from collections.abc import Callable, Sequence
from typing import Any

from mobilebert.datasets.cells import label_of, shown, text_of
from mobilebert.datasets.columns import Columns
from mobilebert.datasets.items import TaggedItem
from mobilebert.datasets.problems import ProblemKind, RowError
from mobilebert.datasets.rows import Row
from mobilebert.datasets.spans import spans_of, tag_words

__all__ = ["tagged_reader"]


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
        words = [text_of(word, "word") for word in _list(row.cells.get(words_name), "words")]
        tags = [label_of(tag) for tag in _list(row.cells.get(tags_name), "tags")]
        if len(words) != len(tags):
            raise RowError(ProblemKind.BAD_TAGS, f"{len(words)} words have {len(tags)} tags.")
        if not words:
            raise RowError(ProblemKind.EMPTY_TEXT, "there are no words.")
        return TaggedItem(row.place, tuple(words), tuple(tags))

    return read_tags


def _list(value: Any, name: str) -> list[Any]:
    if isinstance(value, str):
        return value.split()
    if value is None:
        raise RowError(ProblemKind.MISSING_LABEL, f"the {name} are missing.")
    if not isinstance(value, list):
        raise RowError(ProblemKind.BAD_TAGS, f"the {name} are {shown(value)}, not a list.")
    return value
