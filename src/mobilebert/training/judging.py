"""`evaluate`: how good a model is on a file of rows; needs no PyTorch."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mobilebert.checkpoint.reading import load_config
from mobilebert.config import MobileBertConfig
from mobilebert.datasets.agreement import check_tags, without_unseen_labels
from mobilebert.datasets.items import FinetuneTask
from mobilebert.errors import InputError
from mobilebert.pipelines.sources import ModelSource, infer_task
from mobilebert.reports.data_summary import DataSummary
from mobilebert.reports.findings import findings
from mobilebert.reports.report import ModelSummary, Report
from mobilebert.training.data import DataSource, file_summary, reported_problems
from mobilebert.training.evaluation import evaluate_items
from mobilebert.training.evaluation_results import Evaluation
from mobilebert.training.labels import not_of_model
from mobilebert.training.machine import machine_and_versions
from mobilebert.training.tasks import resolve_finetune_task

__all__ = ["Judgement", "evaluate", "task_of_model"]

# What a classifier's configuration says about its labels.
_TASKS = {
    "multi_label_classification": FinetuneTask.MULTI_LABEL,
    "regression": FinetuneTask.REGRESSION,
}


@dataclass(frozen=True)
class Judgement:
    """How good a model is on some data.

    Attributes:
        evaluation: Metrics, tables, errors, and what the model said about each row.
        report: The same for people; `mobilebert.reports.write_report` writes its page.
    """

    evaluation: Evaluation
    report: Report

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics by name."""
        return self.evaluation.metrics

    def summary(self) -> str:
        """Say in a few lines how good it is, each metric beside its baseline."""
        found, base = self.evaluation.summary, self.evaluation.baseline
        width = max(map(len, found.metrics))
        lines = [f"{found.items:,} rows; baseline: {found.baseline_name}"]
        for name, value in found.metrics.items():
            beside = f"   baseline {base[name]:.4f}" if name in base else ""
            lines.append(f"{name:<{width}}  {value:.4f}{beside}")
        lines += [finding.sentence for finding in findings(self.report)]
        return "\n".join(lines)


def task_of_model(model: str | os.PathLike[str]) -> FinetuneTask:
    """Return what a checkpoint was tuned for.

    Raises:
        InputError: Its configuration does not say.
        CheckpointError: There is no such checkpoint.
    """
    task = infer_task(model, ModelSource())
    config: MobileBertConfig = load_config(model)
    if task == "text-classification":
        return _TASKS.get(str(config.problem_type), FinetuneTask.TEXT_CLASSIFICATION)
    return resolve_finetune_task(task)


def evaluate(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    task: FinetuneTask | str | None = None,
    columns: Mapping[str, str] | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    skip_bad_rows: bool = False,
    label_names: Mapping[str, str] | None = None,
    backend: str = "auto",
    dtype: Any = None,
    parameters: Mapping[str, Any] | None = None,
) -> Judgement:
    """Measure a model on a file of rows with what is right.

    What is measured is what `mobilebert.pipeline` and ``mobilebert run`` answer.

    Args:
        model: Directory or Hub name.
        data: A file of rows or several, as for `finetune`.
        task: What it was tuned for; by default what its configuration says.
        columns: Field -> column, where they are not to be guessed.
        encoding: Of text files; guessed by default.
        delimiter: Of tables in text files: a character or its name; guessed by default.
        skip_bad_rows: Leave out rows that cannot be used, rather than refuse them all.
        label_names: Label as the files have it -> the name that the model has for it.
        backend: As for `pipeline`.
        dtype: As for `pipeline`.
        parameters: Parameters of the pipeline.

    Raises:
        InputError: The data or an argument cannot be used.
        CheckpointError: The model's files are missing or damaged.
    """
    started = time.monotonic()
    chosen = task_of_model(model) if task is None else resolve_finetune_task(task)
    files = [data] if isinstance(data, (str, os.PathLike)) else list(data)
    if not files:
        raise InputError("There is no file to measure the model on.")
    paths = [os.fspath(path) for path in files]
    source = DataSource(
        train=(),
        columns=dict(columns or {}),
        encoding=encoding,
        delimiter=delimiter,
        skip_bad_rows=skip_bad_rows,
        label_names=dict(label_names or {}),
    )
    items = source.read(chosen, paths)
    names = list(load_config(model).id2label.values())
    if not set(items.labels) <= set(names):  # a model may have been tuned on numbers
        check_tags(chosen, items)
    items = without_unseen_labels(names, items, source.on_error, not_of_model(names))
    evaluation = evaluate_items(
        chosen, model, None, items, backend=backend, dtype=dtype, parameters=parameters
    )
    evaluation.summary.source = ", ".join(paths)
    machine, versions = machine_and_versions()
    report = Report(
        task=chosen.value,
        model=_model_summary(model),
        data=DataSummary(
            files=[file_summary(paths, "dev", items)],
            dev_items=len(items),
            dev_labels=dict(items.labels),
            problems=reported_problems([items], source),
        ),
        evaluation=evaluation.summary,
        machine=machine,
        versions=versions,
        seconds=time.monotonic() - started,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return Judgement(evaluation, report)


def _model_summary(model: str | os.PathLike[str]) -> ModelSummary:
    config = load_config(model)
    directory = Path(model)
    files = list(directory.glob("*.safetensors")) if directory.is_dir() else []
    return ModelSummary(
        name=directory.resolve().name if directory.is_dir() else os.fspath(model),
        start=os.fspath(model),
        megabytes=sum(file.stat().st_size for file in files) / 1e6,
        vocabulary=config.vocab_size,
        maximum_tokens=config.max_position_embeddings,
    )
