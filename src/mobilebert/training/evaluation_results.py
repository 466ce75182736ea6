"""What judging a model gives, and the parts that all tasks share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.metrics.calibration import calibration
from mobilebert.metrics.classes import Counts, confusion_matrix
from mobilebert.reports.heat_map import MOST_CLASSES
from mobilebert.reports.report import (
    CalibrationBin,
    ClassRow,
    Confusion,
    EvaluationSummary,
    WorstError,
)
from mobilebert.reports.wording import metric_words

__all__ = [
    "Evaluation",
    "JudgingOptions",
    "calibrated",
    "class_rows",
    "confusion_of",
    "is_better",
    "negative_log",
    "worst_errors",
]

FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.integer[Any]]

# How many errors a report shows, and how much of a text.
_WORST = 20
_TEXT_SHOWN = 500

# Probabilities that float32 rounds to 0 have a finite loss, 87.
_SMALLEST = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, kw_only=True)
class JudgingOptions:
    """How a model is judged, beside what its pipeline is told.

    Attributes:
        thresholds: Several labels at once: what the probability of each has to reach; by default
            what the model's configuration holds, or else 0.5.
        tune_thresholds: Several labels at once: whether to take the thresholds that give the best
            F1 of each label on these items. Answers to questions: likewise the threshold of "no
            answer", if some of them have an answer and some have none.
        judge_by: One class, or several labels at once: the metric to look at first; by default
            accuracy or micro F1.
        seed: Masked words: what draws them.
        max_length: Masked words: longest block in tokens; by default what the model reads.
    """

    thresholds: Mapping[str, float] | None = None
    tune_thresholds: bool = False
    judge_by: str | None = None
    seed: int = 0
    max_length: int | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How good a model is.

    Attributes:
        summary: Metrics, baseline, tables and errors, as reports show them.
        predictions: What the model says about each item.
        thresholds: What the probability of each label has to reach, for several labels at once.
        null_threshold: How much likelier no answer has to be than a span, in logarithms, where that
            was tuned.
    """

    summary: EvaluationSummary
    predictions: tuple[Any, ...]
    thresholds: Mapping[str, float] | None = None
    null_threshold: float | None = None

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics by name."""
        return self.summary.metrics

    @property
    def baseline(self) -> dict[str, float]:
        """The same metrics of an answer that reads no text."""
        return self.summary.baseline

    @property
    def headline(self) -> str:
        """The name of the metric to look at first."""
        return self.summary.headline

    @property
    def score(self) -> float:
        """The metric to look at first."""
        return self.metrics[self.headline]

    def is_better_than(self, other: float | None) -> bool:
        """Tell whether the headline metric is better than `other`; anything is better than None."""
        return is_better(self.headline, self.score, other)


def is_better(metric: str, score: float, other: float | None) -> bool:
    """Tell whether a metric is better than it was; a number is better than None and NaN.

    Args:
        metric: Its name.
        score: What it is.
        other: What it was.
    """
    if other is None or np.isnan(other):
        return other is None or not np.isnan(score)
    higher = metric_words(metric).higher_is_better
    return bool(score > other if higher else score < other)


def negative_log(probabilities: FloatArray) -> FloatArray:
    """Return the loss of events that were given these probabilities."""
    # Subtracted, so that the loss of 1 is not -0.
    return 0 - np.log(np.maximum(probabilities.astype(np.float64), _SMALLEST))


def class_rows(
    names: Sequence[str], counts: Counts, thresholds: Sequence[float] | None = None
) -> list[ClassRow]:
    """Tabulate the scores of classes.

    Args:
        names: Their names.
        counts: Their counts, [classes].
        thresholds: What the probability of each has to reach, or None.
    """
    columns = (counts.precision, counts.recall, counts.f1, counts.support, counts.predicted)
    return [
        ClassRow(
            label=name,
            precision=float(precision),
            recall=float(recall),
            f1=float(f1),
            support=int(support),
            predicted=int(predicted),
            threshold=None if thresholds is None else float(thresholds[number]),
        )
        for number, (name, precision, recall, f1, support, predicted) in enumerate(
            zip(names, *columns, strict=True)
        )
    ]


def confusion_of(names: Sequence[str], predicted: IntArray, wanted: IntArray) -> Confusion:
    """Count true against predicted classes; where there are many, of those that a page shows.

    Args:
        names: The classes.
        predicted: Their numbers, [answers].
        wanted: The right ones, [answers].
    """
    labels, others = list(names), 0
    if len(names) > MOST_CLASSES:
        weight = np.bincount(np.concatenate([predicted, wanted]), minlength=len(names))
        kept = np.sort(np.argsort(-weight, kind="stable")[: MOST_CLASSES - 1])
        places = np.full(len(names), len(kept))
        places[kept] = np.arange(len(kept))
        predicted, wanted = places[predicted], places[wanted]
        others = len(names) - len(kept)
        labels = [*(names[number] for number in kept), f"{others:,} others"]
    counts = confusion_matrix(predicted, wanted, len(labels))
    return Confusion(labels=labels, counts=counts.tolist(), others=others)


def calibrated(probabilities: FloatArray, right: BoolArray) -> tuple[list[CalibrationBin], float]:
    """Compare probabilities with how often they are right.

    Args:
        probabilities: Of the answers given, [answers].
        right: Whether these are right, [answers].

    Returns:
        The bins, and the mean distance.
    """
    found = calibration(np.clip(probabilities, 0, 1), right)
    borders = np.linspace(0, 1, len(found.count) + 1)
    bins = [
        CalibrationBin(
            least=float(borders[number]),
            most=float(borders[number + 1]),
            count=int(found.count[number]),
            confidence=float(found.confidence[number]),
            accuracy=float(found.accuracy[number]),
        )
        for number in range(len(found.count))
    ]
    return bins, found.error


def worst_errors(errors: Iterable[WorstError]) -> list[WorstError]:
    """Return the worst errors, worst first, with long texts cut.

    Args:
        errors: All of them; equally bad ones keep their order.
    """
    worst = sorted(errors, key=lambda error: -error.loss)[:_WORST]
    return [
        WorstError(
            place=error.place,
            text=_shortened(error.text),
            wanted=_shortened(error.wanted),
            told=_shortened(error.told),
            loss=error.loss,
        )
        for error in worst
    ]


def _shortened(text: str) -> str:
    return text if len(text) <= _TEXT_SHOWN else text[: _TEXT_SHOWN - 1] + "…"
