"""What a report has to say first: everything that makes its numbers worth less than they look."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mobilebert.reports.report import EvaluationSummary, Report
from mobilebert.reports.wording import counted, metric_value, metric_words

__all__ = ["Finding", "findings"]

LONG_TEXT = {
    "truncate": "what lies behind is not seen",
    "head_tail": "their middle is not seen",
    "window": "they are read in windows",
    "blocks": "they are cut into blocks",
}


# What is told of dev items that share more with the training data than they should: what they are,
# and of one and of several what stands there.
_LEAKED_TEXT = ("text", "stands", "stand")
_LEAKED = {
    "question-answering": ("question", "has a context that stands", "have contexts that stand"),
}


@dataclass(frozen=True)
class Finding:
    """Something to know before the numbers.

    Attributes:
        serious: Whether the model should not be used before it is understood.
        sentence: What it is, and what to do.
        detail: Places in files and the like, for those who have them.
    """

    serious: bool
    sentence: str
    detail: str = ""


def findings(report: Report) -> list[Finding]:
    """Return what has to be said first, serious things before others."""
    found = [finding for find in _KINDS for finding in find(report)]
    return sorted(found, key=lambda finding: not finding.serious)


def _gave_up(report: Report) -> Iterator[Finding]:
    for event in report.history.events:
        if event.kind == "gave up":
            best = report.history.best_step
            of_step = "" if best is None else f", of step {best:,}"
            yield Finding(
                True,
                f"Training was given up{f' ({event.reason})' if event.reason else ''}: the model "
                f"has the weights that were judged best until then{of_step}. Look at the data, or "
                "begin anew with a smaller learning rate.",
            )


def _one_class(report: Report) -> Iterator[Finding]:
    evaluation = report.evaluation
    if evaluation and evaluation.only_class is not None:
        yield Finding(
            True,
            f"The model predicts one class only, {evaluation.only_class!r}: it has learned nothing "
            "but which class is frequent. Train longer, try another learning rate, or balance the "
            "classes.",
        )


def _baseline(report: Report) -> Iterator[Finding]:
    evaluation = report.evaluation
    if not evaluation or evaluation.headline not in evaluation.metrics:
        return
    name, value = evaluation.headline, evaluation.metrics[evaluation.headline]
    words, baseline = metric_words(name, report.task), evaluation.baseline.get(name, math.nan)
    shown = metric_value(name, value, report.task)
    if math.isnan(value):
        yield Finding(True, f"The {words.title} of this model is not a number.")
    elif not math.isnan(baseline) and not _is_better(value, baseline, words.higher_is_better):
        yield Finding(
            True,
            f"The model is not better than {_does_nothing(evaluation)}: {words.title} {shown} "
            f"against {metric_value(name, baseline, report.task)}.",
        )


def _is_better(value: float, baseline: float, higher: bool) -> bool:
    return value > baseline if higher else value < baseline


def _does_nothing(evaluation: EvaluationSummary) -> str:
    return f"the baseline ({evaluation.baseline_name})"


def _not_finite(report: Report) -> Iterator[Finding]:
    lost = [entry.step for entry in report.history.steps if not math.isfinite(entry.loss)]
    if lost:
        yield Finding(
            True, f"The loss was not finite at {counted(len(lost), 'entry', 'entries')}, first at "
            f"step {lost[0]:,}."
        )  # fmt: skip


def _leaks(report: Report) -> Iterator[Finding]:
    data = report.data
    if data.leaks:
        share = f" of {data.dev_items:,}" if data.dev_items else ""
        what, one, several = _LEAKED.get(report.task, _LEAKED_TEXT)
        yield Finding(
            True,
            f"{counted(data.leaks, what)}{share} in the dev data "
            f"{one if data.leaks == 1 else several} in the training data as well: the "
            "metrics are too good.",
            f"{'; '.join(data.leak_examples[:3])}." if data.leak_examples else "",
        )


def _returns(report: Report) -> Iterator[Finding]:
    for event in report.history.events:
        if event.kind == "went back":
            yield Finding(
                False,
                "Training diverged and went back to the last good state"
                f"{f' ({event.reason})' if event.reason else ''}; it continued from step "
                f"{event.step:,} with a smaller learning rate.",
            )


def _skipped(report: Report) -> Iterator[Finding]:
    skipped = [problem for problem in report.data.problems if problem.skipped and problem.count]
    if skipped:
        kinds = ", ".join(f"{problem.kind}: {problem.count:,}" for problem in skipped)
        total = sum(problem.count for problem in skipped)
        yield Finding(False, f"{counted(total, 'row')} left out ({kinds}).")


def _long_texts(report: Report) -> Iterator[Finding]:
    data = report.data
    if data.long_items:
        share = f" ({100 * data.long_items / data.train_items:.1f} %)" if data.train_items else ""
        limit = f" of {data.token_limit:,} tokens" if data.token_limit else ""
        what = LONG_TEXT.get(data.long_text, data.long_text or "they are cut")
        longer = "is longer" if data.long_items == 1 else "are longer"
        yield Finding(
            False,
            f"{counted(data.long_items, 'text')}{share} {longer} than the limit{limit}; {what}.",
        )


def _told(report: Report) -> Iterator[Finding]:
    for sentence in report.evaluation.warnings if report.evaluation else ():
        yield Finding(False, sentence)


_KINDS: tuple[Callable[[Report], Iterator[Finding]], ...] = (
    _gave_up,
    _one_class,
    _baseline,
    _not_finite,
    _leaks,
    _returns,
    _skipped,
    _long_texts,
    _told,
)
