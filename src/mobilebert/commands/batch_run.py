"""What ``mobilebert run`` does, once its options are read."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Self

import click

from mobilebert import __version__
from mobilebert.backend import backend_class
from mobilebert.commands.columns import ColumnReader, read_arguments
from mobilebert.commands.inputs import InputRow, InputSource, open_file, open_stream, read_texts
from mobilebert.commands.interrupts import remembered_interrupts
from mobilebert.commands.output_file import Existing, OutputFile
from mobilebert.commands.output_formats import OUTPUT_FORMATS, OutputFormat, predictions_of
from mobilebert.commands.standard_output import write_stdout
from mobilebert.commands.unused_options import refuse_unused
from mobilebert.errors import InputError
from mobilebert.hub import BUNDLED_MODEL, HubOptions
from mobilebert.pipelines import ItemError, Pipeline, pipeline, pipeline_class
from mobilebert.pipelines.parameters import merged
from mobilebert.tasks import resolve_pipeline_task

__all__ = ["BatchRun"]

# Inputs that are answered, written and noted together: an interruption costs at most this many
# (with --batch-size, as many batches), and lengths are sorted within them.
ROWS_PER_CHUNK = 64
BATCHES_PER_CHUNK = 8

# Lines of standard input that are waited for before they are answered.
LINES_AHEAD = 8

STANDARD = "-"

# What Python calls the words of JSON.
_PYTHON_WORDS = {"True": True, "False": False, "None": None}

# Formats that have a place for all that a prediction holds.
_WHOLE_FORMATS = ("json", "jsonl")


@dataclass
class BatchRun:
    """One run: where inputs come from, what answers them, where answers go.

    Attributes:
        source: The inputs.
        answerer: The pipeline.
        columns: Which columns are read.
        parameters: Parameters of the task.
        top_k: Predictions wanted for each input.
        batch_size: Sequences per batch, or None.
        writer: How answers are written.
        output: The output file, or None for standard output.
        facts: What the answers depend on.
    """

    source: InputSource
    answerer: Pipeline[Any]
    columns: ColumnReader
    parameters: dict[str, Any]
    top_k: int | None
    batch_size: int | None
    writer: OutputFormat
    output: OutputFile | None
    facts: dict[str, Any]

    @classmethod
    def read(cls, texts: Sequence[str], options: dict[str, Any]) -> "BatchRun":
        """Read the options of the command and load the model.

        Args:
            texts: The TEXT arguments.
            options: The options by name.

        Raises:
            MobileBertError: Something cannot be used; no file is written then.
        """
        if options["task"] is None and options["model"] is None:
            raise InputError("Say what to do: --task fill-mask, for example, or --model DIR.")
        task = options["task"] and resolve_pipeline_task(options["task"])
        existing = Existing(options["overwrite"], options["resume"])
        if options["output_path"] == STANDARD:
            options["output_path"] = None  # "-" is standard output here
        _refuse_unused(texts, options)
        output = options["output_path"] and OutputFile(options["output_path"], existing)
        parameters = _parameters(options)
        if task:
            # Wrong parameters are told before a model is loaded.
            merged(task, pipeline_class(task).defaults, parameters)
        answerer = _load(task, options)
        task = answerer.task
        form = options["output_format"] or _format_of(options["output_path"])
        merged(task, answerer.parameters, parameters)  # of a task that only the model says
        _refuse_unwritten(parameters, form)
        top_k = _top_k(options["top_k"], form, answerer, parameters)
        if top_k is not None and hasattr(answerer.defaults, "top_k"):
            parameters["top_k"] = top_k
        facts = {
            "input": None,
            "model": str(options["model"]),
            "state of the model": output and _state_of(answerer, options),
            "--revision": options["revision"],
            "--allow-untrained": options["allow_untrained"] or None,
            "task": task,
            "format": form,
            "parameters": {name: str(value) for name, value in sorted(parameters.items())},
            "--top-k": None if "top_k" in parameters else top_k,
            "--column": list(options["columns"]),
            "--batch-size": options["batch_size"],
            "--backend": [answerer.model.name, str(options["device"]), str(options["dtype"])],
            "version": __version__,
        }
        source = _open_source(task, texts, options, output is not None)
        return cls(
            source,
            answerer,
            ColumnReader(task, options["columns"]),
            parameters,
            top_k,
            options["batch_size"],
            OUTPUT_FORMATS[form](task),
            output,
            facts,
        )

    def execute(self) -> None:
        """Answer all inputs.

        Raises:
            MobileBertError: An input cannot be used. Nothing is left of a file then.
        """
        if self.output is None:
            self._to_stdout()
            return
        if self.output.is_complete:
            click.echo(
                f"{self.output.path} is complete already. Whether it is of this input and these "
                "options is not known any more; --overwrite starts again.",
                err=True,
            )
            return
        total, self.facts["input"] = self.source.summary()
        self._check()
        self._to_file(self.output, total)

    def _to_stdout(self) -> None:
        total = None
        if self.source.rereadable:
            total = self.source.count()
            self._check()
        # Standard input may be slow or endless: its answers do not wait for a whole chunk.
        size = self._chunk_size if self.source.rereadable else self.batch_size or LINES_AHEAD
        beginning = True
        with _progress_bar(total, shown=self._shows_progress) as bar:
            for rows in _chunks(self.source.open_rows(), size):
                header = self.writer.header(rows[0]) if beginning else ""
                write_stdout(header + self.writer.chunk(self._answers(rows), beginning))
                beginning = False
                bar.update(len(rows))
        if beginning:
            raise InputError(f"{self.source.name} holds no inputs.")
        write_stdout(self.writer.footer())

    @property
    def _shows_progress(self) -> bool:
        """Progress and answers do not share a terminal, and two texts need no bar."""
        return bool(self.source.name) and sys.stderr.isatty() and not sys.stdout.isatty()

    def _to_file(self, output: OutputFile, total: int) -> None:
        done = output.begin(self.facts).rows
        try:
            with remembered_interrupts() as check_interrupt, _progress_bar(total, done) as bar:
                for number, rows in enumerate(_chunks(self.source.open_rows(), self._chunk_size)):
                    header = self.writer.header(rows[0]) if not number else ""
                    # Chunks are whole, but for the last one.
                    if number * self._chunk_size < done:
                        continue
                    text = self.writer.chunk(self._answers(rows), beginning=not number)
                    done += len(rows)
                    output.append(header + text, done)
                    bar.update(len(rows))
                    check_interrupt()
            if done != total:
                raise InputError(
                    f"{self.source.name} has changed while it was answered: it had {total} inputs, "
                    f"and then {done}. --overwrite starts again."
                )
            output.finish(self.writer.footer())
        except KeyboardInterrupt:
            click.echo(
                f"Interrupted after {done} of {total} inputs; the same command with --resume "
                "continues.",
                err=True,
            )
            raise
        finally:
            output.close()

    @property
    def _chunk_size(self) -> int:
        return self.batch_size * BATCHES_PER_CHUNK if self.batch_size else ROWS_PER_CHUNK

    def _check(self) -> None:
        """Check every input, and its place in the output, before the first is answered."""
        for number, rows in enumerate(_chunks(self.source.open_rows(), self._chunk_size)):
            items = [self.columns.item(row, self.source) for row in rows]
            try:
                self.answerer.check(items, **self.parameters)
            except ItemError as error:
                raise self._placed(error, rows) from None
            if not number:
                self.writer.header(rows[0])  # says which columns there are
            for row in rows:
                self.writer.check(row, as_utf8=self.output is not None)

    def _answers(self, rows: list[InputRow]) -> list[tuple[InputRow, list[Any]]]:
        items = [self.columns.item(row, self.source) for row in rows]
        try:
            answers = self.answerer.answer_all(items, batch_size=self.batch_size, **self.parameters)
        except ItemError as error:
            raise self._placed(error, rows) from None
        return [
            (row, predictions_of(self.answerer.task, answer, self.top_k))
            for row, answer in zip(rows, answers, strict=True)
        ]

    def _placed(self, error: ItemError, rows: list[InputRow]) -> InputError:
        return InputError(self.source.place(rows[error.position].line) + error.reason)


def _chunks(rows: Iterator[InputRow], size: int) -> Iterator[list[InputRow]]:
    while chunk := list(islice(rows, size)):
        yield chunk


def _state_of(answerer: Pipeline[Any], options: dict[str, Any]) -> str:
    from mobilebert.commands.model_state import model_state  # memory that only files need

    return model_state(
        options["model"] or BUNDLED_MODEL,
        HubOptions(revision=options["revision"]),
        answerer.config,
        backend_class(answerer.model.name).formats,
    )


def _load(task: str | None, options: dict[str, Any]) -> Pipeline[Any]:
    device = options["device"]
    if device is not None and device.lstrip("-").isdigit():
        device = int(device)
    return pipeline(
        task,
        options["model"],
        revision=options["revision"],
        backend=options["backend"],
        device=device,
        dtype=options["dtype"],
        batch_size=options["batch_size"],
        allow_untrained=options["allow_untrained"],
    )


def _refuse_unused(texts: Sequence[str], options: dict[str, Any]) -> None:
    """Refuse options that have no use beside the others."""
    if options["output_path"] is None:
        refuse_unused(["overwrite", "resume"], "without --output FILE")
    if texts:
        refuse_unused(["input_format"], "with TEXT arguments")


def _parameters(options: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of the task that the options give.

    Raises:
        InputError: One is given twice, or is none.
    """
    parameters = _read_parameters(options["parameters"])
    if options["candidate_labels"] is not None:
        parameters["candidate_labels"] = options["candidate_labels"]
    if options["top_k"] is not None and "top_k" in parameters:
        raise InputError("--top-k and --parameter top_k=... say the same; give one.")
    return parameters


