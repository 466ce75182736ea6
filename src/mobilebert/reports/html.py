"""report.html: one page that loads nothing, with everything a report has."""

import math
import re
from collections.abc import Callable, Sequence

from mobilebert.reports.charts import Line, calibration_chart, length_chart, line_chart
from mobilebert.reports.findings import LONG_TEXT, findings
from mobilebert.reports.heat_map import confusion_chart, most_confused, with_fewer_classes
from mobilebert.reports.markup import Child, Markup, joined, shortened, tag
from mobilebert.reports.page import figure, finding_boxes, isolated, page, section, table
from mobilebert.reports.report import EvaluationSummary, Report
from mobilebert.reports.wording import (
    MISSING,
    Scale,
    counted,
    duration,
    metric_value,
    metric_words,
    number,
    over_seeds,
    percent,
    setting_text,
)

__all__ = ["report_page"]

MOST_CHARACTERS = 600  # of a text that is shown
_EXAMPLES_SHOWN = 5  # rows of each problem


def report_page(report: Report) -> str:
    """Return the page of a report."""
    sections = [make(report) for make in _SECTIONS]
    return page(f"{report.model.name}: {report.task}", _heading(report), sections)


def _heading(report: Report) -> Markup:
    model, facts = report.model, []
    if model.start and model.start != model.name:
        facts.append(f"tuned from {model.start}")
    if report.history.steps:
        facts.append(f"{report.history.steps[-1].step:,} steps in {duration(report.seconds)}")
    if report.date:
        facts.append(re.sub(r"(?<=\d)T(?=\d)", " ", report.date).replace("+00:00", " UTC"))
    return joined(
        tag("h1", isolated(model.name), " · ", report.task),
        tag("p", isolated(", ".join(facts)), class_="quiet"),
        finding_boxes(findings(report)),
        _figures(report),
    )


def _figures(report: Report) -> Markup:
    evaluation, model, parts = report.evaluation, report.model, list[Markup]()
    if evaluation:
        names = [evaluation.headline, *(n for n in evaluation.metrics if n != evaluation.headline)]
        parts += [
            _metric_figure(report, evaluation, name, place == 0)
            for place, name in enumerate(name for name in names if name in evaluation.metrics)
        ]
    if model.parameters:
        size = f"{number(model.megabytes)} MB" if model.megabytes else ""
        parts.append(figure("parameters", f"{model.parameters / 1e6:.1f} M", size))
    return tag("div", parts, class_="figures")


def _metric_figure(report: Report, evaluation: EvaluationSummary, name: str, first: bool) -> Markup:
    words, task = metric_words(name, report.task), report.task
    value = metric_value(name, evaluation.metrics[name], task)
    beside = ""
    if name in evaluation.baseline:
        baseline = metric_value(name, evaluation.baseline[name], task)
        beside = f"{evaluation.baseline_name}: {baseline}"
    if report.seeds and name in report.seeds.mean:
        beside = joined(beside, tag("br") if beside else None, over_seeds(report.seeds, name, task))
    return figure(words.title, value, beside, first)


def _training(report: Report) -> Markup | None:
    history, charts = report.history, list[Child]()
    marks = [
        (float(event.step), f"{event.kind} {event.reason}".strip()) for event in history.events
    ]
    if history.steps:
        for name, title in _CURVES:
            points = [(float(one.step), getattr(one, name)) for one in history.steps]
            if any(math.isfinite(y) for _, y in points):
                line = Line(title, points)
                charts.append(
                    line_chart(f"curve-{name}", title, [line], y_title=title, marks=marks)
                )
    charts[1:1] = _metric_curves(report)
    events = table(
        (("step", "number"), ("what happened", ""), ("why", "text")),
        ((f"{event.step:,}", event.kind, event.reason) for event in history.events),
    )
    best = f"The weights are those of step {history.best_step:,}." if history.best_step else None
    return section(
        "Training",
        tag("p", best) if best else None,
        tag("div", [tag("div", chart, class_="wide") for chart in charts], class_="charts")
        if charts
        else None,
        events,
    )


_CURVES = (
    ("loss", "loss of training data"),
    ("rate", "learning rate"),
    ("tokens_per_second", "tokens per second"),
)


