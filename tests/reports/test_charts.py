"""Charts: well-formed, described, inside their frame, and readable from 2 classes to 100."""

import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, strategies as st

from mobilebert.reports.charts import Line, calibration_chart, length_chart, line_chart
from mobilebert.reports.heat_map import confusion_chart, most_confused, with_fewer_classes
from mobilebert.reports.report import CalibrationBin, Confusion, LengthBin
from mobilebert.reports.svg import Axis, axis_over, label, text_width, ticks_between
from reports.example_report import HOSTILE

SVG = "{http://www.w3.org/2000/svg}"


def parsed(chart):
    return ET.fromstring(chart)


def places(chart, name):
    """Pairs of numbers in the points of elements of this name."""
    return [
        tuple(map(float, pair.split(",")))
        for element in parsed(chart).iter(SVG + name)
        for pair in element.get("points").split()
    ]


def confusion_of(classes, name="class {}"):
    counts = [[90 if i == j else (i * j) % 3 for j in range(classes)] for i in range(classes)]
    return Confusion(labels=[name.format(i) for i in range(classes)], counts=counts)


@given(
    st.floats(-1e12, 1e12),
    st.floats(1e-9, 1e9),
)
def test_ticks_are_round_and_reach_both_ends(least, span):
    most = least + span
    if most - least < 1e-6 * abs(least):
        return
    ticks = ticks_between(least, most)
    step = ticks[1] - ticks[0]
    assert 2 <= len(ticks) <= 8
    assert ticks[0] <= least + 1e-3 * step
    assert ticks[-1] >= most - 1e-3 * step
    mantissa = float(f"{step:e}".split("e")[0])
    assert min(abs(mantissa - one) for one in (1, 2, 2.5, 5, 10)) < 1e-3


@given(st.lists(st.floats(), max_size=20), st.booleans())
def test_every_number_lies_on_its_axis(values, zero):
    finite = [value for value in values if abs(value) < 1e300]
    axis = axis_over(finite, zero=zero)
    for value in finite:
        assert -1e-6 <= axis.share(value) <= 1 + 1e-6
    assert axis.share(axis.most) == pytest.approx(1)
    assert axis.share(axis.least) == 0


@pytest.mark.parametrize("value", [5e-324, -5e-324, 1e-13, 0.0])
@pytest.mark.parametrize("zero", [True, False])
def test_a_number_too_small_for_ticks(value, zero):
    axis = axis_over([value, 0.0], zero=zero)
    assert axis.most - axis.least >= 0.5
    assert len(set(axis.ticks)) == len(axis.ticks) > 1


def test_losses_of_many_sizes_lie_on_a_logarithmic_axis():
    axis = axis_over([0.05, 1.0, 1e5])
    assert axis.logarithmic
    assert axis.ticks[0] == 0.01
    assert axis.share(1e5) == pytest.approx(1)
    assert not axis_over([0.05, 1.0]).logarithmic
    assert not axis_over([-0.05, 1e5]).logarithmic


def test_a_line_is_where_its_numbers_are():
    chart = line_chart("c", "loss", [Line("loss", [(0, 2.0), (50, 1.0), (100, 0.0)])])
    (x0, y0), (x1, y1), (x2, y2) = places(chart, "polyline")
    assert (x1 - x0, y1 - y0) == (pytest.approx(x2 - x1), pytest.approx(y2 - y1))
    assert x0 < x1
    assert y0 < y1  # down is larger


def test_the_twin_of_a_line():
    """Another number is another place."""
    charts = [line_chart("c", "t", [Line("l", [(0, 0), (1, y), (2, 1)])]) for y in (0.5, 0.6)]
    assert places(charts[0], "polyline") != places(charts[1], "polyline")


def test_what_is_not_finite_is_a_gap_and_said():
    points = [(i, math.nan if i == 5 else math.inf if i == 6 else 1.0 / (i + 1)) for i in range(10)]
    chart = line_chart("c", "loss", [Line("loss", points)])
    assert len(list(parsed(chart).iter(SVG + "polyline"))) == 2
    assert "nan" not in chart
    assert "2 points not finite" in chart
    nothing = line_chart("c", "loss", [Line("loss", [(1, math.nan), (2, math.inf)])])
    assert "loss: no numbers." in nothing


def test_many_points_become_means_and_a_band():
    points = [(i, float(i % 2)) for i in range(10_000)]
    chart = line_chart("c", "loss", [Line("loss", points)])
    line, band = places(chart, "polyline"), places(chart, "polygon")
    assert len(line) <= 200
    assert len({y for _, y in line}) == 1  # the mean
    assert len({y for _, y in band}) == 2  # from 0 to 1
    assert len(chart) < 20_000


@pytest.mark.parametrize("count", [1, 2])
def test_few_points_are_seen(count):
    chart = line_chart("c", "loss", [Line("loss", [(i, 0.5) for i in range(count)])])
    assert len(list(parsed(chart).iter(SVG + "circle"))) == count


