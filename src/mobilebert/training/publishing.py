"""The end of a run: the model, its tokenizer, its report and its card in one directory."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mobilebert.datasets.items import FinetuneTask, TextItem
from mobilebert.hub import is_bundled
from mobilebert.logging import get_logger
from mobilebert.reports.card_file import write_card
from mobilebert.reports.data_summary import DataSummary, LengthBin
from mobilebert.reports.report import History, ModelSummary, Report, Seeds
from mobilebert.reports.writing import PAGE_NAME, write_report
from mobilebert.torch.task_model import TaskModel
from mobilebert.training.data import TrainingData
from mobilebert.training.encoder import EncodingSummary, Noted
from mobilebert.training.evaluation_results import Evaluation
from mobilebert.training.long_texts import told_treatment
from mobilebert.training.machine import machine_and_versions
from mobilebert.training.output_directory import OutputDirectory
from mobilebert.training.processes import Processes
from mobilebert.training.saved_state import Progress
from mobilebert.training.settings import FinetuneSettings

__all__ = ["Finished", "publish"]


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What came of all runs.

    Attributes:
        task: The task.
        start: Where the best run began.
        model: Its model.
        tokenizer: The tokenizer.
        data: The data.
        encoding: What was met while they were encoded.
        settings: The settings, none open.
        progress: The numbers of the best run.
        evaluation: How good the model is.
        trained_parameters: How many numbers were trained, low-rank updates among them.
        seeds: All runs; None for a single one.
        seconds: How long it took.
    """

    task: FinetuneTask
    start: str
    model: TaskModel[Any]
    tokenizer: Any
    data: TrainingData
    encoding: EncodingSummary
    settings: FinetuneSettings
    progress: Progress
    evaluation: Evaluation
    trained_parameters: int
    seeds: Seeds | None
    seconds: float


def publish(
    finished: Finished, output: OutputDirectory, processes: Processes
) -> tuple[Report, Path]:
    """Write everything into the directory, and remove the states.

    Args:
        finished: What came of all runs.
        output: The directory.
        processes: Those that took part; the first one writes.

    Returns:
        The report, and where its page is.

    Raises:
        CheckpointError: Something cannot be written; the states are kept.
    """
    page = output.path / PAGE_NAME
    if processes.is_first:
        finished.model.save_pretrained(output.path)
        finished.tokenizer.save_pretrained(output.path)
    processes.wait()  # the report of each has the size of what was written
    report = _report(finished, output.path)
    if processes.is_first:
        if sentence := write_card(report, output.path).sentence:
            get_logger(__name__).warning(sentence)
        page = write_report(report, output.path).page  # last: a directory with it is finished
        output.close()
    processes.wait()
    return report, page


def _report(finished: Finished, directory: Path) -> Report:
    judged = [file.path for file in finished.data.summary.files if file.role == "dev"]
    finished.evaluation.summary.source = ", ".join(judged) or "rows kept to judge by"
    finished.evaluation.summary.warnings += finished.encoding.warnings()
    machine, versions = machine_and_versions()
    return Report(
        task=finished.task.value,
        model=_model(finished, directory),
        data=_data(finished),
        settings=asdict(finished.settings),
        history=History.of(finished.progress.history, finished.progress.best_step),
        evaluation=finished.evaluation.summary,
        seeds=finished.seeds,
        machine=machine | {"threads": str(torch.get_num_threads())},
        versions=versions,
        seconds=finished.seconds,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _model(finished: Finished, directory: Path) -> ModelSummary:
    model, config = finished.model, finished.model.config
    numbers = sum(parameter.numel() for parameter in model.parameters())
    trained = finished.trained_parameters
    on_hub = not is_bundled(finished.start) and not Path(finished.start).is_dir()
    return ModelSummary(
        name=directory.resolve().name,
        start=finished.start,
        base_model=finished.start if on_hub else None,
        parameters=numbers,
        trained_parameters=None if trained == numbers else trained,
        megabytes=sum(file.stat().st_size for file in directory.glob("*.safetensors")) / 1e6,
        vocabulary=config.vocab_size,
        maximum_tokens=config.max_position_embeddings,
    )


def _data(finished: Finished) -> DataSummary:
    summary, noted = finished.data.summary, finished.encoding.noted
    lengths = finished.encoding.lengths
    summary.lengths = LengthBin.over(np.repeat(list(lengths), list(lengths.values())))
    first = next(iter(finished.data.train))
    summary.pairs = isinstance(first, TextItem) and first.pair is not None
    summary.token_limit = finished.settings.max_length
    summary.long_items = noted[Noted.LONG]
    summary.long_text = told_treatment(finished.task, finished.settings.long_text)
    return summary
