"""Judging what a model says about texts and pairs of texts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.datasets.items import TextItem
from mobilebert.errors import InputError
from mobilebert.metrics import average_precision, pearson, roc_auc, score_classes, spearman
from mobilebert.metrics.classes import ClassScores
from mobilebert.pipelines import Pipeline
from mobilebert.reports.report import EvaluationSummary, WorstError
from mobilebert.training.answering import Asking
from mobilebert.training.evaluation_results import (
    Evaluation,
    JudgingOptions,
    calibrated,
    class_rows,
    confusion_of,
    negative_log,
    worst_errors,
)
from mobilebert.training.labels import number_of

__all__ = ["judge_classes", "judge_numbers", "label_scores", "names_of", "shown"]

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def judge_classes(asking: Asking, items: Sequence[TextItem], options: JudgingOptions) -> Evaluation:
    """Judge one label of several.

    Args:
        asking: The pipeline.
        items: Texts with a class.
        options: The metric to look at first.

    Raises:
        InputError: An item has no label, or one that the model does not know.
    """
    names = names_of(asking.pipeline)
    if len(names) < 2:
        raise InputError(f"The model knows one class only, {names[0]!r}: there is no choice.")
    numbers = {name: number for number, name in enumerate(names)}
    wanted = np.array([_class_of(item, numbers) for item in items])
    probabilities = label_scores(asking, items, "softmax")
    predicted = probabilities.argmax(axis=1)
    scores = score_classes(predicted, wanted, len(names))
    losses = negative_log(probabilities[np.arange(len(items)), wanted])
    bins, error = calibrated(probabilities.max(axis=1), predicted == wanted)
    summary = EvaluationSummary(
        items=len(items),
        metrics=_class_metrics(scores, probabilities, wanted) | {"loss": float(losses.mean())},
        headline=options.judge_by or "accuracy",
        baseline=_majority(scores, wanted),
        per_class=class_rows(names, scores.counts),
        confusion=confusion_of(names, predicted, wanted),
        calibration=bins,
        calibration_error=error,
        worst=worst_errors(
            WorstError(
                place=item.place,
                text=shown(item),
                wanted=names[wanted[row]],
                told=names[predicted[row]],
                loss=float(losses[row]),
            )
            for row, item in enumerate(items)
            if predicted[row] != wanted[row]
        ),
        only_class=names[predicted[0]] if scores.predicts_one_class else None,
        warnings=_one_class_only(names[wanted[0]], wanted),
    )
    return Evaluation(summary=summary, predictions=tuple(names[place] for place in predicted))


def _one_class_only(name: str, wanted: IntArray) -> list[str]:
    if (wanted != wanted[0]).any():
        return []
    return [
        f"All {len(wanted):,} rows to judge by have the class {name!r}: whether the model tells "
        "classes apart was not measured."
    ]


def _class_of(item: TextItem, numbers: Mapping[str, int]) -> int:
    if item.label is None:
        raise InputError(f"{item.place}: there is no label to judge by.")
    try:
        return number_of(str(item.label), numbers)
    except InputError as error:
        raise InputError(f"{item.place}: {error}") from None


def _class_metrics(scores: ClassScores, probabilities: Array, wanted: IntArray) -> dict[str, float]:
    metrics = {
        "accuracy": scores.accuracy,
        "macro_f1": scores.macro_f1,
        "macro_precision": scores.macro_precision,
        "macro_recall": scores.macro_recall,
        "matthews": scores.matthews,
    }
    if probabilities.shape[1] != 2:
        return metrics
    # What GLUE and others call F1 is that of the second of two classes.
    members, of_second = wanted == 1, probabilities[:, 1]
    return metrics | {
        "f1": float(scores.counts.f1[1]),
        **_ranking(of_second, members),
    }


def _ranking(scores: Array, members: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Return what tells members from others; nothing where all are or none is."""
    if members.all() or not members.any():
        return {}
    return {
        "auc": roc_auc(scores, members),
        "average_precision": average_precision(scores, members),
    }


def _majority(scores: ClassScores, wanted: IntArray) -> dict[str, float]:
    """The metrics of always saying the most frequent class, with the classes' frequencies."""
    support = scores.counts.support
    shares = support[support > 0] / support.sum()
    always = np.full(len(wanted), support.argmax())
    probabilities = np.broadcast_to(support / support.sum(), (len(wanted), len(support)))
    metrics = _class_metrics(score_classes(always, wanted, len(support)), probabilities, wanted)
    return metrics | {"loss": float((shares * np.log(1 / shares)).sum())}


def judge_numbers(asking: Asking, items: Sequence[TextItem], options: JudgingOptions) -> Evaluation:
    """Judge numbers.

    Args:
        asking: The pipeline.
        items: Texts with a number.
        options: Not used.

    Raises:
        InputError: An item has no number, or the model says several.
    """
    wanted = np.array([_number_of(item) for item in items], np.float64)
    found = label_scores(asking, items, "none")
    if found.shape[1] != 1:
        raise InputError(f"The model says {found.shape[1]} numbers about a text, not one.")
    told = found[:, 0]
    errors = (told - wanted) ** 2
    mean = np.full_like(wanted, wanted.mean())
    summary = EvaluationSummary(
        items=len(items),
        metrics=_number_metrics(told, wanted),
        headline="spearman",
        baseline=_number_metrics(mean, wanted),
        baseline_name="mean",
        worst=worst_errors(
            WorstError(
                place=item.place,
                text=shown(item),
                wanted=f"{wanted[row]:g}",
                told=f"{told[row]:g}",
                loss=float(errors[row]),
            )
            for row, item in enumerate(items)
            if errors[row] > 0
        ),
        only_class=f"{told[0]:g}" if (told == told[0]).all() and np.ptp(wanted) > 0 else None,
    )
    return Evaluation(summary=summary, predictions=tuple(told.tolist()))


def _number_of(item: TextItem) -> float:
    if not isinstance(item.label, (int, float)) or not np.isfinite(item.label):
        raise InputError(f"{item.place}: the label {item.label!r} is no number to judge by.")
    return float(item.label)


def _number_metrics(told: Array, wanted: Array) -> dict[str, float]:
    distance = told - wanted
    return {
        # Numbers that are all the same go with nothing.
        "spearman": float(np.nan_to_num(spearman(told, wanted))),
        "pearson": float(np.nan_to_num(pearson(told, wanted))),
        "mean_squared_error": float(np.mean(distance**2)),
        "mean_absolute_error": float(np.mean(np.abs(distance))),
    }


def label_scores(asking: Asking, items: Sequence[TextItem], function: str) -> Array:
    """Ask for the scores of all labels.

    Args:
        asking: The pipeline.
        items: The texts.
        function: What makes scores of logits.

    Returns:
        [items, labels].
    """
    inputs = [{"text": item.text, "text_pair": item.pair} for item in items]
    wanted = {"threshold": None, "return_all_scores": True, "function_to_apply": function}
    answers = asking(items, inputs, **wanted)
    return np.array([[entry["score"] for entry in answer] for answer in answers], np.float64)


def names_of(pipeline: Pipeline[Any]) -> list[str]:
    """Return the names of a model's labels in the order of their numbers."""
    names = pipeline.config.id2label
    return [names[number] for number in sorted(names)]


def shown(item: TextItem) -> str:
    """Return the text, and its pair below it."""
    return item.text if item.pair is None else f"{item.text}\n{item.pair}"
