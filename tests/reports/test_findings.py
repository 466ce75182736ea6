"""What stands on top: each finding with a report that gives it, and one that does not."""

import math
from dataclasses import replace

import pytest

from mobilebert.reports import report as parts
from mobilebert.reports.findings import findings
from mobilebert.reports.html import report_page


def judged(metrics, baseline, task="text-classification", **more):
    headline = next(iter(metrics))
    evaluation = parts.EvaluationSummary(
        items=10, metrics=metrics, baseline=baseline, headline=headline, **more
    )
    return parts.Report(task=task, model=parts.ModelSummary(name="m"), evaluation=evaluation)


def with_data(**fields):
    report = judged({"accuracy": 0.9}, {"accuracy": 0.5})
    report.data = parts.DataSummary(train_items=200, dev_items=50, **fields)
    return report


def with_history(**fields):
    report = judged({"accuracy": 0.9}, {"accuracy": 0.5})
    report.history = parts.History(**fields)
    return report


SKIPPED = [
    parts.ProblemKind(kind="missing label", count=3),
    parts.ProblemKind(kind="duplicate", count=1, skipped=False),
]

CASES = [
    (
        judged({"accuracy": 0.9}, {"accuracy": 0.5}, only_class="good"),
        (True, "predicts one class only, 'good'"),
    ),
    (
        judged({"accuracy": 0.5}, {"accuracy": 0.5}),
        (True, "not better than the baseline (majority class): accuracy 50.0 % against 50.0 %"),
    ),
    (
        judged({"mean_squared_error": 1.5}, {"mean_squared_error": 1.2}, task="regression"),
        (True, "mean squared error 1.50 against 1.20"),
    ),
    (judged({"pearson": math.nan}, {}), (True, "The Pearson correlation of this model is not a")),
    (
        judged({"f1": 40.0}, {"f1": 50.0}, task="question-answering"),
        (True, "F1 40.0 % against 50.0 %"),
    ),
    (
        with_data(leaks=2, leak_examples=["d, line 3"]),
        (True, "2 texts of 50 in the dev data stand in the training data as well"),
    ),
    (
        replace(with_data(leaks=2), task="question-answering"),
        (True, "2 questions of 50 in the dev data have contexts that stand in the training data"),
    ),
    (with_data(problems=SKIPPED), (False, "3 rows left out (missing label: 3).")),
    (
        with_data(long_items=10, long_text="truncate", token_limit=128),
        (
            False,
            "10 texts (5.0 %) are longer than the limit of 128 tokens; what lies behind is",
        ),
    ),
    (
        with_data(long_items=1, long_text="blocks", token_limit=128),
        (False, "is longer than the limit of 128 tokens; they are cut into blocks."),
    ),
    (
        with_history(events=[parts.Event(kind="went back", step=7, reason="loss is nan")]),
        (False, "went back to the last good state (loss is nan); it continued from step 7 with"),
    ),
    (
        with_history(events=[parts.Event(kind="gave up", step=7, reason="loss is nan")]),
        (True, "was given up (loss is nan): the model has the weights that were judged best"),
    ),
    (
        with_history(steps=[parts.StepEntry(step=4, loss=math.inf)]),
        (True, "The loss was not finite at 1 entry, first at step 4."),
    ),
    (
        judged({"accuracy": 0.9}, {"accuracy": 0.5}, warnings=["Something else."]),
        (False, "Something else."),
    ),
]


@pytest.mark.parametrize(("report", "said"), CASES)
def test_it_is_said_and_nothing_else(report, said):
    (found,) = findings(report)
    assert (found.serious, said[1] in found.sentence) == (said[0], True), found.sentence


@pytest.mark.parametrize(
    "report",
    [
        judged({"accuracy": 0.9}, {"accuracy": 0.5}),
        judged({"mean_squared_error": 1.1}, {"mean_squared_error": 1.2}),
        judged({"pearson": 0.2}, {"pearson": math.nan}),
        judged({"accuracy": 0.1}, {}),
        with_data(problems=SKIPPED[1:], token_limit=128, long_text="truncate"),
        with_history(events=[parts.Event(kind="resumed", step=7)]),
        parts.Report(task="fill-mask", model=parts.ModelSummary(name="m")),
    ],
)
def test_nothing_is_said_without_need(report):
    assert findings(report) == []
    assert "finding" not in report_page(report).split("</style>")[1]


def test_serious_things_come_first_and_before_the_numbers():
    report = CASES[0][0]
    report.evaluation.warnings = ["Something else."]
    report.data = parts.DataSummary(leaks=1, leak_examples=["d, line 3 is t, line 9"])
    assert [finding.serious for finding in findings(report)] == [True, True, False]
    report.history.events = [parts.Event(kind="gave up", step=9)]
    assert "given up" in findings(report)[0].sentence
    page = report_page(report)
    assert (
        page.index("given up")
        < page.index("one class only")
        < page.index("Something else.")
        < page.index("90.0 %")
    )
    assert "d, line 3 is t, line 9." in page
