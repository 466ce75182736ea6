"""The charts of a report: lines, bars and calibration. The confusion matrix is in heat_map.py."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mobilebert.reports.markup import Child, Markup, tag
from mobilebert.reports.report import CalibrationBin, LengthBin
from mobilebert.reports.svg import Axis, Plot, axis_over, drawing, label, legend
from mobilebert.reports.wording import counted, number, percent, tick

__all__ = ["Line", "calibration_chart", "length_chart", "line_chart"]

# More points than pixels show nothing: neighbours become their mean, and a band from their
# smallest to their largest.
MOST_POINTS = 200

SERIES = 6  # colours that the style sheet has


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        name: What it is.
        points: Pairs of numbers, rising in the first; one that is not finite is a gap.
        limit: Whether it is something to compare with, drawn dashed.
    """

    name: str
    points: Sequence[tuple[float, float]]
    limit: bool = False


def line_chart(
    name: str,
    title: str,
    lines: Sequence[Line],
    *,
    x_title: str = "step",
    y_title: str = "",
    in_percent: bool = False,
    marks: Sequence[tuple[float, str]] = (),
) -> Markup:
    """Draw lines over steps.

    Args:
        name: Identifier of the drawing.
        title: What it shows.
        lines: The lines; at least one.
        x_title: What the numbers to the right are.
        y_title: What the numbers upwards are.
        in_percent: Whether numbers from 0 to 1 are written in percent.
        marks: Steps with a vertical line, and what happened there.
    """
    points = [point for line in lines for point in line.points]
    across = [x for x, _ in points if math.isfinite(x)]
    x_axis = axis_over(across)
    if len(set(across)) > 1:
        x_axis = x_axis.within(min(across), max(across))
    plot = Plot(x_axis, axis_over([y for _, y in points]))
    parts: list[Child] = [
        plot.axes(x_title, y_title, y_text=(lambda y: f"{100 * y:.3g} %") if in_percent else tick)
    ]
    entries = []
    for place, line in enumerate(lines):
        colour = "limit" if line.limit else f"series-{place % SERIES}"
        parts.append(_line(plot, line, colour))
        entries.append((colour, line.name))
    parts += [_mark(plot, x, text) for x, text in marks]
    if len(lines) > 1:
        parts.append(legend(entries, plot.width - plot.right, 14))
    shown = percent if in_percent else number
    described = " ".join(_described(line, shown) for line in lines)
    return drawing(name, title, described, plot.width, plot.height, parts)


def _described(line: Line, shown: Callable[[float | None], str]) -> str:
    finite = [(x, y) for x, y in line.points if math.isfinite(y)]
    if not finite:
        return f"{line.name}: no numbers."
    lost = len(line.points) - len(finite)
    gaps = f" {counted(lost, 'point')} not finite." if lost else ""
    if len(finite) == 1 or line.limit:
        return f"{line.name}: {shown(finite[0][1])}.{gaps}"
    (first_x, first), (last_x, last) = finite[0], finite[-1]
    least, most = min(y for _, y in finite), max(y for _, y in finite)
    return (
        f"{line.name}: {shown(first)} at {number(first_x)}, {shown(last)} at {number(last_x)}; "
        f"least {shown(least)}, most {shown(most)}.{gaps}"
    )


def _line(plot: Plot, line: Line, colour: str) -> Markup:
    runs = [run for run in _runs(line.points) if run]
    parts: list[Child] = []
    for run in runs:
        thinned = _thinned(run)
        if len(thinned) < len(run):
            edge = [plot.place(x, most) for x, _, _, most in thinned]
            edge += [plot.place(x, least) for x, _, least, _ in reversed(thinned)]
            parts.append(tag("polygon", points=_path(edge), class_=f"band {colour}"))
        places = [plot.place(x, mean) for x, mean, _, _ in thinned]
        if len(places) > 1:
            parts.append(tag("polyline", points=_path(places), class_=f"line {colour}"))
        if len(thinned) <= MOST_POINTS // 4 and not line.limit:
            parts += [tag("circle", cx=x, cy=y, r=2.5, class_=colour) for x, y in places]
    return tag("g", parts)


