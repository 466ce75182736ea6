"""Curves as a matplotlib figure."""

import dataclasses
import sys

import pytest

from mobilebert.errors import InputError, MissingExtraError
from mobilebert.reports.plotting import plot_pretraining, plot_report
from mobilebert.reports.pretraining import PretrainingReport
from mobilebert.reports.report import History, ModelSummary
from reports.example_report import example_report


def lines(axis):
    return {line.get_label(): line for line in axis.lines}


def test_losses_and_the_metric_stand_beside_each_other(tmp_path):
    report = example_report()
    figure = plot_report(report)
    losses, metric = figure.axes
    drawn = lines(losses)
    assert list(drawn["of a step"].get_xdata()) == [x.step for x in report.history.steps]
    assert list(drawn["of a step"].get_ydata()) == [x.loss for x in report.history.steps]
    name = report.evaluation.headline
    judged = [100 * x.metrics[name] for x in report.history.evaluations]
    assert list(lines(metric)["dev data"].get_ydata()) == judged
    baseline = 100 * report.evaluation.baseline[name]
    assert set(lines(metric)[report.evaluation.baseline_name].get_ydata()) == {baseline}
    assert metric.get_ylabel().endswith("(%)")
    figure.savefig(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_lost_steps_are_gaps():
    report = example_report()
    report.history.steps[3].loss = float("nan")
    mean = lines(plot_report(report).axes[0])["running mean"].get_ydata()
    assert [place for place, value in enumerate(mean) if value != value] == [3]


def test_without_evaluations_there_is_one_panel():
    report = example_report()
    report.history.evaluations.clear()
    assert len(plot_report(report).axes) == 1


def test_a_model_that_was_only_judged_has_no_curves():
    report = dataclasses.replace(example_report(), history=History())
    with pytest.raises(InputError, match="no steps"):
        plot_report(report)


def test_without_matplotlib_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"matplotlib.*mobilebert\[plot\]"):
        plot_report(example_report())


MODEL = ModelSummary(name="m")
STAGES = [
    {"stage": "layer-00", "step": 1, "loss": 3.0, "parts": {"map": 2.0, "attention": 1.0}},
    {"stage": "layer-00", "step": 1, "event": "went back"},
    {"stage": "layer-00", "step": 2, "loss": 2.5, "parts": {"map": 2.0, "attention": 0.5}},
    {"stage": "words", "step": 1, "loss": 9.0},
    {"stage": "words", "step": 2, "loss": 8.0},
    {"stage": "words", "step": 2, "metrics": {"masked_lm_accuracy": 0.25}},
]


def test_each_stage_has_a_row_of_panels():
    report = PretrainingReport(model=MODEL, stages=["layer-00", "nothing", "words"], history=STAGES)
    first, empty, second, found = plot_pretraining(report).axes
    assert {
        name: list(line.get_ydata()) for name, line in lines(first).items() if name[0] != "_"
    } == {
        "loss": [3.0, 2.5],
        "attention": [1.0, 0.5],
        "map": [2.0, 2.0],
    }
    assert [list(line.get_xdata()) for name, line in lines(first).items() if name[0] == "_"] == [
        [1, 1]
    ]
    assert first.get_ylabel() == "losses of layer-00"
    assert not empty.axison
    assert list(lines(second)["loss"].get_ydata()) == [9.0, 8.0]
    assert list(lines(found)["masked words found"].get_ydata()) == [25.0]
    unjudged = PretrainingReport(model=MODEL, stages=["layer-00"], history=STAGES)
    assert len(plot_pretraining(unjudged).axes) == 1


def test_a_report_of_pretraining_without_steps_has_no_curves():
    with pytest.raises(InputError, match="no curves"):
        plot_pretraining(PretrainingReport(model=MODEL, stages=["words"]))
