"""How answers are written: text for people, json, jsonl and csv for programs."""

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from mobilebert.commands.inputs import InputRow
from mobilebert.errors import InputError

__all__ = ["OUTPUT_FORMATS", "OutputFormat", "output_format", "predictions_of"]

Answered = tuple[InputRow, list[Any]]

# Keys under which predictions name what they found, by task.
_NAMES = ("token_str", "label", "entity", "entity_group")

# Task -> the columns of a prediction in csv; "label" is whatever names the prediction.
_CSV_COLUMNS: dict[str, tuple[str, ...]] = {
    "question-answering": ("answer", "score", "start", "end"),
    "token-classification": ("label", "score", "word", "start", "end"),
}
_DEFAULT_COLUMNS = ("label", "score")

# Numbers of a vector that the text format shows.
SHOWN_NUMBERS = 6


def predictions_of(task: str, answer: Any, top_k: int | None) -> list[Any]:
    """Bring a pipeline's answer to one input into one form: a list, best first.

    Args:
        task: Name of the task.
        answer: What the pipeline returned.
        top_k: Most predictions wanted; only needed where the pipeline does not limit them.
    """
    if task == "zero-shot-classification":
        pairs = zip(answer["labels"], answer["scores"], strict=True)
        return [{"label": label, "score": score} for label, score in pairs][:top_k]
    return answer if isinstance(answer, list) else [answer]


class OutputFormat(ABC):
    """Writes answers in chunks, so that a file can grow.

    Args:
        task: Name of the task.
    """

    def __init__(self, task: str) -> None:
        self.task = task

    def header(self, first: InputRow) -> str:
        """Return what comes before all answers."""
        return ""

    def check(self, row: InputRow, *, as_utf8: bool) -> None:
        """Check that an input has a place in what is written, after `header`.

        Args:
            row: The input.
            as_utf8: Whether what is written must have a UTF-8 form.

        Raises:
            InputError: It has none.
        """
        return

    @abstractmethod
    def chunk(self, answers: Sequence[Answered], beginning: bool) -> str:
        """Return some answers.

        Args:
            answers: Rows and their predictions.
            beginning: Whether they are the first ones.
        """

    def footer(self) -> str:
        """Return what comes behind all answers."""
        return ""


class JsonFormat(OutputFormat):
    """One array with a list of predictions for each input."""

    def header(self, first: InputRow) -> str:
        """Open the array."""
        return "[\n"

    def chunk(self, answers: Sequence[Answered], beginning: bool) -> str:
        """Return lists, one a line."""
        lines = ",\n".join(_json(predictions) for _, predictions in answers)
        return lines if beginning else ",\n" + lines

    def footer(self) -> str:
        """Close the array."""
        return "\n]\n"


class JsonLinesFormat(OutputFormat):
    """The input's columns and ``prediction``, one object a line."""

    def chunk(self, answers: Sequence[Answered], beginning: bool) -> str:
        """Return lines."""
        return "".join(
            _json(row.columns | {_free("prediction", row.columns): predictions}) + "\n"
            for row, predictions in answers
        )


class CsvFormat(OutputFormat):
    """The input's columns and those of a prediction, one line for each prediction."""

    def __init__(self, task: str) -> None:
        super().__init__(task)
        self.inputs: list[str] = []
        self.columns = _CSV_COLUMNS.get(task, _DEFAULT_COLUMNS)

    def header(self, first: InputRow) -> str:
        """Return the line of column names."""
        self.inputs = list(first.columns)
        names = [_free(name, first.columns) for name in self.columns]
        return "" if self.task == "feature-extraction" else _csv_line([*self.inputs, *names])

    def check(self, row: InputRow, *, as_utf8: bool) -> None:
        """Check that the first input has all columns, and that they can be written."""
        self._cells(row)
        if as_utf8:
            _check_utf8(row, [*row.columns.items(), *((name, name) for name in row.columns)])

    def chunk(self, answers: Sequence[Answered], beginning: bool) -> str:
        """Return one line for each prediction; an input without any has one with empty cells."""
        if self.task == "feature-extraction":
            return self._vectors(answers, beginning)
        lines = []
        for row, predictions in answers:
            cells = self._cells(row)
            for prediction in self._flat(predictions) or [{}]:
                lines.append(_csv_line([*cells, *(_cell(prediction, c) for c in self.columns)]))
        return "".join(lines)

    def _flat(self, predictions: list[Any]) -> list[Any]:
        several = bool(predictions) and isinstance(predictions[0], list)  # several masks
        return [one for group in predictions for one in group] if several else predictions

    def _vectors(self, answers: Sequence[Answered], beginning: bool) -> str:
        lines = []
        for number, (row, vector) in enumerate(answers):
            if not vector or isinstance(vector[0], list):
                raise InputError(
                    "A csv line holds one vector: add --parameter pooling=mean (or cls), or choose "
                    "--format jsonl."
                )
            if beginning and not number:
                names = [_free(f"feature_{place}", self.inputs) for place in range(len(vector))]
                lines.append(_csv_line([*self.inputs, *names]))
            lines.append(_csv_line([*self._cells(row), *vector]))
        return "".join(lines)

    def _cells(self, row: InputRow) -> list[Any]:
        if list(row.columns) != self.inputs:
            if unknown := sorted(set(row.columns) - set(self.inputs)):
                raise InputError(
                    f"Line {row.line} has {unknown[0]!r}, which the first line has not, so it has "
                    "no place in csv; choose --format jsonl."
                )
        cells = (row.columns.get(name, "") for name in self.inputs)
        return [cell if isinstance(cell, (str, int, float)) else _json(cell) for cell in cells]


