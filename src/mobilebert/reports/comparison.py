"""Several models beside each other: how good, how fast, how large."""

import math
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mobilebert.errors import InputError
from mobilebert.files import write_atomic
from mobilebert.reports.findings import Finding, findings
from mobilebert.reports.markup import Markup, clean, shortened, tag
from mobilebert.reports.page import finding_boxes, isolated, page, section, table
from mobilebert.reports.report import EvaluationSummary, Report
from mobilebert.reports.wording import metric_value, metric_words, number, over_seeds

__all__ = ["ComparedModel", "comparison_page", "comparison_table", "write_comparison"]

MOST_CHARACTERS = 60  # of a name


@dataclass(kw_only=True)
class ComparedModel:
    """A model to compare.

    Attributes:
        name: What to call it, such as its directory.
        report: What came of training or judging it.
        milliseconds: Median time of a text, or None where it was not measured.
    """

    name: str
    report: Report
    milliseconds: float | None = None

    @property
    def evaluation(self) -> EvaluationSummary:
        """How good it is; nothing where it was not judged."""
        return self.report.evaluation or EvaluationSummary()


@dataclass(frozen=True)
class _Column:
    """A column of a comparison.

    Attributes:
        title: For people.
        text: What a model has there.
        value: What the best is found by; None where there is no best.
        higher_is_better: Whether more is better.
    """

    title: str
    text: Callable[[ComparedModel], str]
    value: Callable[[ComparedModel], float | None] | None = None
    higher_is_better: bool = False

    def best(self, models: Sequence[ComparedModel]) -> float | None:
        """Return the best value of several models, None where there is nothing to choose from."""
        found = [self.value(model) for model in models] if self.value else []
        values = [value for value in found if value is not None and math.isfinite(value)]
        if len(values) < 2 or len(set(values)) == 1:
            return None
        return max(values) if self.higher_is_better else min(values)

    def is_best(self, model: ComparedModel, best: float | None) -> bool:
        """Tell whether a model has the best value."""
        return best is not None and self.value is not None and self.value(model) == best


def _columns(models: Sequence[ComparedModel], only_headlines: bool = False) -> list[_Column]:
    """Return the columns for models of one task."""
    task = models[0].report.task
    names = dict.fromkeys(model.evaluation.headline for model in models if model.evaluation.metrics)
    columns = [column for name in names for column in _headline_columns(name, task, models)]
    others = dict.fromkeys(name for model in models for name in model.evaluation.metrics)
    if not only_headlines:
        columns += [_metric_column(name, task) for name in others if name not in names]
    return [*columns, *_SIZES]


def _headline_columns(name: str, task: str, models: Sequence[ComparedModel]) -> Iterator[_Column]:
    yield _metric_column(name, task)
    if any(model.report.seeds and name in model.report.seeds.mean for model in models):
        yield _Column("over seeds", lambda model: over_seeds(model.report.seeds, name, task))
    yield _Column(
        "baseline", lambda model: metric_value(name, model.evaluation.baseline.get(name), task)
    )


_SIZES = (
    _Column("ms per text", lambda model: number(model.milliseconds), lambda m: m.milliseconds),
    _Column(
        "MB",
        lambda model: number(model.report.model.megabytes or None),
        lambda model: model.report.model.megabytes or None,
    ),
    _Column("parameters", lambda model: _millions(model.report.model.parameters)),
)


def _metric_column(name: str, task: str) -> _Column:
    words = metric_words(name, task)
    return _Column(
        words.title,
        lambda model: metric_value(name, model.evaluation.metrics.get(name), task),
        lambda model: model.evaluation.metrics.get(name),
        words.higher_is_better,
    )


def _millions(parameters: int) -> str:
    return f"{parameters / 1e6:.1f} M" if parameters else number(None)


def _by_task(models: Sequence[ComparedModel]) -> dict[str, list[ComparedModel]]:
    if not models:
        raise InputError("There is no model to compare; give at least one.")
    groups: dict[str, list[ComparedModel]] = {}
    for model in models:
        groups.setdefault(model.report.task, []).append(model)
    return groups


