"""The end of a run: the model, its tokenizer, its curves, report and card in one directory."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mobilebert.logging import get_logger
from mobilebert.pretraining.curves import CURVES_FILE, read_curves
from mobilebert.pretraining.evaluation import PretrainingScores, judge_pretraining
from mobilebert.pretraining.material import Material
from mobilebert.pretraining.result import PretrainResult
from mobilebert.reports.pretraining import (
    PretrainingReport,
    SourceRow,
    write_pretraining_card,
    write_pretraining_report,
)
from mobilebert.reports.report import ModelSummary
from mobilebert.torch.models import MobileBertForPreTraining
from mobilebert.training.machine import machine_and_versions
from mobilebert.training.output_directory import OutputDirectory
from mobilebert.training.processes import Processes

__all__ = ["Trained", "publish_trained", "source_rows"]

# Masked words that the finished model is judged by.
_WORDS = 50_000


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What came of a run.

    Attributes:
        model: The model.
        material: What it was made of.
        start: What it began with, as the user named it.
        stages: Names of the stages, in order.
        teacher: Name of the teacher, if there was one.
        strategy: How knowledge was transferred, if it was.
    """

    model: MobileBertForPreTraining
    material: Material
    start: str
    stages: Sequence[str]
    teacher: str | None = None
    strategy: str | None = None


def publish_trained(
    trained: Trained, output: OutputDirectory, processes: Processes
) -> PretrainResult:
    """Judge the model, write everything into the directory, and remove the states.

    Args:
        trained: What came of the run.
        output: The directory.
        processes: Those that took part; the first one judges and writes.

    Raises:
        CheckpointError: Something cannot be written; the states are kept.
    """
    model, material = trained.model.eval(), trained.material
    # As a loaded model has them, whatever rested in the last stage.
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.numel() > 0)
    scores = PretrainingScores()
    if material.held_out is not None and processes.is_first:
        scores = judge_pretraining(
            model, material.held_out, words=_WORDS, precision=material.precision
        )
    model.to("cpu")
    if processes.is_first:
        model.save_pretrained(output.path)
        material.tokenizer.save_pretrained(output.path)
    processes.wait()  # the report of each has the size of what was written
    history = read_curves(output.path / CURVES_FILE)
    report = _report(trained, output, scores, history)
    page = output.path / "report.html"
    if processes.is_first:
        if sentence := write_pretraining_card(report, output.path).sentence:
            get_logger(__name__).warning(sentence)
        page = write_pretraining_report(report, output.path).page
        output.close()
    processes.wait()
    metrics = dict(report.metrics)
    return PretrainResult(output.path, metrics, history, model, material.tokenizer, page, report)


def source_rows(scores: PretrainingScores) -> list[SourceRow]:
    """Return a row for each source, by name."""
    return [
        SourceRow(name=name, words=source.words, metrics=source.metrics())
        for name, source in sorted(scores.sources.items())
    ]


def _report(
    trained: Trained,
    output: OutputDirectory,
    scores: PretrainingScores,
    history: list[dict[str, Any]],
) -> PretrainingReport:
    model, corpus = trained.model, trained.material.train.corpus
    machine, versions = machine_and_versions()
    size = sum(file.stat().st_size for file in output.path.glob("*.safetensors"))
    return PretrainingReport(
        model=ModelSummary(
            name=output.path.resolve().name,
            start=trained.start,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            megabytes=size / 1e6,
            vocabulary=model.config.vocab_size,
            maximum_tokens=model.config.max_position_embeddings,
        ),
        teacher=trained.teacher,
        strategy=trained.strategy,
        pairs=trained.material.train.has_pairs,
        stages=list(trained.stages),
        data={
            "sequences": f"{len(corpus):,}",
            "tokens": f"{int(corpus.lengths.sum()):,}",
            "longest sequence": _longest(corpus.lengths, model.config.max_position_embeddings),
            "sources": ", ".join(corpus.source_names),
        },
        settings=dataclasses.asdict(trained.material.settings),
        history=history,
        metrics=scores.metrics() if scores.sources else {},
        sources=source_rows(scores),
        machine=machine
        | {"threads": str(torch.get_num_threads()), "device": str(trained.material.device)},
        versions=versions,
        seconds=sum(entry.get("seconds", 0.0) for entry in history),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _longest(lengths: NDArray[np.integer[Any]], positions: int) -> str:
    longest = int(lengths.max())
    # Of positions that nothing was read at, nothing is learned: longer texts are answered badly.
    behind = f" (the model has positions for {positions})" if longest < positions else ""
    return f"{longest} tokens{behind}"
