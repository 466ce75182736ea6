"""The report of a model that was pre-trained or distilled: its numbers, its page and its card."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mobilebert.files import make_directory, write_atomic
from mobilebert.reports import markdown
from mobilebert.reports.card_file import WrittenCard, write_card_text
from mobilebert.reports.charts import Line, line_chart
from mobilebert.reports.front_matter import front_matter
from mobilebert.reports.markdown import plain
from mobilebert.reports.markup import Markup, clean, tag
from mobilebert.reports.page import page, section, table
from mobilebert.reports.report import ModelSummary
from mobilebert.reports.storage import to_plain
from mobilebert.reports.wording import MISSING, duration, number, percent, setting_text
from mobilebert.reports.writing import JSON_NAME, PAGE_NAME, WrittenReport

__all__ = [
    "PretrainingReport",
    "SourceRow",
    "stage_curves",
    "write_pretraining_card",
    "write_pretraining_report",
]

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class SourceRow:
    """How the model does on a source of text it has not seen.

    Attributes:
        name: The source.
        words: Masked words.
        metrics: By name.
    """

    name: str
    words: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class PretrainingReport:
    """What came of pre-training or distillation.

    Attributes:
        model: The model.
        teacher: Name of the teacher; None without one.
        strategy: How knowledge was transferred; None without a teacher, and where its hidden
            states were learned beside words.
        pairs: Whether sequences were pairs, of which it was learned whether one follows the other.
        stages: Names of the stages, in order.
        data: What was read: sequences, tokens, ...
        settings: All settings.
        history: Entries of losses, evaluations and events, each with its stage.
        metrics: On all held-out text; empty if there was none.
        sources: On each source of it.
        machine: Where it was made.
        versions: Of what made it.
        seconds: How long the steps took.
        date: When it was finished.
    """

    model: ModelSummary
    teacher: str | None = None
    strategy: str | None = None
    pairs: bool = True
    stages: Sequence[str] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    sources: Sequence[SourceRow] = ()
    machine: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    date: str = ""


# Metric -> title, and whether it is a share.
_METRICS: dict[str, tuple[str, bool]] = {
    "masked_lm_accuracy": ("masked words found", True),
    "masked_lm_loss": ("loss of a masked word", False),
    "next_sentence_accuracy": ("pairs told right", True),
    "next_sentence_loss": ("loss of a pair", False),
}


def write_pretraining_report(
    report: PretrainingReport, directory: str | os.PathLike[str]
) -> WrittenReport:
    """Write report.html and report.json.

    Args:
        report: What they say.
        directory: Where to.

    Raises:
        CheckpointError: A file cannot be written.
    """
    folder = make_directory(directory)
    numbers, shown = folder / JSON_NAME, folder / PAGE_NAME
    content = {"kind": "pretraining", "schema": SCHEMA, **to_plain(report)}
    write_atomic(shown, _page(report))
    # Last: a directory that has it is finished.
    write_atomic(numbers, json.dumps(content, indent=1, allow_nan=False) + "\n")
    return WrittenReport(shown, numbers)


def write_pretraining_card(
    report: PretrainingReport, directory: str | os.PathLike[str]
) -> WrittenCard:
    """Write the model card, as `card_file.write_card` does for tuned models.

    Raises:
        CheckpointError: It cannot be written.
    """
    metadata = front_matter(
        {
            "library_name": "mobilebert",
            "pipeline_tag": "fill-mask",
            "tags": ["mobilebert", "fill-mask"],
        }
    )
    return write_card_text(metadata, _card(report), directory)


def _told(name: str, metrics: Mapping[str, float]) -> str:
    """Write a metric; a source of short texts has no pairs to judge."""
    if name not in metrics:
        return MISSING
    return percent(metrics[name]) if _METRICS[name][1] else number(metrics[name])


def _made(report: PretrainingReport) -> str:
    if report.strategy is not None:
        return f"Distilled from {report.teacher} ({report.strategy})."
    learned = ["masked words"]
    if report.pairs:
        learned.append("next sentences")
    if report.teacher is not None:
        learned.append(f"the hidden states of {report.teacher}")
    *first, last = learned
    return f"Pre-trained on {', '.join(first)} and {last}." if first else f"Pre-trained on {last}."


def _card(report: PretrainingReport) -> str:
    model = report.model
    name, quoted = plain(model.name), json.dumps(clean(model.name), ensure_ascii=False)
    lines = [
        f"# {name}",
        "",
        f"A MobileBERT of {model.parameters:,} parameters. {plain(_made(report))}",
        "",
        "```python",
        "from mobilebert import pipeline",
        "",
        f'print(pipeline("fill-mask", {quoted})("She opened the [MASK]."))',
        "```",
        "",
    ]
    if report.metrics:
        rows = [
            [plain(row.name), f"{row.words:,}", *(_told(n, row.metrics) for n in report.metrics)]
            for row in _rows(report)
        ]
        titles = ["held-out text of", "masked words", *(_METRICS[n][0] for n in report.metrics)]
        lines += ["## How good it is", "", *markdown.table(titles, rows)]
    facts = [[plain(key), plain(str(value))] for key, value in report.data.items()]
    lines += ["## What it read", "", *markdown.table(["what", "how much"], facts)]
    settings = [[plain(key), plain(setting_text(value))] for key, value in report.settings.items()]
    lines += ["## Settings", "", *markdown.table(["setting", "value"], settings)]
    lines.append(f"Trained in {duration(report.seconds)}; the curves are in report.html.")
    return "\n".join(lines) + "\n"


def _rows(report: PretrainingReport) -> list[SourceRow]:
    total = SourceRow(
        name="all", words=sum(row.words for row in report.sources), metrics=report.metrics
    )
    return [*report.sources, total]


def _page(report: PretrainingReport) -> str:
    return page(
        report.model.name,
        tag("h1", report.model.name),
        tag("p", _made(report)),
        _held_out(report),
        section("Curves", *(_curves(report, stage) for stage in report.stages)),
        _facts("What was read", report.data),
        _facts("Settings", {name: setting_text(x) for name, x in report.settings.items()}),
        _facts("Made with", {**report.machine, **report.versions, "date": report.date}),
    )


def _held_out(report: PretrainingReport) -> Markup | None:
    if not report.metrics:
        return None
    head = [("text of", "text"), ("masked words", "number")]
    head += [(_METRICS[name][0], "number") for name in report.metrics]
    rows = [
        [row.name, f"{row.words:,}", *(_told(n, row.metrics) for n in report.metrics)]
        for row in _rows(report)
    ]
    return section("Text it has not seen", table(head, rows))


def _facts(title: str, facts: Mapping[str, Any]) -> Markup | None:
    rows = [[name, str(value)] for name, value in facts.items()]
    return section(title, table([("what", "text"), ("", "text")], rows))


def stage_curves(report: PretrainingReport, stage: str) -> tuple[list[Line], list[Line]]:
    """Return the curves of a stage that have points.

    Args:
        report: The report.
        stage: Name of the stage.

    Returns:
        Of the loss and its parts; of held-out text, as shares.
    """
    entries = [entry for entry in report.history if entry["stage"] == stage]
    parts = sorted({name for entry in entries for name in entry.get("parts", {})})
    losses = [Line("loss", _points(entries, lambda entry: entry.get("loss")))]
    losses += [
        Line(name, _points(entries, lambda entry, n=name: entry.get("parts", {}).get(n)))
        for name in parts
    ]
    found = _points(entries, lambda entry: entry.get("metrics", {}).get("masked_lm_accuracy"))
    held_out = [Line(_METRICS["masked_lm_accuracy"][0], found)]
    return [x for x in losses if x.points], [x for x in held_out if x.points]


def _curves(report: PretrainingReport, stage: str) -> Markup | None:
    losses, held_out = stage_curves(report, stage)
    charts = []
    if losses:
        charts.append(_chart(f"loss-{stage}", f"Losses of {stage}", losses, in_percent=False))
    if held_out:
        title = f"Held-out text, {stage}"
        charts.append(_chart(f"found-{stage}", title, held_out, in_percent=True))
    return Markup("".join(charts)) if charts else None


def _chart(name: str, title: str, lines: Sequence[Line], *, in_percent: bool) -> Markup:
    identifier = "".join(letter if letter.isalnum() else "-" for letter in name)
    return tag("div", tag("h3", title), line_chart(identifier, title, lines, in_percent=in_percent))


def _points(entries: Sequence[Mapping[str, Any]], read: Any) -> list[tuple[float, float]]:
    found = ((float(entry["step"]), read(entry)) for entry in entries)
    return [(step, float(value)) for step, value in found if value is not None]