def _metric_curves(report: Report) -> list[Markup]:
    """Draw the metrics of evaluations on the way: shares together, each other one alone."""
    entries = report.history.evaluations
    if not entries:
        return []
    names = list(dict.fromkeys(name for entry in entries for name in entry.metrics))
    headline = report.evaluation.headline if report.evaluation else ""
    names.sort(key=lambda name: name != headline)
    lines = {
        name: Line(
            metric_words(name, report.task).title,
            [(float(one.step), one.metrics.get(name, math.nan)) for one in entries],
        )
        for name in names
    }
    shares = [n for n in names if metric_words(n, report.task).scale is Scale.FRACTION][:6]
    others = [n for n in names if n not in shares]
    baseline = report.evaluation.baseline.get(headline) if report.evaluation else None
    charts = []
    for place, group in enumerate([shares, *([name] for name in others)]):
        drawn = [lines[name] for name in group]
        if group and group[0] == headline and baseline is not None and math.isfinite(baseline):
            ends = [drawn[0].points[0][0], drawn[0].points[-1][0]]
            drawn.append(Line("baseline", [(x, baseline) for x in ends], limit=True))
        if drawn:
            title = "metrics of dev data" if group is shares else f"{drawn[0].name} of dev data"
            charts.append(
                line_chart(f"metric-{place}", title, drawn, y_title=title, in_percent=not place)
            )
    return charts


def _classes(report: Report) -> Markup | None:
    evaluation = report.evaluation
    if not evaluation:
        return None
    rows = evaluation.per_class
    thresholds = any(row.threshold is not None for row in rows)
    head = [("class", ""), ("precision", "number"), ("recall", "number"), ("F1", "number")]
    head += [("support", "number"), ("predicted", "number")]
    head += [("threshold", "number")] if thresholds else []
    lines = [
        [
            isolated(shortened(row.label, 120)),
            *(percent(score) for score in (row.precision, row.recall, row.f1)),
            *(f"{count:,}" for count in (row.support, row.predicted)),
            *([number(row.threshold)] if thresholds else []),
        ]
        for row in rows
    ]
    made = table(head, lines, "Support: how often a class is true. 0 where it does not occur.")
    return section("Classes", made)


_SHADES = "A shade is the share of its row, that is of a true class; blue is right, orange wrong."


def _confusion(report: Report) -> Markup | None:
    evaluation = report.evaluation
    if not evaluation or not evaluation.confusion or not evaluation.confusion.labels:
        return None
    whole = evaluation.confusion
    shown = with_fewer_classes(whole)
    named = len(shown.labels) - 1
    note = (
        f"The {named} most frequent of {named + shown.others:,} classes; the others are taken as "
        "one. "
        if shown.others
        else ""
    )
    pairs = table(
        (("true", ""), ("predicted", ""), ("times", "number")),
        (
            (isolated(shortened(true, 80)), isolated(shortened(told, 80)), f"{count:,}")
            for true, told, count in most_confused(whole, 10)
        ),
        "The most frequent errors",
    )
    chart = confusion_chart("confusion", "Confusion matrix", shown)
    return section(
        "Confusion",
        tag("p", f"{note}{_SHADES}", class_="quiet"),
        tag("div", tag("div", chart, class_="wide"), pairs, class_="charts"),
    )


def _calibration(report: Report) -> Markup | None:
    evaluation = report.evaluation
    if not evaluation or not any(one.count for one in evaluation.calibration):
        return None
    error = evaluation.calibration_error
    said = f"Mean distance from the diagonal: {percent(error)}. " if error is not None else ""
    said += "A bar below the line: the model is surer than it should be."
    return section(
        "Calibration",
        tag("p", said, class_="quiet"),
        calibration_chart("calibration", "Calibration", evaluation.calibration),
    )


def _worst(report: Report) -> Markup | None:
    evaluation = report.evaluation
    if not evaluation:
        return None
    rows = (
        (
            tag("span", isolated(error.place)),
            _long(error.text),
            _long(error.wanted),
            _long(error.told),
            number(error.loss),
        )
        for error in evaluation.worst
    )
    head = (("where", "place"), ("text", "text"), ("right", "short"), ("answered", "short"))
    return section(
        "Worst errors",
        table((*head, ("loss", "number")), rows, "Look here for wrong labels in the data."),
    )


def _long(text: str) -> Markup:
    if len(text) <= MOST_CHARACTERS:
        return isolated(text)
    cut = shortened(text, MOST_CHARACTERS)
    return joined(isolated(cut), tag("span", f" ({len(text):,} characters)", class_="quiet"))


