"""Curves of a run as a matplotlib figure, for papers and notebooks. Reports draw their own."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mobilebert.errors import InputError
from mobilebert.extras import require
from mobilebert.reports.charts import Line
from mobilebert.reports.pretraining import PretrainingReport, stage_curves
from mobilebert.reports.report import Report
from mobilebert.reports.wording import Scale, metric_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_pretraining", "plot_report"]

# Inches of a panel.
_PANEL = (5.0, 3.5)
# Weight of the newest loss in the running mean: some fifty steps, as batches of 16 are noisy.
_NEWEST = 0.04


def plot_report(report: Report) -> "Figure":
    """Draw the loss of training and the metric it is judged by, over the steps.

    Args:
        report: Of a run with at least one step; as in ``FinetuneResult.report``.

    Returns:
        A figure of two panels, or of one where nothing was judged on the way. It belongs to no
        window: show it in a notebook, or ``figure.savefig("curves.pdf")``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: The report has no steps.
    """
    history = report.history
    if not history.steps:
        raise InputError("This report has no steps to draw: its model was judged, not trained.")
    evaluation = report.evaluation
    judged = history.evaluations if evaluation is not None else []
    figure, (axes,) = _panels(1, 2 if judged else 1)
    steps = [entry.step for entry in history.steps]
    losses = [entry.loss for entry in history.steps]
    axes[0].plot(steps, losses, color="0.8", linewidth=0.8, label="of a step")
    axes[0].plot(steps, _running_mean(losses), label="running mean")
    _finish(axes[0], "loss of training data", [event.step for event in history.events])
    if evaluation is not None and judged:
        words = metric_words(evaluation.headline, report.task)
        scale = 100.0 if words.scale is Scale.FRACTION else 1.0
        values = [scale * entry.metrics.get(evaluation.headline, math.nan) for entry in judged]
        axes[1].plot([entry.step for entry in judged], values, marker="o", label="dev data")
        baseline = evaluation.baseline.get(evaluation.headline)
        if baseline is not None and math.isfinite(baseline):
            axes[1].axhline(
                scale * baseline, linestyle="--", color="0.5", label=evaluation.baseline_name
            )
        in_percent = words.scale in (Scale.FRACTION, Scale.PERCENT)
        _finish(axes[1], f"{words.title} (%)" if in_percent else words.title, [])
    return figure


def plot_pretraining(report: PretrainingReport) -> "Figure":
    """Draw the losses of each stage and what it finds in held-out text, over the steps.

    Args:
        report: As in ``PretrainResult.report``.

    Returns:
        A figure with a row of panels for each stage that has curves: its losses, and beside them
        the share of masked words found, where that was judged.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: No stage has curves.
    """
    curves = {stage: stage_curves(report, stage) for stage in report.stages}
    drawn = {stage: pair for stage, pair in curves.items() if any(pair)}
    if not drawn:
        raise InputError("This report has no curves to draw.")
    judged = any(held_out for _, held_out in drawn.values())
    figure, rows = _panels(len(drawn), 2 if judged else 1)
    for axes, (stage, (losses, held_out)) in zip(rows, drawn.items(), strict=True):
        marks = [
            int(entry["step"])
            for entry in report.history
            if entry["stage"] == stage and "event" in entry
        ]
        _draw(axes[0], losses, f"losses of {stage}", marks)
        if held_out:
            _draw(axes[1], held_out, "held-out text (%)", [], scale=100.0)
        elif judged:
            axes[1].set_axis_off()
    return figure


def _panels(rows: int, columns: int) -> tuple["Figure", Any]:
    """Make a figure of panels, [rows, columns]."""
    figures = require("matplotlib.figure", "plot", "Drawing curves")
    size = (columns * _PANEL[0], rows * _PANEL[1])
    figure: Figure = figures.Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def _draw(
    axis: Any, lines: Sequence[Line], title: str, marks: Sequence[int], *, scale: float = 1.0
) -> None:
    for line in lines:
        steps, values = zip(*line.points, strict=True)
        axis.plot(steps, [scale * value for value in values], label=line.name)
    _finish(axis, title, marks)


def _finish(axis: Any, title: str, marks: Sequence[int]) -> None:
    for step in marks:
        axis.axvline(step, color="0.6", linewidth=0.6)
    axis.set_xlabel("step")
    axis.set_ylabel(title)
    axis.legend(frameon=False)


def _running_mean(values: Sequence[float]) -> list[float]:
    """Smooth numbers; those that are not finite leave a gap."""
    mean, means = math.nan, list[float]()
    for value in values:
        if math.isfinite(value):
            mean = value if math.isnan(mean) else mean + _NEWEST * (value - mean)
        means.append(mean if math.isfinite(value) else math.nan)
    return means
