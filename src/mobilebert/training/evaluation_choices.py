"""Judging which of several continuations a model chooses."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.datasets.items import ChoiceItem
from mobilebert.errors import InputError
from mobilebert.reports.report import EvaluationSummary, WorstError
from mobilebert.training.answering import Asking
from mobilebert.training.evaluation_results import (
    Evaluation,
    JudgingOptions,
    calibrated,
    negative_log,
    worst_errors,
)

__all__ = ["judge_choices"]

IntArray = npt.NDArray[np.int64]


def judge_choices(
    asking: Asking, items: Sequence[ChoiceItem], options: JudgingOptions
) -> Evaluation:
    """Judge choices. What is too long is cut, as it was for training.

    Args:
        asking: The pipeline.
        items: Texts with choices, of which one is right.
        options: Not used.

    Raises:
        InputError: An item does not say which choice is right.
    """
    wanted = np.array([_choice_of(item) for item in items])
    answers = asking(
        items,
        [{"text": item.prompt, "choices": list(item.choices)} for item in items],
        top_k=None,
        truncation=_truncation(asking),
    )
    told = np.array([answer[0]["choice"] for answer in answers])
    losses = negative_log(
        np.array([_score(answer, place) for answer, place in zip(answers, wanted, strict=True)])
    )
    bins, error = calibrated(np.array([answer[0]["score"] for answer in answers]), told == wanted)
    same = len(set(told.tolist())) == 1 < len(set(wanted.tolist()))
    summary = EvaluationSummary(
        items=len(items),
        metrics={"accuracy": float(np.mean(told == wanted)), "loss": float(losses.mean())},
        headline="accuracy",
        baseline=_most_frequent(wanted),
        baseline_name="most frequent choice",
        calibration=bins,
        calibration_error=error,
        worst=worst_errors(
            WorstError(
                place=item.place,
                text=item.prompt,
                wanted=item.choices[wanted[row]],
                told=item.choices[told[row]],
                loss=float(losses[row]),
            )
            for row, item in enumerate(items)
            if told[row] != wanted[row]
        ),
        only_class=f"choice {told[0] + 1}" if same else None,
    )
    return Evaluation(summary=summary, predictions=tuple(told.tolist()))


def _most_frequent(wanted: IntArray) -> dict[str, float]:
    """The metrics of always saying the place that is right most often, with places' frequencies."""
    shares = np.unique(wanted, return_counts=True)[1] / len(wanted)
    return {"accuracy": float(shares.max()), "loss": float((shares * np.log(1 / shares)).sum())}


def _truncation(asking: Asking) -> Any:
    """Return how long texts are cut: as was said, else as the model keeps it, else at the end."""
    kept = asking.pipeline.parameters.truncation
    return asking.parameters.get("truncation", True if kept is None else kept)


def _choice_of(item: ChoiceItem) -> int:
    if item.label is None or not 0 <= item.label < len(item.choices):
        raise InputError(f"{item.place}: it is not said which choice is right.")
    return item.label


def _score(answer: Sequence[Mapping[str, Any]], choice: int) -> float:
    return next(float(entry["score"]) for entry in answer if entry["choice"] == choice)
