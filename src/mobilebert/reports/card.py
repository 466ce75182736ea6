"""The model card: README.md with the metadata that the Hub reads.

It quotes no texts of the data, and names files without their directories: a card is published.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath, PureWindowsPath

from mobilebert.datasets.items import FinetuneTask
from mobilebert.errors import InputError
from mobilebert.reports.data_summary import DataFile
from mobilebert.reports.findings import findings
from mobilebert.reports.front_matter import Yaml, front_matter
from mobilebert.reports.markdown import plain, table
from mobilebert.reports.report import EvaluationSummary, Report
from mobilebert.reports.wording import (
    counted,
    duration,
    metric_value,
    metric_words,
    number,
    over_seeds,
    percent,
    setting_text,
)

__all__ = ["model_card", "run_arguments"]

MOST_LABELS = 100


@dataclass(frozen=True)
class _TaskWords:
    """How a card speaks of a task.

    Attributes:
        pipeline: Its name on the Hub (huggingface.js, packages/tasks/src/pipelines.ts), which is
            also that of `mobilebert.pipeline`.
        title: For people.
        arguments: What the pipeline is given, as Python.
        words: What `mobilebert run` is given.
    """

    pipeline: str
    title: str
    arguments: str = '"A text."'
    words: str = '"A text."'


_TASKS = {
    FinetuneTask.TEXT_CLASSIFICATION: _TaskWords("text-classification", "Text classification"),
    FinetuneTask.MULTI_LABEL: _TaskWords(
        "text-classification",
        "Multi-label classification",
        '"A text.", threshold="tuned"',
        '-p threshold=tuned "A text."',
    ),
    FinetuneTask.REGRESSION: _TaskWords("text-classification", "Regression"),
    FinetuneTask.TOKEN_CLASSIFICATION: _TaskWords(
        "token-classification",
        "Token classification",
        '"A text.", aggregation_strategy="simple"',
        '-p aggregation_strategy=simple "A text."',
    ),
    FinetuneTask.QUESTION_ANSWERING: _TaskWords(
        "question-answering",
        "Question answering",
        'question="Who asks?", context="Anna asks a question."',
        '"Who asks?" "Anna asks a question."',
    ),
    FinetuneTask.MULTIPLE_CHOICE: _TaskWords(
        "multiple-choice",
        "Multiple choice",
        '{"text": "It rains.", "choices": ["I get wet.", "I get dry."]}',
        '"It rains." "I get wet." "I get dry."',
    ),
    FinetuneTask.MASKED_LM: _TaskWords(
        "fill-mask", "Masked language model", '"A [MASK] text."', '"A [MASK] text."'
    ),
}
_PAIRS = ('{"text": "One text.", "text_pair": "Another."}', "--input pairs.csv")


def model_card(report: Report) -> tuple[str, str]:
    """Return the metadata and the text of a model card.

    Args:
        report: What it is made of.

    Returns:
        The lines between ``---``, and what follows them.

    Raises:
        InputError: The task is none of ours.
    """
    body = [f"# {plain(report.model.name)}", ""]
    for part in _PARTS:
        body += part(report)
    return front_matter(_metadata(report)), "\n".join(body).rstrip("\n") + "\n"


def run_arguments(report: Report) -> str:
    """Return what `mobilebert run --model DIR` is given for a model, as an example."""
    return _PAIRS[1] if _reads_pairs(report) else _task_words(report).words


def _reads_pairs(report: Report) -> bool:
    return report.data.pairs and _task_words(report).pipeline == "text-classification"


def _task_words(report: Report) -> _TaskWords:
    try:
        return _TASKS[FinetuneTask(report.task)]
    except ValueError:
        raise InputError(
            f"The report is of the task {report.task!r}; a model card can be made for "
            f"{', '.join(FinetuneTask)}."
        ) from None


def _metadata(report: Report) -> dict[str, Yaml]:
    model, words = report.model, _task_words(report)
    fields: dict[str, Yaml] = {}
    if model.license:
        fields["license"] = model.license
    if model.languages:
        fields["language"] = model.languages
    if model.base_model:
        fields["base_model"] = model.base_model
    fields |= {
        "library_name": "mobilebert",
        "pipeline_tag": words.pipeline,
        "tags": list(dict.fromkeys(["mobilebert", report.task])),
    }
    metrics = _finite_metrics(report)
    hub_types = [metric_words(name, report.task).hub_type for name in metrics]
    fields["metrics"] = list(dict.fromkeys(kind for kind in hub_types if kind))
    if report.evaluation and metrics:
        fields["model-index"] = [{"name": model.name, "results": [_results(report, metrics)]}]
    return fields


def _finite_metrics(report: Report) -> dict[str, float]:
    found = report.evaluation.metrics if report.evaluation else {}
    return {name: float(value) for name, value in found.items() if math.isfinite(value)}


def _results(report: Report, metrics: Mapping[str, float]) -> dict[str, Yaml]:
    words = _task_words(report)
    source = _source_name(report) or "dev data"
    kind = re.sub(r"[^a-z0-9]+", "-", source.lower()).strip("-") or "dev-data"
    rows: list[Yaml] = []
    for name, value in metrics.items():
        told = metric_words(name, report.task)
        rows.append({"type": told.hub_type or name, "name": told.title, "value": value})
    return {
        "task": {"type": words.pipeline, "name": words.title},
        "dataset": {"name": source, "type": kind},
        "metrics": rows,
    }


def _introduction(report: Report) -> list[str]:
    model, words = report.model, _task_words(report)
    start = model.base_model or _without_directory(model.start)
    sentence = f"{words.title} with MobileBERT"
    sentence += f", fine-tuned from {plain(start)}." if start else "."
    size = f" {model.parameters:,} parameters" if model.parameters else ""
    size += f", {number(model.megabytes)} MB" if model.megabytes and size else ""
    lines = [sentence + (f"{size}." if size else ""), ""]
    for finding in findings(report):
        if finding.serious:
            lines += [f"> **Warning:** {plain(finding.sentence)}", ""]
    return lines


def _results_table(report: Report) -> list[str]:
    evaluation = report.evaluation
    if not evaluation or not evaluation.metrics:
        return []
    baseline, task = evaluation.baseline, report.task
    names = sorted(evaluation.metrics, key=lambda name: name != evaluation.headline)
    head = ["metric", "this model", f"baseline ({plain(evaluation.baseline_name)})"]
    seeds = report.seeds is not None and bool(report.seeds.runs)
    rows = []
    for name in names:
        value = metric_value(name, evaluation.metrics[name], task)
        shown = f"**{value}**" if name == evaluation.headline else value
        row = [plain(metric_words(name, task).title), shown]
        row.append(metric_value(name, baseline.get(name), task))
        rows.append([*row, over_seeds(report.seeds, name, task)] if seeds else row)
    head += ["over seeds"] if seeds else []
    return [
        "## Results",
        "",
        _judged_by(report, evaluation),
        "",
        *table(head, rows),
        *_class_table(report),
    ]


def _judged_by(report: Report, evaluation: EvaluationSummary) -> str:
    source = _source_name(report)
    of_source = f" of {plain(source)}" if source else ""
    return f"On {counted(evaluation.items, 'item')}{of_source} that were not trained on."


def _class_table(report: Report) -> list[str]:
    rows = report.evaluation.per_class if report.evaluation else []
    if not 0 < len(rows) <= MOST_LABELS:
        return []
    lines = (
        [plain(row.label), *map(percent, (row.precision, row.recall, row.f1)), f"{row.support:,}"]
        for row in rows
    )
    return table(("class", "precision", "recall", "F1", "support"), lines)


def _use(report: Report) -> list[str]:
    words = _task_words(report)
    pairs = _reads_pairs(report)
    arguments = _PAIRS[0] if pairs else words.arguments
    columns = " pairs.csv has the columns `text` and `text_pair`." if pairs else ""
    return [
        "## Use",
        "",
        f"`DIR` is the directory of this file, or the model's name on the Hub.{columns}",
        "",
        "```sh",
        f"mobilebert run --model DIR {run_arguments(report)}",
        "```",
        "",
        "```python",
        "from mobilebert import pipeline",
        "",
        f'answerer = pipeline("{words.pipeline}", "DIR")',
        f"print(answerer({arguments}))",
        "```",
        "",
        "The weights are an ordinary checkpoint, which the MobileBERT classes of transformers load "
        "as well.",
        "",
    ]


def _data(report: Report) -> list[str]:
    data = report.data
    files = table(
        ("file", "use", "rows", "used"),
        (
            [plain(_file_names(one)), plain(one.role), f"{one.rows:,}", f"{one.used:,}"]
            for one in data.files
        ),
    )
    facts = []
    if data.train_items or data.dev_items:
        facts.append(f"{data.train_items:,} items to train on, {data.dev_items:,} to judge by.")
    if data.split:
        facts.append(plain(data.split))
    names = list(dict.fromkeys([*data.train_labels, *data.dev_labels]))
    labels = table(
        ("label", "train", "dev"),
        (
            [plain(n), f"{data.train_labels.get(n, 0):,}", f"{data.dev_labels.get(n, 0):,}"]
            for n in names[:MOST_LABELS]
        ),
    )
    if len(names) > MOST_LABELS:
        labels += [f"And {len(names) - MOST_LABELS:,} more.", ""]
    content = [*files, *([" ".join(facts), ""] if facts else []), *labels]
    return ["## Data", "", *content] if content else []


def _training(report: Report) -> list[str]:
    steps, lines = report.history.steps, list[str]()
    if steps:
        time = f" in {duration(report.seconds)}" if report.seconds else ""
        lines.append(f"{steps[-1].step:,} steps{time}.")
    for title, values in (("Machine", report.machine), ("Versions", report.versions)):
        if values:
            said = ", ".join(f"{plain(name)} {plain(value)}" for name, value in values.items())
            lines.append(f"{title}: {said}.")
    settings = table(
        ("setting", "value"),
        (
            [plain(name), plain(setting_text(_published(value)))]
            for name, value in report.settings.items()
        ),
    )
    return ["## Training", "", *lines, *([""] if lines else []), *settings] if steps else []


def _limits(report: Report) -> list[str]:
    lines = [plain(finding.sentence) for finding in findings(report) if not finding.serious]
    if report.model.maximum_tokens:
        lines.append(f"It reads at most {report.model.maximum_tokens:,} tokens at once.")
    lines.append(
        "On texts of another kind than the data above it may do worse. It was not tested for "
        "social bias."
    )
    return ["## Limits", "", *(f"- {line}" for line in lines), ""]


_PARTS: tuple[Callable[[Report], list[str]], ...] = (
    _introduction,
    _results_table,
    _use,
    _data,
    _training,
    _limits,
)


def _source_name(report: Report) -> str:
    """Return what the model was judged by, files without their directories."""
    source = report.evaluation.source if report.evaluation else ""
    files = [one for one in report.data.files if one.path == source]
    return _file_names(files[0]) if files else _without_directory(source)


def _file_names(file: DataFile) -> str:
    return ", ".join(file.names) or _without_directory(file.path)


def _without_directory(name: str) -> str:
    """Return the last part of a path; a card tells nobody how a machine is laid out."""
    return re.split(r"[\\/]", name.rstrip("\\/"))[-1]


def _published(value: object) -> object:
    """Return a setting with paths that begin at a root or a home cut to their names."""
    if isinstance(value, PurePath):
        return _published(str(value))
    if isinstance(value, Mapping):
        return {key: _published(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_published(item) for item in value]
    if isinstance(value, str) and (
        value.startswith("~")
        or PurePosixPath(value).is_absolute()
        or PureWindowsPath(value).is_absolute()
    ):
        return _without_directory(value)
    return value
