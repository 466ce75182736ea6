"""Judging answers to questions, by the official metric of SQuAD."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.datasets.items import QuestionItem
from mobilebert.metrics import best_null_threshold, exact_match, overlap_f1, score_answers
from mobilebert.pipelines.null_answers import null_factor, stored_null_threshold
from mobilebert.reports.report import EvaluationSummary, WorstError
from mobilebert.training.answering import Asking
from mobilebert.training.evaluation_results import (
    Evaluation,
    JudgingOptions,
    calibrated,
    worst_errors,
)

__all__ = ["judge_answers"]

Array = npt.NDArray[np.float64]

_NO_ANSWER = "no answer"


def judge_answers(
    asking: Asking, items: Sequence[QuestionItem], options: JudgingOptions
) -> Evaluation:
    """Judge answers. "No answer" is allowed if it is right for one of the questions.

    It is too if the model was tuned with such questions.

    Args:
        asking: The pipeline; its parameter `handle_impossible_answer` decides, if it is given.
        items: Questions with their right answers.
        options: Whether the threshold of "no answer" is chosen by these questions; it is only if
            some of them have an answer and some have none.
    """
    wanted = [tuple(answer.text for answer in item.answers) for item in items]
    answers = asking(
        items,
        [{"question": item.question, "context": item.context} for item in items],
        top_k=1,
        handle_impossible_answer=False,
        return_null_score=True,
    )
    spans = _Spans.read(answers)
    threshold = None
    tuned = options.tune_thresholds and any(wanted) and not all(wanted)
    allowed = asking.pipeline.parameters.handle_impossible_answer or not all(wanted)
    if asking.parameters.get("handle_impossible_answer", allowed):
        threshold = _threshold(asking, spans, wanted, tuned=tuned)
    told, sure = spans.told(threshold)
    pairs = list(zip(told, wanted, strict=True))
    right = np.array([exact_match(*pair) > 0 for pair in pairs])
    bins, error = calibrated(sure, right)
    same = len(set(told)) == 1 < len(set(wanted))
    summary = EvaluationSummary(
        items=len(items),
        metrics=dict(score_answers(pairs)),
        headline="f1",
        baseline=dict(score_answers(("", answers) for answers in wanted)),
        baseline_name="no answer",
        calibration=bins,
        calibration_error=error,
        worst=worst_errors(
            WorstError(
                place=item.place,
                text=f"{item.question}\n{item.context}",
                wanted=" | ".join(dict.fromkeys(wanted[row])) or _NO_ANSWER,
                told=told[row] or _NO_ANSWER,
                loss=(1 - overlap_f1(*pairs[row])) * min(float(sure[row]), 1.0),
            )
            for row, item in enumerate(items)
            if not right[row]
        ),
        only_class=(told[0] or _NO_ANSWER) if same else None,
        warnings=_warnings(wanted, options, tuned=tuned and threshold is not None),
    )
    kept = threshold if tuned else None
    return Evaluation(summary=summary, predictions=tuple(told), null_threshold=kept)


_TUNED_HERE = (
    'The threshold of "no answer" was tuned on the questions that the model is judged by, so the '
    "scores are somewhat better than on others."
)


def _warnings(
    wanted: Sequence[Sequence[str]], options: JudgingOptions, *, tuned: bool
) -> list[str]:
    if tuned:
        return [_TUNED_HERE]
    if options.tune_thresholds and any(wanted) == all(wanted):
        which = "all of them have one" if all(wanted) else "none of them has one"
        return [
            'The threshold of "no answer" was not tuned: that takes questions to judge by of which '
            f"some have an answer and some have none, and {which}."
        ]
    return []


@dataclass(frozen=True)
class _Spans:
    """The best span of each question, and what no answer is given beside it."""

    texts: list[str]
    scores: Array
    null_scores: Array

    @classmethod
    def read(cls, answers: Sequence[Any]) -> "_Spans":
        # A context without any span is answered with an empty list.
        columns = [
            (answer["answer"], answer["score"], answer["null_score"]) if answer else ("", 1.0, 1.0)
            for answer in answers
        ]
        texts, scores, null_scores = zip(*columns, strict=True)
        return cls(list(texts), np.array(scores, np.float64), np.array(null_scores, np.float64))

    def told(self, threshold: float | None) -> tuple[list[str], Array]:
        """Return answers and their scores, as the pipeline gives them with a threshold."""
        if threshold is None:
            return self.texts, self.scores
        none = self.null_scores * null_factor(threshold) > self.scores
        texts = ["" if empty else text for text, empty in zip(self.texts, none, strict=True)]
        return texts, np.where(none, self.null_scores, self.scores)

    def differences(self) -> Array:
        """Return the logarithms of no answer less those of spans; of two zeros, none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.log(self.null_scores) - np.log(self.scores)
        return np.where(np.isnan(found), 0.0, found)


def _threshold(
    asking: Asking, spans: _Spans, wanted: Sequence[Sequence[str]], *, tuned: bool
) -> float:
    if tuned:
        of_spans = [overlap_f1(*pair) for pair in zip(spans.texts, wanted, strict=True)]
        of_none = [overlap_f1("", right) for right in wanted]
        return best_null_threshold(spans.differences(), np.array(of_spans), np.array(of_none))
    given = asking.parameters.get("null_score_diff_threshold")
    return stored_null_threshold(asking.pipeline.config) if given is None else given
