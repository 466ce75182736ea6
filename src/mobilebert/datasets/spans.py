"""Spans of a text as tags of its words."""

import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from mobilebert.datasets.cells import label_of, shown
from mobilebert.datasets.problems import ProblemKind, RowError

__all__ = ["Span", "spans_of", "tag_words", "words_of"]

Span = tuple[int, int, str]
"""First character, the one behind the last, and the label."""

OUTSIDE = "O"


@cache
def _word() -> re.Pattern[str]:
    """Matches words as the tokenizer separates them, at least.

    BERT's tokenizer (google-research/bert, tokenization.py) parts texts at white space, around
    punctuation (that of Unicode, and all signs of ASCII) and around each Chinese character.
    """
    signs = "".join(
        chr(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)).startswith("P")
    )
    # CJK ideographs, as is_chinese_char there has them.
    chinese = "\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\U00020000-\U0002ceaf\U0002f800-\U0002fa1f"
    alone = f"{re.escape(signs)}$+<=>^`|~{chinese}"
    return re.compile(rf"[^\s{alone}]+|[{alone}]")


def words_of(text: str) -> Iterator[tuple[int, int]]:
    """Yield where words begin and end: runs without white space, and each punctuation mark."""
    for match in _word().finditer(text):
        yield match.span()


def spans_of(value: Any) -> list[Span]:
    """Read spans: objects with ``start``, ``end`` and ``label``, or lists of these three.

    Raises:
        RowError: They are something else.
    """
    if value is None:
        raise RowError(ProblemKind.MISSING_LABEL, "the spans are missing; none is [].")
    if not isinstance(value, list):
        raise RowError(ProblemKind.BAD_SPANS, f"the spans are {shown(value)}, not a list.")
    spans = []
    for entry in value:
        parts = (
            [entry.get("start"), entry.get("end"), entry.get("label", entry.get("type"))]
            if isinstance(entry, dict)
            else entry
        )
        if not (
            isinstance(parts, list)
            and len(parts) == 3
            and all(isinstance(place, int) and place is not True for place in parts[:2])
        ):
            raise RowError(
                ProblemKind.BAD_SPANS,
                f'the span {shown(entry)} is not {{"start": ..., "end": ..., "label": ...}}.',
            )
        spans.append((parts[0], parts[1], label_of(parts[2])))
    return spans


def tag_words(text: str, spans: Sequence[Span]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split a text into words and give them the tags of spans, ``B-`` and ``I-``.

    Args:
        text: The text.
        spans: What is marked in it, from left to right.

    Returns:
        The words, and a tag for each.

    Raises:
        RowError: A span is empty or outside, begins before the one before it ends, or begins or
            ends within a word.
    """
    borders = list(words_of(text))
    starts = {start: place for place, (start, _) in enumerate(borders)}
    ends = {end: place for place, (_, end) in enumerate(borders)}
    tags = [OUTSIDE] * len(borders)
    before: Span = (0, 0, "")
    for span in spans:
        start, end, label = span
        _check(text, span, before)
        if start not in starts or end not in ends:
            raise RowError(
                ProblemKind.BAD_SPANS,
                f"the span {start}-{end} ({shown(text[start:end])}) begins or ends within a word.",
            )
        first, last = starts[start], ends[end]
        tags[first : last + 1] = [f"B-{label}"] + [f"I-{label}"] * (last - first)
        before = span
    return tuple(text[start:end] for start, end in borders), tuple(tags)


def _check(text: str, span: Span, before: Span) -> None:
    start, end, _ = span
    if not 0 <= start < end <= len(text):
        reason = f"is not within the {len(text)} characters of the text"
    elif start < before[0]:
        reason = f"stands behind the span {before[0]}-{before[1]}; sort them"
    elif start < before[1]:
        reason = f"overlaps the span {before[0]}-{before[1]}"
    else:
        return
    raise RowError(ProblemKind.BAD_SPANS, f"the span {start}-{end} {reason}.")
