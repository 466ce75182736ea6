"""Curves as a matplotlib figure."""

import dataclasses
import sys

import pytest

from mobilebert.errors import InputError, MissingExtraError
from mobilebert.reports.plotting import plot_report
from mobilebert.reports.report import History
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
