"""Judging answers to questions, by the official metric of SQuAD."""

from collections.abc import Sequence

import numpy as np

from mobilebert.datasets.items import QuestionItem
from mobilebert.metrics import exact_match, overlap_f1, score_answers
from mobilebert.reports.report import EvaluationSummary, WorstError
from mobilebert.training.answering import Asking
from mobilebert.training.evaluation_results import (
    Evaluation,
    JudgingOptions,
    calibrated,
    worst_errors,
)

__all__ = ["judge_answers"]

_NO_ANSWER = "no answer"


def judge_answers(
    asking: Asking, items: Sequence[QuestionItem], options: JudgingOptions
) -> Evaluation:
    """Judge answers. "No answer" is allowed if it is right for one of the questions.

    Args:
        asking: The pipeline; its parameter `handle_impossible_answer` decides, if it is given.
        items: Questions with their right answers.
        options: Not used.
    """
    wanted = [tuple(answer.text for answer in item.answers) for item in items]
    impossible = asking.parameters.get("handle_impossible_answer", not all(wanted))
    answers = asking(
        items,
        [{"question": item.question, "context": item.context} for item in items],
        top_k=1,
        handle_impossible_answer=impossible,
    )
    told = [answer["answer"] if answer else "" for answer in answers]
    sure = np.array([answer["score"] if answer else 1.0 for answer in answers], np.float64)
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
    )
    return Evaluation(summary=summary, predictions=tuple(told))