def _notes(models: Sequence[ComparedModel]) -> list[Finding]:
    """Return what keeps models of one task from being compared, and what is wrong with each."""
    found = []
    judged = [model.evaluation for model in models]
    if _are_others(judged):
        said = ", ".join(sorted(set(map(_judged_by, judged))))
        sentence = f"These models were judged by different data and do not compare: {said}."
        found.append(Finding(True, sentence))
    return found + [
        Finding(finding.serious, f"{_name(model)}: {finding.sentence}")
        for model in models
        for finding in findings(model.report)
        if finding.serious
    ]


def _are_others(judged: Sequence[EvaluationSummary]) -> bool:
    """Tell whether models were judged by other texts, as far as reports say."""
    digests = {one.digest for one in judged}
    if "" not in digests:
        return len(digests) > 1
    return len(digests) > 2 or len({(one.source, one.items) for one in judged}) > 1


def _judged_by(judged: EvaluationSummary) -> str:
    digest = f", digest {judged.digest}" if judged.digest else ""
    return f"{judged.source or '?'} ({judged.items:,} items{digest})"


def _name(model: ComparedModel) -> str:
    return shortened(" ".join(clean(model.name).split()), MOST_CHARACTERS)


def comparison_table(models: Sequence[ComparedModel]) -> str:
    """Return a table for a terminal, one for each task; the best of a column has a star.

    Of the metrics it has those to look at first; `comparison_page` has all of them.

    Args:
        models: At least one, in the order in which they are to be shown.

    Raises:
        InputError: There is none.
    """
    parts = []
    for task, group in _by_task(models).items():
        columns = _columns(group, only_headlines=True)
        best = [column.best(group) for column in columns]
        rows = [[task, *(f"{column.title} " for column in columns)]]
        for model in group:
            cells = [
                column.text(model) + ("*" if column.is_best(model, most) else " ")
                for column, most in zip(columns, best, strict=True)
            ]
            rows.append([_name(model), *cells])
        parts += [_aligned(rows), *(finding.sentence for finding in _notes(group)), ""]
    return "\n".join(parts)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Align the first column to the left and the others to the right."""
    widths = [max(map(_cells, column)) for column in zip(*rows, strict=True)]
    lines = []
    for place, row in enumerate(rows):
        blanks = [" " * (width - _cells(cell)) for cell, width in zip(row, widths, strict=True)]
        rest = (blank + cell for blank, cell in zip(blanks[1:], row[1:], strict=True))
        lines.append("  ".join((row[0] + blanks[0], *rest)).rstrip())
        if place == 0:
            lines.append("-" * (sum(widths) + 2 * len(widths) - 2))
    return "\n".join(lines)


def _cells(text: str) -> int:
    """Return how many places of a terminal a text takes; characters of East Asia take two."""
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def comparison_page(models: Sequence[ComparedModel]) -> str:
    """Return a page with the same tables.

    Args:
        models: At least one, in the order in which they are to be shown.

    Raises:
        InputError: There is none.
    """
    groups = _by_task(models)
    sections = (_group_section(task, group) for task, group in groups.items())
    return page(f"{len(models)} models", tag("h1", "Models beside each other"), sections)


def _group_section(task: str, models: Sequence[ComparedModel]) -> Markup | None:
    columns = _columns(models)
    head = (("model", ""), *((column.title, "number") for column in columns))
    rows = ([isolated(_name(model)), *_page_cells(model, models, columns)] for model in models)
    return section(
        task, finding_boxes(_notes(models)), table(head, rows, "The best of a column is bold.")
    )


def _page_cells(
    model: ComparedModel, models: Sequence[ComparedModel], columns: Iterable[_Column]
) -> list[str]:
    cells = []
    for column in columns:
        text = column.text(model)
        is_best = column.is_best(model, column.best(models))
        cells.append(tag("span", text, class_="best") if is_best else text)
    return cells


def write_comparison(models: Sequence[ComparedModel], path: str | os.PathLike[str]) -> Path:
    """Write the page of a comparison.

    Args:
        models: At least one.
        path: The file.

    Returns:
        The file.

    Raises:
        InputError: There is no model.
        CheckpointError: The file cannot be written.
    """
    target = Path(path)
    write_atomic(target, comparison_page(models))
    return target