def _runs(points: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Split points where one is not finite."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if math.isfinite(x) and math.isfinite(y):
            runs[-1].append((x, y))
        else:
            runs.append([])
    return runs


def _thinned(run: Sequence[tuple[float, float]]) -> list[tuple[float, float, float, float]]:
    """Return x, mean, least and most of neighbouring points."""
    size = max(1, math.ceil(len(run) / MOST_POINTS))
    found = []
    for start in range(0, len(run), size):
        part = run[start : start + size]
        heights = [y for _, y in part]
        middle = sum(x for x, _ in part) / len(part)
        mean = math.fsum(heights) / len(part)
        found.append((middle, mean, min(heights), max(heights)))
    return found


def _path(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _mark(plot: Plot, x: float, text: str) -> Markup:
    across, top = plot.place(min(max(x, plot.x.least), plot.x.most), plot.y.most)
    _, bottom = plot.place(x, plot.y.least)
    line = tag("line", tag("title", text), x1=across, y1=top, x2=across, y2=bottom, class_="mark")
    return tag("g", line)


def length_chart(name: str, title: str, bins: Sequence[LengthBin], limit: int | None) -> Markup:
    """Draw how many items have which length.

    Args:
        name: Identifier of the drawing.
        title: What it shows.
        bins: At least one, in order.
        limit: Longest input of the model, marked where it lies among them.
    """
    # The last bin may have all that is much longer.
    widest = bins[0].most + 1 - bins[0].least
    least, end = float(bins[0].least), float(min(bins[-1].most + 1, bins[-1].least + widest))
    x_axis = axis_over([least, end]).within(least, end)
    plot = Plot(x_axis, axis_over([one.count for one in bins], zero=True), height=220.0)
    parts: list[Child] = [plot.axes("tokens", "items")]
    for one in bins:
        left, top = plot.place(one.least, one.count)
        right, bottom = plot.place(min(one.most + 1, end), 0)
        span = str(one.least) if one.least == one.most else f"{one.least} to {one.most}"
        text = tag("title", f"{span} tokens: {counted(one.count, 'item')}")
        width = max(right - left - 1, 0.5)
        parts.append(
            tag("rect", text, x=left, y=top, width=width, height=bottom - top, class_="series-0")
        )
    if limit is not None and bins[0].least <= limit < end:
        parts.append(_mark(plot, limit + 1, f"longest input: {limit} tokens"))
    total = sum(one.count for one in bins)
    described = (
        f"{counted(total, 'item')} of {bins[0].least:,} to {bins[-1].most:,} tokens; half of them "
        f"have at most {_middle(bins):,}."
    )
    return drawing(name, title, described, plot.width, plot.height, parts)


def _middle(bins: Sequence[LengthBin]) -> int:
    """Return the end of the bin in which the middle item lies."""
    total, seen = sum(one.count for one in bins), 0
    for one in bins:
        seen += one.count
        if 2 * seen >= total:
            return one.most
    return bins[-1].most


def calibration_chart(name: str, title: str, bins: Sequence[CalibrationBin]) -> Markup:
    """Draw how often answers are right against how sure the model was (reliability diagram).

    Args:
        name: Identifier of the drawing.
        title: What it shows.
        bins: In order; those without answers are left out.
    """
    unit = Axis(0.0, 1.0, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
    plot = Plot(unit, unit, width=360.0, height=340.0)
    parts: list[Child] = [
        plot.axes("probability of the answer", "share that is right", _percent_tick, _percent_tick)
    ]
    most = max((one.count for one in bins), default=0)
    for one in bins:
        if not one.count or not math.isfinite(one.accuracy):
            continue
        left, top = plot.place(one.least, one.accuracy)
        right, bottom = plot.place(one.most, 0.0)
        text = (
            f"{percent(one.least)} to {percent(one.most)}: {counted(one.count, 'answer')}, mean "
            f"probability {percent(one.confidence)}, right {percent(one.accuracy)}"
        )
        # Few answers say little: the bar is paler.
        opacity = 0.35 + 0.65 * math.sqrt(one.count / most)
        parts.append(
            tag(
                "rect",
                tag("title", text),
                x=left + 1,
                y=top,
                width=right - left - 2,
                height=bottom - top,
                opacity=opacity,
                class_="series-0",
            )
        )
    (x1, y1), (x2, y2) = plot.place(0, 0), plot.place(1, 1)
    parts.append(tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="line limit"))
    x, y = plot.place(0.62, 0.66)
    parts.append(label("as sure as right", x, y, class_="end"))
    full = [one for one in bins if one.count]
    described = " ".join(
        f"Probability {percent(one.confidence)}: {percent(one.accuracy)} right of "
        f"{counted(one.count, 'answer')}."
        for one in full
    )
    return drawing(name, title, described or "No answers.", plot.width, plot.height, parts)


def _percent_tick(share: float) -> str:
    """Return a share of 1 as a round percentage."""
    return f"{100 * share:.0f} %"
