"""Rows as questions about a context."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mobilebert.datasets.cells import is_missing, shown, text_of
from mobilebert.datasets.column_profiles import FLAGS
from mobilebert.datasets.columns import Columns
from mobilebert.datasets.items import Answer, QuestionItem
from mobilebert.datasets.problems import ProblemKind, RowError
from mobilebert.datasets.rows import Row

__all__ = ["question_reader"]


def question_reader(columns: Columns, sample: Sequence[Row]) -> Callable[[Row], QuestionItem]:
    """Make what reads questions, as SQuAD has them or in columns.

    Answers are a list of ``{"text", "answer_start"}``, or lists of both in
    ``{"text": [...], "answer_start": [...]}``, or a text, with its place in another column; without
    that its first place in the context. Columns ``id``, ``title`` (what belongs together) and
    ``is_impossible`` are read where they are.
    """
    question, context, answers = (columns.one(name) for name in ("question", "context", "answers"))
    start = columns.one("answer_start") if "answer_start" in columns.fields else None

    def read(row: Row) -> QuestionItem:
        cells = row.cells
        text = text_of(cells.get(context), "context")
        found = _answers(cells.get(answers), None if start is None else cells.get(start), text)
        _check_possible(cells, found)
        for answer in found:
            _check_place(answer, text)
        name = cells.get("id")
        return QuestionItem(
            row.place if row.name or is_missing(name) else f"{row.place} (question {name})",
            str(row.line) if is_missing(name) else str(name),
            text_of(cells.get(question), "question"),
            text,
            found,
            "" if is_missing(cells.get("title")) else str(cells.get("title")),
        )

    return read


def _answers(value: Any, start: Any, context: str) -> tuple[Answer, ...]:
    if isinstance(value, dict):
        texts, starts = value.get("text"), value.get("answer_start")
        if not (isinstance(texts, list) and isinstance(starts, list) and len(texts) == len(starts)):
            raise RowError(
                ProblemKind.BAD_ANSWER,
                f"the answers are {shown(value)}; text and answer_start "
                "are lists of the same length.",
            )
        return tuple(map(_answer, texts, starts))
    if isinstance(value, list):
        if not all(isinstance(entry, dict) for entry in value):
            raise RowError(
                ProblemKind.BAD_ANSWER,
                f'the answers are {shown(value)}; each is {{"text": ..., "answer_start": ...}}.',
            )
        return tuple(_answer(entry.get("text"), entry.get("answer_start")) for entry in value)
    if is_missing(value):
        return ()
    text = str(value)
    if is_missing(start):
        start = context.find(text)
        if start < 0:
            raise RowError(
                ProblemKind.BAD_ANSWER, f"the answer {shown(text)} is not in the context."
            )
    return (_answer(text, start),)


def _answer(text: Any, start: Any) -> Answer:
    if isinstance(start, str) and start.strip().isdecimal():
        start = int(start)
    if isinstance(start, float) and start.is_integer():
        start = int(start)
    if not isinstance(text, str) or not text.strip() or type(start) is not int:
        raise RowError(
            ProblemKind.BAD_ANSWER,
            f"an answer has a text and a whole number for its place, not {shown(text)} and "
            f"{shown(start)}.",
        )
    return Answer(text, start)


def _check_possible(cells: Mapping[str, Any], answers: tuple[Answer, ...]) -> None:
    impossible = FLAGS.get(str(cells.get("is_impossible")).lower())
    if impossible is True and answers:
        raise RowError(
            ProblemKind.BAD_ANSWER,
            f"it is impossible, but has the answer {shown(answers[0].text)}.",
        )
    if impossible is False and not answers:
        raise RowError(ProblemKind.MISSING_LABEL, "it is not impossible, but has no answer.")


def _check_place(answer: Answer, context: str) -> None:
    start, text = answer.start, answer.text
    if 0 <= start and context[start : start + len(text)] == text:
        return
    places = context.count(text)
    if places == 1:
        where = f"it stands at {context.find(text)}"
    else:
        where = f"it is there {places} times" if places else "it is not in the context"
    raise RowError(
        ProblemKind.BAD_ANSWER, f"the answer {shown(text)} does not stand at {start}; {where}."
    )