class TextFormat(OutputFormat):
    """The input and its answers below it, best first."""

    def check(self, row: InputRow, *, as_utf8: bool) -> None:
        """Check that the columns, which are the title, can be written."""
        if as_utf8:
            _check_utf8(row, row.columns.items())

    def chunk(self, answers: Sequence[Answered], beginning: bool) -> str:
        """Return blocks separated by empty lines."""
        blocks = [self._block(row, predictions) for row, predictions in answers]
        return ("" if beginning else "\n") + "\n".join(blocks)

    def _block(self, row: InputRow, predictions: list[Any]) -> str:
        lines = [*self._title(row.columns), *self._lines(predictions)]
        return "".join(f"{line}\n" for line in lines)

    def _title(self, columns: Mapping[str, Any]) -> list[str]:
        return [" | ".join(str(value) for value in columns.values())]

    def _lines(self, predictions: list[Any]) -> list[str]:
        if self.task == "feature-extraction":
            return [_vector_line(predictions)]
        if predictions and isinstance(predictions[0], list):
            lines = []
            for number, group in enumerate(predictions, start=1):
                lines += [f"  [MASK] {number}", *_ranked(group)]
            return lines
        return _ranked(predictions) or ["  (nothing found)"]


def _ranked(predictions: list[dict[str, Any]]) -> list[str]:
    labels = [_label(prediction) for prediction in predictions]
    width = min(max(map(len, labels), default=0), 24)
    return [
        f"  {prediction['score']:.4f}  {label:<{width}}  {_detail(prediction)}".rstrip()
        for label, prediction in zip(labels, predictions, strict=True)
    ]


def _label(prediction: Mapping[str, Any]) -> str:
    found = next((str(prediction[key]) for key in _NAMES if key in prediction), None)
    return found if found is not None else str(prediction["answer"] or "(no answer)")


def _cell(prediction: Mapping[str, Any], column: str) -> Any:
    if column == "label":
        return next((prediction[key] for key in _NAMES if key in prediction), "")
    return prediction.get(column, "")


def _detail(prediction: Mapping[str, Any]) -> str:
    if "sequence" in prediction:
        return str(prediction["sequence"])
    place = f"{prediction['start']}-{prediction['end']}" if "start" in prediction else ""
    return f"{prediction['word']}  {place}" if "word" in prediction else place


def _vector_line(vector: Any) -> str:
    shape, inner = [], vector
    while isinstance(inner, list):
        shape.append(len(inner))
        inner = inner[0] if inner and isinstance(inner[0], list) else None
    while isinstance(vector[0], list):
        vector = vector[0]
    numbers = " ".join(f"{number:.4f}" for number in vector[:SHOWN_NUMBERS])
    return f"  {numbers} ...  (shape {shape}; --format jsonl writes all)"


def _check_utf8(row: InputRow, columns: Iterable[tuple[str, Any]]) -> None:
    for name, value in columns:
        try:
            str(value).encode("utf-8")
        except UnicodeEncodeError:
            raise InputError(
                f"Line {row.line} has a lone surrogate in {name!a}, which is no text and has no "
                "place in this format; choose --format jsonl."
            ) from None


def _free(name: str, taken: Collection[str]) -> str:
    """Return a name for a new column that the input does not have already."""
    while name in taken:
        name = f"predicted_{name}"
    return name


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a column that is not read holds a lone surrogate
        return json.dumps(value)
    return text


def _csv_line(cells: Sequence[Any]) -> str:
    stream = io.StringIO()
    # Older Pythons quote the characters of the terminator alone, and a bare \r would end a line.
    csv.writer(stream, lineterminator="\r\n").writerow(cells)
    return stream.getvalue().removesuffix("\r\n") + "\n"


OUTPUT_FORMATS: dict[str, type[OutputFormat]] = {
    "text": TextFormat,
    "json": JsonFormat,
    "jsonl": JsonLinesFormat,
    "csv": CsvFormat,
}


def output_format(name: str, task: str) -> OutputFormat:
    """Return the format of a name."""
    return OUTPUT_FORMATS[name](task)