def _refuse_unwritten(parameters: dict[str, Any], form: str) -> None:
    """Refuse parameters that ask for what is not written.

    Raises:
        InputError: One does.
    """
    if parameters.get("return_tensors"):
        raise InputError(
            "--parameter return_tensors has no use here: numbers are written as text; leave it out."
        )
    if parameters.get("return_null_score") and form not in _WHOLE_FORMATS:
        raise InputError(
            f"--parameter return_null_score has no place in {form}; choose --format "
            f"{' or '.join(_WHOLE_FORMATS)}."
        )


def _read_parameters(assignments: Sequence[str]) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(f"--parameter {assignment!r}: write NAME=VALUE.")
        try:
            parameters[name] = json.loads(value)
        except (ValueError, RecursionError):
            parameters[name] = _PYTHON_WORDS.get(value, value)  # a bare word
    return parameters


def _format_of(path: str | None) -> str:
    suffix = Path(path).suffix.removeprefix(".").lower() if path else ""
    return suffix if suffix in OUTPUT_FORMATS else "text"


def _top_k(
    given: int | None, form: str, answerer: Pipeline[Any], parameters: dict[str, Any]
) -> int | None:
    limits = hasattr(answerer.defaults, "top_k") or answerer.task == "zero-shot-classification"
    if given is not None:
        if not limits:
            raise InputError(f"--top-k has no meaning for {answerer.task}.")
        if given < 1:
            raise InputError(f"--top-k must be at least 1, not {given}.")
        return given
    # What says by itself how many labels there are is not cut to the best one.
    chosen = "top_k" in parameters or parameters.get("return_all_scores")
    chosen = chosen or parameters.get("threshold") is not None
    return 1 if form == "csv" and limits and not chosen else None


def _open_source(
    task: str, texts: Sequence[str], options: dict[str, Any], to_file: bool
) -> InputSource:
    path, kind = options["input_path"], options["input_format"]
    if texts and path is not None:
        raise InputError("Give TEXT arguments or --input, not both.")
    if texts:
        return read_texts(read_arguments(task, texts))
    if path is not None and path != STANDARD:
        source = open_file(path, kind)
        output = options["output_path"]
        if output and Path(output).exists() and Path(output).samefile(path):
            raise InputError(f"--input and --output are both {path}; choose another output.")
        return source
    if path is None and sys.stdin.isatty():
        raise InputError("There is nothing to answer: give TEXT, --input FILE, or pipe text in.")
    return open_stream(sys.stdin.buffer, kind, whole=to_file)


class _NoBar:
    """In place of a progress bar that nobody would see."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Do nothing."""

    def update(self, count: int) -> None:
        """Do nothing."""


def _progress_bar(total: int | None, done: int = 0, shown: bool = True) -> Any:
    if not shown:
        return _NoBar()
    from tqdm import tqdm  # 20 ms

    return tqdm(total=total, initial=done, unit=" inputs", file=sys.stderr)
