"""`finetune`: from files of rows to a measured model."""

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mobilebert.datasets.fingerprints import input_of, target_of
from mobilebert.datasets.item_sets import Items
from mobilebert.datasets.items import FinetuneTask
from mobilebert.directory_lock import alone_in
from mobilebert.errors import InputError
from mobilebert.hub import BUNDLED_MODEL
from mobilebert.pipelines.encoding import SequenceBuilder
from mobilebert.pipelines.kept_parameters import keep_parameters
from mobilebert.reports.report import SeedRun, Seeds
from mobilebert.torch.task_model import TaskModel
from mobilebert.training.data import DataSource, TrainingData, read_training_data
from mobilebert.training.encoder import EncodingOptions
from mobilebert.training.encoding import EncodedItems, encode_items
from mobilebert.training.evaluation_results import Evaluation
from mobilebert.training.long_texts import LongText, told_treatment
from mobilebert.training.machine import idle_parts
from mobilebert.training.output_directory import Existing, OutputDirectory
from mobilebert.training.presets import finetune_preset
from mobilebert.training.processes import Processes, joined_processes
from mobilebert.training.progress_bar import ProgressBar, counting, tell
from mobilebert.training.publishing import Finished, publish
from mobilebert.training.result import FinetuneResult
from mobilebert.training.run import Material, TuningRun, choose_learning
from mobilebert.training.saved_state import STATE_WEIGHTS, Progress
from mobilebert.training.settings import FinetuneSettings
from mobilebert.training.start import Start
from mobilebert.training.tasks import resolve_finetune_task
from mobilebert.training.treatment import (
    check_metric,
    check_settings,
    has_unanswered,
    judging_parameters,
    parameters_to_keep,
    usual_metric,
)
from mobilebert.training.usable import check_encoded, with_usable_dev

__all__ = ["finetune"]