@pytest.mark.parametrize("classes", [2, 3, 10, 28, 60, 100])
def test_a_confusion_matrix_is_readable(classes):
    chart = parsed(confusion_chart("c", "Confusion", confusion_of(classes)))
    _, _, width, height = map(float, chart.get("viewBox").split())
    cells = [one for one in chart.iter(SVG + "rect") if "shade" in one.get("class")]
    side = float(cells[0].get("width"))
    assert side >= 12  # as high as a line of its labels
    assert all(float(one.get("x")) + side <= width for one in cells)
    assert all(float(one.get("y")) + side <= height for one in cells)
    assert sum("right" in one.get("class") for one in cells) == classes
    texts = [one.text for one in chart.iter(SVG + "text")]
    assert texts.count(f"class {classes - 1}") == 2
    assert ("90" in texts) == (classes <= 20)  # numbers where there is room
    titles = [one.find(SVG + "title").text for one in cells]
    assert any(title.startswith("true class 0, predicted class 0: 90 (") for title in titles)


def test_shades_are_shares_of_a_row():
    rare = Confusion(labels=["often", "rare"], counts=[[1000, 0], [1, 1]])
    chart = parsed(confusion_chart("c", "Confusion", rare))
    kinds = [one.get("class") for one in chart.iter(SVG + "rect") if "shade" in one.get("class")]
    assert kinds == ["right shade-10", "wrong shade-5", "right shade-5"]


def test_more_classes_than_fit_are_taken_together():
    whole = confusion_of(250)
    shown = with_fewer_classes(whole)
    assert len(shown.labels) == len(shown.counts) == len(shown.counts[0]) == 100
    assert shown.labels[-1] == "151 others"
    assert sum(map(sum, shown.counts)) == sum(map(sum, whole.counts))
    kept = whole.labels.index(shown.labels[7])
    assert shown.counts[7][7] == whole.counts[kept][kept]
    assert with_fewer_classes(confusion_of(100)).labels == confusion_of(100).labels


def test_the_most_frequent_errors_are_named():
    found = Confusion(labels=["a", "b", "c"], counts=[[9, 1, 0], [5, 9, 0], [0, 3, 9]])
    assert most_confused(found, 2) == [("b", "a", 5), ("c", "b", 3)]
    assert "b taken for a 5 times; c taken for b 3 times" in confusion_chart("c", "t", found)


def test_calibration_is_drawn_to_scale():
    nothing = CalibrationBin(least=0.0, most=0.5, count=0, confidence=math.nan, accuracy=math.nan)
    half = CalibrationBin(least=0.5, most=1.0, count=4, confidence=0.9, accuracy=0.5)
    chart = calibration_chart("c", "Calibration", [nothing, half])
    (bar,) = parsed(chart).iter(SVG + "rect")
    (line,) = (one for one in parsed(chart).iter(SVG + "line") if "limit" in one.get("class"))
    top, bottom = float(line.get("y2")), float(line.get("y1"))
    assert float(bar.get("height")) == pytest.approx((bottom - top) / 2, abs=0.02)
    assert "Probability 90.0 %: 50.0 % right of 4 answers." in chart
    assert "nan" not in chart
    assert "No answers." in calibration_chart("c", "Calibration", [nothing])


def test_lengths_are_bars_and_the_limit_is_marked():
    bins = [LengthBin(least=1 + 8 * i, most=8 + 8 * i, count=i) for i in range(4)]
    chart = length_chart("c", "Lengths", bins, limit=16)
    bars = list(parsed(chart).iter(SVG + "rect"))
    heights = [float(bar.get("height")) for bar in bars]
    assert heights == pytest.approx([heights[3] * i / 3 for i in range(4)], abs=0.02)
    assert "6 items of 1 to 32 tokens; half of them have at most 24." in chart
    assert "longest input: 16 tokens" in chart
    assert "longest input" not in length_chart("c", "Lengths", bins, limit=512)
    one = length_chart("c", "Lengths", [LengthBin(least=5, most=5, count=1)], limit=None)
    assert "<title>5 tokens: 1 item</title>" in one


@pytest.mark.parametrize("text", HOSTILE)
def test_any_name_is_a_name(text):
    charts = [
        line_chart(
            "c", text, [Line(text, [(0, 0), (1, 1)]), Line(text, [(0, 1)])], marks=[(0, text)]
        ),
        confusion_chart("c", text, confusion_of(3, text.replace("{", "") + "{}")),
    ]
    for chart in charts:
        known = {"svg", "title", "desc", "text", "line", "rect", "polyline", "circle", "g"}
        assert {element.tag.removeprefix(SVG) for element in parsed(chart).iter()} <= known


def test_a_wide_label_is_cut_and_has_all_of_it_in_its_title():
    chart = label("위" * 100, 0, 0, most=150)
    assert "<title>" + "위" * 100 + "</title>" in chart
    shown = re.sub("<.*?>", "", chart.replace("<title>" + "위" * 100 + "</title>", ""))
    assert shown.endswith("…")
    assert 100 < text_width(shown) <= 150
    assert "title" not in label("short", 0, 0, most=150)


def test_an_axis_of_part_of_the_numbers():
    axis = Axis(0, 100, (0, 25, 50, 75, 100)).within(10, 60)
    assert (axis.least, axis.most, axis.ticks) == (10, 60, (25, 50))


def test_a_long_one_does_not_make_the_others_one_bin():
    bins = LengthBin.over([*[*range(40, 80)] * 30, 50_000])
    assert len(bins) > 15
    assert bins[-1].count == 1
    assert all(one.most - one.least < 3 for one in bins[:-1])
    chart = length_chart("c", "Lengths", bins, limit=128)
    assert "80 to 50000 tokens: 1 item" in chart
    assert "longest input" not in chart
