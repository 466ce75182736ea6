"""`compare`: several models beside each other, how good, how fast and how large they are."""

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobilebert.checkpoint.reading import load_config
from mobilebert.datasets.items import FinetuneTask
from mobilebert.errors import CheckpointError, InputError
from mobilebert.pipelines import Pipeline, pipeline
from mobilebert.reports.comparison import ComparedModel
from mobilebert.reports.report import Report
from mobilebert.reports.writing import read_report
from mobilebert.training.evaluation import PIPELINE_OF_TASK
from mobilebert.training.judging import evaluate, task_of_model

__all__ = ["compare"]

# Takes turns; the median counts.
_ROUNDS = 15
# 49 tokens with special ones: a long sentence, or a short review.
_TEXT = (
    "The film begins slowly, but once the two brothers leave the village nothing is as it was, and "
    "the last half hour, which has hardly a word in it, is among the best things that I have seen "
    "this year."
)
_QUESTION = "Who leaves the village?"
_INPUTS: dict[FinetuneTask, Any] = dict.fromkeys(FinetuneTask, _TEXT) | {
    FinetuneTask.QUESTION_ANSWERING: {"question": _QUESTION, "context": _TEXT},
    FinetuneTask.MULTIPLE_CHOICE: {"text": _TEXT, "choices": ["It is good.", "It is bad."]},
}


@dataclass(frozen=True)
class _Timed:
    """A model that takes its turns."""

    pipeline: Pipeline[Any]
    given: Any

    def seconds(self) -> float:
        started = time.perf_counter()
        self.pipeline(self.given)
        return time.perf_counter() - started


def compare(
    models: Sequence[str | os.PathLike[str]],
    *,
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    backend: str = "auto",
    **options: Any,
) -> list[ComparedModel]:
    """Measure models.

    Args:
        models: Their directories.
        data: Rows to measure all of them on; by default each has the metrics of its own report.
        backend: As for `pipeline`.
        **options: Of `evaluate`: columns, encoding, delimiter, skip_bad_rows, label_names.

    Returns:
        The models, in the same order. Times are medians of an answer to one text of 49 tokens (a
        question about it, its two continuations), the models taking turns.

    Raises:
        InputError: A model was never measured and there are no data, or the data cannot be used.
        CheckpointError: A model's files are missing or damaged.
    """
    if not models:
        raise InputError("There is no model to compare; give at least one.")
    reports = [_report(model, data, backend, options) for model in models]
    milliseconds = _times(models, reports, backend)
    return [
        ComparedModel(name=os.fspath(model), report=report, milliseconds=time_)
        for model, report, time_ in zip(models, reports, milliseconds, strict=True)
    ]


def _report(
    model: str | os.PathLike[str], data: Any, backend: str, options: dict[str, Any]
) -> Report:
    if data is not None:
        report = evaluate(model, data, backend=backend, **options).report
    else:
        load_config(model)  # a directory without a model is told as such
        try:
            report = read_report(model)
        except CheckpointError as error:
            raise InputError(
                f"{model} has no report to take its metrics from ({error}); measure all models on "
                "the same rows with --data FILE."
            ) from None
    directory = Path(model)
    if directory.is_dir():
        size = sum(file.stat().st_size for file in directory.glob("*.safetensors"))
        report.model.megabytes = size / 1e6 or report.model.megabytes
    return report


def _times(
    models: Sequence[str | os.PathLike[str]], reports: Sequence[Report], backend: str
) -> list[float]:
    timed = []
    for model, report in zip(models, reports, strict=True):
        task = FinetuneTask(report.task) if report.task in set(FinetuneTask) else None
        task = task_of_model(model) if task is None else task
        given = _INPUTS[task]
        if task is FinetuneTask.MASKED_LM:
            given = f"{_TEXT} [MASK]"
        opened = pipeline(PIPELINE_OF_TASK[task], str(model), backend=backend)
        timed.append(_Timed(opened, given))
        opened(given)
    rounds = [[one.seconds() for one in timed] for _ in range(_ROUNDS)]
    return [1000 * statistics.median(column) for column in zip(*rounds, strict=True)]