Files = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def finetune(
    task: FinetuneTask | str,
    *,
    train: Files,
    dev: Files | None = None,
    model: str | os.PathLike[str] | None = None,
    output: str | os.PathLike[str],
    columns: Mapping[str, str] | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    group: str | None = None,
    skip_bad_rows: bool = False,
    label_names: Mapping[str, str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    quick: bool = False,
    seeds: int = 1,
    progress: bool = False,
    **settings: Any,
) -> FinetuneResult:
    """Tune a model on the rows of a file, and measure it on rows it has not seen.

    Args:
        task: text-classification, multi-label-classification, regression, token-classification,
            question-answering, multiple-choice or fill-mask.
        train: Rows to learn from: a file or several (csv, tsv, jsonl, txt, json of SQuAD, conll,
            parquet, xlsx).
        dev: Rows to judge by; by default a share of the others, `dev_share`.
        model: Directory or Hub name to begin with; the bundled model by default.
        output: Directory for the model, its report and its card.
        columns: Field -> column, where they are not to be guessed: text, pair, label, ...
        encoding: Of text files; guessed by default.
        delimiter: Of tables in text files: a character or its name; guessed by default.
        group: The column that says what belongs together and is never split apart.
        skip_bad_rows: Leave out rows that cannot be used, rather than refuse them all.
        label_names: Label as the files have it -> the name that it gets: `{"1": "good"}`.
        overwrite: Replace a model that is in `output`.
        resume: Go on with a run that was interrupted in `output`.
        quick: Fewer steps and shorter sequences: minutes on two processors.
        seeds: Runs with different seeds; the best one is kept.
        progress: Whether to show a bar on standard error.
        **settings: Fields of `FinetuneSettings`.

    Returns:
        The model, and how good it is.

    Raises:
        InputError: Something given cannot be used; nothing was computed.
        ArgumentError: There is no such setting.
        CheckpointError: The model cannot be read, or `output` not written.
        TrainingError: Training diverged again and again, and no weights were judged before.
        KeyboardInterrupt: Ctrl-C; `resume` goes on.
    """
    if type(seeds) is not int or seeds < 1:
        raise InputError(f"seeds must be a whole number of at least 1, not {seeds!r}.")
    command = _Command(
        task=resolve_finetune_task(task),
        source=DataSource(
            train=_files(train),
            dev=_files(dev),
            columns=dict(columns or {}),
            encoding=encoding,
            delimiter=delimiter,
            group=group,
            skip_bad_rows=skip_bad_rows,
            label_names=dict(label_names or {}),
        ),
        model=BUNDLED_MODEL if model is None else model,
        output=OutputDirectory(Path(output)),
        existing=Existing.of(overwrite=overwrite, resume=resume),
        settings=FinetuneSettings.read(settings),
        quick=quick,
        seeds=seeds,
        progress=progress,
    )
    with joined_processes() as processes:
        return command.execute(processes)


def _files(given: Files | None) -> tuple[str, ...]:
    if given is None:
        return ()
    if isinstance(given, (str, os.PathLike)):
        return (os.fspath(given),)
    return tuple(os.fspath(path) for path in given)


@dataclass(frozen=True, kw_only=True)
class _Command:
    """What `finetune` was asked for."""

    task: FinetuneTask
    source: DataSource
    model: str | os.PathLike[str]
    output: OutputDirectory
    existing: Existing
    settings: FinetuneSettings
    quick: bool
    seeds: int
    progress: bool

    def execute(self, processes: Processes) -> FinetuneResult:
        """Do it."""
        with ExitStack() as stack:
            if processes.is_first:
                stack.enter_context(alone_in(self.output.path))
                self.output.check(self.existing)
            directory = stack.enter_context(self.output.scratch())
            return self._execute(processes, self._prepare(processes, directory))

    def _prepare(self, processes: Processes, directory: Path) -> "_Prepared":
        """Read and encode everything; nothing is written but examples that are too many."""
        first = Start(self.task, self.model, ())
        preset = finetune_preset(self.task, first.config(), quick=self.quick)
        settings = self.settings.filled(preset)
        check_settings(self.task, settings, first.config().max_position_embeddings)
        choose_learning(first.outline(), settings)  # before the data are read: parts may be missing
        data = self._read(processes, settings)
        check_metric(settings, len(data.labels))
        data = replace(data, labels=first.in_its_order(data.labels))
        start = replace(
            first,
            labels=data.labels,
            dropout=settings.dropout,
            gradient_checkpointing=settings.gradient_checkpointing,
        )
        tokenizer = start.tokenizer()

        def encode(items: Items, kept_in: Path | None = None) -> EncodedItems:
            shown = self.progress and processes.is_first
            with counting(len(items), "encoding", shown=shown) as on_progress:
                return encode_items(
                    self.task,
                    items,
                    tokenizer,
                    start.config(),
                    labels=data.labels,
                    options=EncodingOptions(
                        max_length=settings.max_length,
                        long_text=LongText(settings.long_text),
                        stride=settings.doc_stride,
                    ),
                    directory=kept_in,
                    on_progress=on_progress,
                )

        encoded = encode(data.train, directory)
        on_error = self.source.on_error
        check_encoded(self.task, data, encoded, on_error)
        data = with_usable_dev(self.task, data, lambda: encode(data.dev), on_error)
        self._tell(processes, data.sentences())
        treatment = told_treatment(self.task, settings.long_text)
        self._tell(processes, encoded.summary.sentences(treatment, settings.max_length))
        builder = SequenceBuilder(tokenizer, start.config().max_position_embeddings)
        material = Material(
            task=self.task,
            examples=encoded.examples,
            dev=list(data.dev),
            tokenizer=tokenizer,
            settings=settings,
            parameters=judging_parameters(
                self.task,
                settings,
                builder.max_length,
                no_answer=bool(encoded.summary.unanswered) or has_unanswered(data.dev),
            ),
            digest=_digest(self.task, settings, data, encoded, processes),
        )
        return _Prepared(start, data, encoded, material)

    def _read(self, processes: Processes, settings: FinetuneSettings) -> TrainingData:
        """Read and split the data."""
        files = ", ".join((*self.source.train, *self.source.dev))
        self._tell(processes, [*idle_parts(), f"Reading {files}."])
        shown = self.progress and processes.is_first
        with counting(None, "reading", shown=shown) as on_progress:
            return read_training_data(
                self.task,
                self.source,
                dev_share=settings.dev_share,
                seed=settings.seed,
                dev_rows=settings.dev_rows,
                on_progress=on_progress,
            )

    def _execute(self, processes: Processes, prepared: "_Prepared") -> FinetuneResult:
        started = time.monotonic()
        material, settings = prepared.material, prepared.material.settings
        model = prepared.start.model(settings.seed)
        if processes.is_first:
            self.output.open(self.existing, _bytes_needed(model, self.seeds))
        processes.wait()
        seeds = range(settings.seed, settings.seed + self.seeds)
        with self.output.refusals(is_first=processes.is_first):
            runs = [
                self._run(
                    prepared.start.model(seed) if number else model, material, seed, processes
                )
                for number, seed in enumerate(seeds)
            ]
        best = max(runs, key=lambda run: run.score)
        best.evaluation.summary.warnings += _given_up(runs, best)
        keep_parameters(
            best.model.config, parameters_to_keep(self.task, material.parameters, settings)
        )
        finished = Finished(
            task=self.task,
            start=str(self.model),
            model=best.model,
            tokenizer=material.tokenizer,
            data=prepared.data,
            encoding=prepared.encoded.summary,
            settings=settings,
            progress=best.progress,
            evaluation=best.evaluation,
            trained_parameters=best.trained_parameters,
            seeds=_over_seeds(runs),
            seconds=time.monotonic() - started,
        )
        report, page = publish(finished, self.output, processes)
        return FinetuneResult(
            output_dir=self.output.path,
            metrics=best.evaluation.metrics,
            history=best.progress.history,
            model=best.model,
            tokenizer=material.tokenizer,
            report_path=page,
            report=report,
        )

    def _tell(self, processes: Processes, sentences: Sequence[str]) -> None:
        if self.progress and processes.is_first:
            tell(sentences)

    def _run(
        self, model: TaskModel[Any], material: Material, seed: int, processes: Processes
    ) -> "_Run":
        directory = self.output.states / f"seed-{seed}"
        if processes.is_first:
            directory.mkdir(exist_ok=True)
        bars: list[ProgressBar] = []

        def listener(steps: int) -> ProgressBar:
            label = f"seed {seed}" if self.seeds > 1 else ""
            bars.append(ProgressBar(steps, label))
            return bars[0]

        run = TuningRun(
            model, material, seed, directory, processes, listener if self.progress else None
        )
        try:
            progress = run.tune(resume=self.existing is Existing.RESUME)
        finally:
            for bar in bars:
                bar.close()
        return _Run(seed, model, progress, run.judge(), run.trained_parameters)


@dataclass(frozen=True)
class _Prepared:
    """What a run begins with."""

    start: Start
    data: TrainingData
    encoded: EncodedItems
    material: Material


@dataclass(frozen=True)
class _Run:
    """What came of one seed."""

    seed: int
    model: TaskModel[Any]
    progress: Progress
    evaluation: Evaluation
    trained_parameters: int

    @property
    def score(self) -> float:
        """To compare by; higher is better."""
        assert self.progress.best_score is not None  # the last step is always judged
        return self.progress.best_score


def _over_seeds(runs: Sequence[_Run]) -> Seeds | None:
    if len(runs) == 1:
        return None
    return Seeds.of([SeedRun(seed=run.seed, metrics=run.evaluation.metrics) for run in runs])


def _given_up(runs: Sequence[_Run], best: _Run) -> list[str]:
    """Say which runs were given up beside the best one, of which the history tells."""
    return [
        f"The run of seed {run.seed} was given up, for it diverged again and again: its metrics "
        "are those of the weights that were judged best until then, and count in mean and "
        "deviation over seeds."
        for run in runs
        if run.progress.gave_up and run is not best
    ]


def _digest(
    task: FinetuneTask,
    settings: FinetuneSettings,
    data: TrainingData,
    encoded: EncodedItems,
    processes: Processes,
) -> str:
    """Return a digest of everything that decides how a run goes, but for the first weights.

    Where files lie is no part of it. What a model is judged by decides which weights are the best,
    and each of several processes draws dropout of its own.
    """
    told = asdict(settings)
    # They then decide nothing, and runs that began before there was a choice have none.
    for name, usual in (("judge_by", usual_metric(task)), ("doc_stride", None)):
        if told[name] in (None, usual):
            del told[name]
    text = json.dumps(told, sort_keys=True)
    digest = hashlib.sha256(f"{task} {text} {processes.count}".encode())
    digest.update(repr(data.labels).encode())
    for item in data.dev:
        digest.update(repr((input_of(item), target_of(item))).encode())
    digest.update(encoded.examples.digest().encode())
    return digest.hexdigest()


def _bytes_needed(model: TaskModel[Any], seeds: int) -> int:
    """Return what states, old and new, the best weights and the model take."""
    weights = 4 * sum(parameter.numel() for parameter in model.parameters())
    return weights * (2 * STATE_WEIGHTS + seeds * (STATE_WEIGHTS + 1) + 1)
