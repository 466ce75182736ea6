"""Judging several labels at once."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mobilebert.datasets.items import TextItem
from mobilebert.errors import InputError
from mobilebert.metrics import best_thresholds, score_labels
from mobilebert.metrics.labels import label_counts
from mobilebert.pipelines.label_thresholds import stored_thresholds, threshold_array
from mobilebert.reports.report import EvaluationSummary, WorstError
from mobilebert.training.answering import Asking
from mobilebert.training.evaluation_results import (
    Evaluation,
    JudgingOptions,
    calibrated,
    class_rows,
    negative_log,
    worst_errors,
)
from mobilebert.training.evaluation_texts import label_scores, names_of, shown
from mobilebert.training.labels import number_of

__all__ = ["judge_labels"]

Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def judge_labels(asking: Asking, items: Sequence[TextItem], options: JudgingOptions) -> Evaluation:
    """Judge several labels at once.

    Args:
        asking: The pipeline.
        items: Texts with the labels that hold.
        options: Thresholds: given, to be tuned on these items, or else the model's; and the metric
            to look at first.

    Raises:
        InputError: An item has no labels, or one that the model does not know.
    """
    names = names_of(asking.pipeline)
    wanted = _wanted(items, names)
    probabilities = label_scores(asking, items, "sigmoid")
    thresholds = _thresholds(asking, names, probabilities, wanted, options)
    predicted = probabilities >= thresholds
    losses = negative_log(np.where(wanted, probabilities, 1 - probabilities)).mean(axis=1)
    told = [_names(row, names) for row in predicted]
    bins, error = calibrated(probabilities.ravel(), wanted.ravel())
    summary = EvaluationSummary(
        items=len(items),
        metrics=_metrics(probabilities, wanted, thresholds) | {"loss": float(losses.mean())},
        headline=options.judge_by or "micro_f1",
        baseline=_most_frequent(wanted),
        baseline_name="most frequent label",
        per_class=class_rows(names, label_counts(predicted, wanted), thresholds.tolist()),
        calibration=bins,
        calibration_error=error,
        worst=worst_errors(
            WorstError(
                place=item.place,
                text=shown(item),
                wanted=_joined(_names(wanted[row], names)),
                told=_joined(told[row]),
                loss=float(losses[row]),
            )
            for row, item in enumerate(items)
            if (predicted[row] != wanted[row]).any()
        ),
        only_class=_only_answer(predicted, wanted, names),
        warnings=_warnings(wanted, options),
    )
    by_name = dict(zip(names, thresholds.tolist(), strict=True))
    return Evaluation(summary=summary, predictions=tuple(told), thresholds=by_name)


_TUNED_HERE = (
    "The thresholds of the labels were tuned on the items that the model is judged by, so the "
    "scores are somewhat better than on other texts."
)


def _warnings(wanted: BoolArray, options: JudgingOptions) -> list[str]:
    found = [_TUNED_HERE] if options.tune_thresholds else []
    if not wanted.any():
        found.append(
            f"None of the {len(wanted):,} rows to judge by has a label: whether the model finds "
            "labels was not measured."
        )
    return found


def _wanted(items: Sequence[TextItem], names: Sequence[str]) -> BoolArray:
    numbers = {name: number for number, name in enumerate(names)}
    wanted = np.zeros((len(items), len(names)), np.bool_)
    for row, item in enumerate(items):
        if not isinstance(item.label, tuple):
            raise InputError(f"{item.place}: there are no labels to judge by.")
        try:
            wanted[row, [number_of(name, numbers) for name in item.label]] = True
        except InputError as error:
            raise InputError(f"{item.place}: {error}") from None
    return wanted


def _thresholds(
    asking: Asking,
    names: Sequence[str],
    probabilities: Array,
    wanted: BoolArray,
    options: JudgingOptions,
) -> Array:
    if options.tune_thresholds:
        return np.asarray(best_thresholds(probabilities, wanted), np.float64)
    given = options.thresholds
    if given is None:
        given = stored_thresholds(asking.pipeline.config)
    return threshold_array(names, given)


def _metrics(probabilities: Array, wanted: BoolArray, thresholds: Array) -> dict[str, float]:
    total = label_counts(probabilities >= thresholds, wanted).summed()
    scores = dict(score_labels(probabilities, wanted, thresholds))
    if not wanted.any():
        del scores["mean_average_precision"]  # of labels that occur
    return {
        **scores,
        "micro_precision": float(total.precision[0]),
        "micro_recall": float(total.recall[0]),
    }


def _most_frequent(wanted: BoolArray) -> dict[str, float]:
    """The metrics of always saying the most frequent label, with the labels' frequencies."""
    shares = wanted.mean(axis=0)
    thresholds = np.full(len(shares), np.inf)
    thresholds[shares.argmax()] = 0
    metrics = _metrics(np.broadcast_to(shares, wanted.shape), wanted, thresholds)
    losses = shares * negative_log(shares) + (1 - shares) * negative_log(1 - shares)
    return metrics | {"loss": float(losses.mean())}


def _names(row: BoolArray, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name, held in zip(names, row, strict=True) if held)


def _joined(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "no label"


def _only_answer(predicted: BoolArray, wanted: BoolArray, names: Sequence[str]) -> str | None:
    """Return what is said about every text, if it is the same and not always right."""
    if (predicted != predicted[:1]).any() or (wanted == wanted[:1]).all():
        return None
    return _joined(_names(predicted[0], names))