def _data(report: Report) -> Markup | None:
    data, facts = report.data, list[str]()
    if data.train_items or data.dev_items:
        facts.append(
            f"{data.train_items:,} items to train on, {data.dev_items:,} to judge by. {data.split}"
        )
    if data.token_limit:
        what = LONG_TEXT.get(data.long_text, data.long_text)
        facts.append(
            f"{data.long_items:,} items are longer than {data.token_limit:,} tokens"
            f"{f': {what}' if what and data.long_items else ''}."
        )
    files = table(
        (("file", "place"), ("use", ""), ("rows", "number"), ("used", "number"), ("read", "text")),
        (
            (isolated(one.path), one.role, f"{one.rows:,}", f"{one.used:,}", "\n".join(one.facts))
            for one in data.files
        ),
    )
    problems = table(
        (("problem", ""), ("rows", "number"), ("skipped", ""), ("for example", "text")),
        (
            (one.kind, f"{one.count:,}", "yes" if one.skipped else "no", _some(one.examples))
            for one in data.problems
        ),
        "Rows with problems",
    )
    chart = None
    if data.lengths:
        chart = length_chart("lengths", "Lengths", data.lengths, data.token_limit)
    return section(
        "Data",
        [tag("p", isolated(fact)) for fact in facts],
        files,
        problems,
        tag("h3", "Lengths") if chart else None,
        tag("div", chart, class_="wide") if chart else None,
        _labels(report),
    )


def _some(examples: Sequence[str]) -> str:
    """Return the first lines, and how many more are in report.json."""
    more = len(examples) - _EXAMPLES_SHOWN
    lines = [
        *examples[:_EXAMPLES_SHOWN],
        *([f"and {more} more in report.json"] if more > 0 else []),
    ]
    return "\n".join(lines)


def _labels(report: Report) -> Markup | None:
    data = report.data
    names = list(dict.fromkeys([*data.train_labels, *data.dev_labels]))
    totals = [sum(counts.values()) for counts in (data.train_labels, data.dev_labels)]
    rows = (
        (
            isolated(shortened(name, 120)),
            *_share(data.train_labels.get(name, 0), totals[0]),
            *_share(data.dev_labels.get(name, 0), totals[1]),
        )
        for name in names
    )
    head = (("label", ""), *((title, "number") for title in ("train", "", "dev", "")))
    made = table(head, rows)
    summary = tag("summary", counted(len(names), "label"))
    return tag("details", summary, made, open="open") if made else None


def _share(count: int, total: int) -> tuple[str, str]:
    return f"{count:,}", percent(count / total) if total else MISSING


def _seeds(report: Report) -> Markup | None:
    seeds, task = report.seeds, report.task
    if not seeds or not seeds.runs:
        return None
    names = list(seeds.mean)
    head = (("seed", "number"), *((metric_words(name, task).title, "number") for name in names))
    rows: list[list[Child]] = [
        [f"{run.seed}", *(metric_value(name, run.metrics.get(name), task) for name in names)]
        for run in seeds.runs
    ]
    rows.append(["mean", *(metric_value(name, seeds.mean[name], task) for name in names)])
    deviations = (seeds.deviation.get(name) for name in names)
    rows.append(
        [
            "deviation",
            *(
                metric_value(name, value, task, deviation=True)
                for name, value in zip(names, deviations, strict=True)
            ),
        ]
    )
    return section("Seeds", table(head, rows))


def _settings(report: Report) -> Markup | None:
    return section("Settings", _pairs({k: setting_text(v) for k, v in report.settings.items()}))


def _environment(report: Report) -> Markup | None:
    model = report.model
    facts = {
        "start": model.start,
        "parameters": f"{model.parameters:,}" if model.parameters else "",
        "trained parameters": f"{model.trained_parameters:,}" if model.trained_parameters else "",
        "longest input": f"{model.maximum_tokens:,} tokens" if model.maximum_tokens else "",
        "vocabulary": counted(model.vocabulary, "token") if model.vocabulary else "",
        "license": model.license or "",
        "time": duration(report.seconds) if report.seconds else "",
    }
    whole = {**facts, **report.machine, **report.versions}
    return section("Model and environment", _pairs({k: v for k, v in whole.items() if v}))


def _pairs(values: dict[str, str]) -> Markup | None:
    rows = ((isolated(name), shortened(value, MOST_CHARACTERS)) for name, value in values.items())
    return table((("", ""), ("", "text")), rows)


_SECTIONS: tuple[Callable[[Report], Markup | None], ...] = (
    _training,
    _confusion,
    _classes,
    _calibration,
    _worst,
    _seeds,
    _data,
    _settings,
    _environment,
)
