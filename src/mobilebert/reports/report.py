"""What came of training a model: plain numbers, texts and lists, and nothing else.

`Report.to_json` is the content of report.json; docs/report.md lists its fields.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from mobilebert.reports.data_summary import DataFile, DataSummary, LengthBin, ProblemKind
from mobilebert.reports.evaluation_summary import (
    CalibrationBin,
    ClassRow,
    Confusion,
    EvaluationSummary,
    WorstError,
)
from mobilebert.reports.storage import from_plain, to_plain

__all__ = [
    "SCHEMA",
    "CalibrationBin",
    "ClassRow",
    "Confusion",
    "DataFile",
    "DataSummary",
    "EvaluationEntry",
    "EvaluationSummary",
    "Event",
    "History",
    "LengthBin",
    "ModelSummary",
    "ProblemKind",
    "Report",
    "SeedRun",
    "Seeds",
    "StepEntry",
    "WorstError",
]

SCHEMA = 1


@dataclass(kw_only=True)
class ModelSummary:
    """The model.

    Attributes:
        name: What to call it.
        start: What it was tuned from, as the user named it.
        base_model: The Hub name of that, or None where it has none.
        parameters: How many numbers it has.
        trained_parameters: How many were trained, before low-rank changes are merged; None for all.
        megabytes: Size of its weights in a file, 10^6 bytes.
        vocabulary: Tokens.
        maximum_tokens: Longest input.
        license: Identifier of the license as the Hub spells it, or None where it is not known.
        languages: ISO 639 codes, where they are known.
    """

    name: str
    start: str = ""
    base_model: str | None = None
    parameters: int = 0
    trained_parameters: int | None = None
    megabytes: float = 0.0
    vocabulary: int | None = None
    maximum_tokens: int | None = None
    license: str | None = None
    languages: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class StepEntry:
    """The loss at a step: the mean since the entry before.

    Attributes:
        step: Steps taken.
        epoch: Passes over the data, with a fraction.
        loss: Mean loss of a unit.
        rate: Learning rate.
        tokens_per_second: Real tokens, without padding.
    """

    step: int
    epoch: float = 0.0
    loss: float = math.nan
    rate: float = math.nan
    tokens_per_second: float = math.nan


@dataclass(kw_only=True)
class EvaluationEntry:
    """An evaluation on the way.

    Attributes:
        step: Steps taken.
        epoch: Passes over the data, with a fraction.
        metrics: By name.
    """

    step: int
    epoch: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(kw_only=True)
class Event:
    """Something that happened on the way.

    Attributes:
        kind: ``went back`` (to the last good state, with a smaller rate), ``interrupted``,
            ``resumed``, ``stopped early``, ``gave up`` (it diverged again and again) or another
            word.
        step: Steps taken.
        reason: Why, a sentence or nothing.
    """

    kind: str
    step: int
    reason: str = ""


@dataclass(kw_only=True)
class History:
    """How training went.

    Attributes:
        steps: Losses, in order.
        evaluations: In order.
        events: In order.
        best_step: The step whose weights were kept, or None for the last.
    """

    steps: list[StepEntry] = field(default_factory=list)
    evaluations: list[EvaluationEntry] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    best_step: int | None = None

    @classmethod
    def of(cls, entries: Iterable[Mapping[str, Any]], best_step: int | None = None) -> Self:
        """Sort the entries of a training loop.

        Args:
            entries: Each has ``step`` and ``epoch``, and either ``metrics``, or ``event`` and
                perhaps ``reason``, or ``loss``, ``rate`` and ``tokens_per_second``.
            best_step: The step whose weights were kept.
        """
        history = cls(best_step=best_step)
        for entry in entries:
            step, epoch = entry["step"], entry.get("epoch", 0.0)
            if "event" in entry:
                reason = str(entry.get("reason", ""))
                history.events.append(Event(kind=str(entry["event"]), step=step, reason=reason))
            elif "metrics" in entry:
                metrics = dict(entry["metrics"])
                history.evaluations.append(EvaluationEntry(step=step, epoch=epoch, metrics=metrics))
            else:
                known = {
                    name: entry[name]
                    for name in ("loss", "rate", "tokens_per_second")
                    if name in entry
                }
                history.steps.append(StepEntry(step=step, epoch=epoch, **known))
        return history


@dataclass(kw_only=True)
class SeedRun:
    """One of several runs that differ in their seed.

    Attributes:
        seed: The seed.
        metrics: By name.
    """

    seed: int
    metrics: dict[str, float]


@dataclass(kw_only=True)
class Seeds:
    """Several runs that differ in their seed.

    Attributes:
        runs: The runs.
        mean: Of each metric.
        deviation: Standard deviation of each, of a sample (n - 1); NaN for one run.
    """

    runs: list[SeedRun] = field(default_factory=list)
    mean: dict[str, float] = field(default_factory=dict)
    deviation: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, runs: Sequence[SeedRun]) -> Self:
        """Take the mean and deviation of runs, of the metrics that all of them have."""
        first = runs[0].metrics if runs else {}
        names = [name for name in first if all(name in run.metrics for run in runs)]
        values = {name: [float(run.metrics[name]) for run in runs] for name in names}
        return cls(
            runs=list(runs),
            mean={name: math.fsum(row) / len(row) for name, row in values.items()},
            deviation={name: _deviation(row) for name, row in values.items()},
        )


def _deviation(values: Sequence[float]) -> float:
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return math.nan
    return statistics.stdev(values)


@dataclass(kw_only=True)
class Report:
    """What came of training a model, or of judging one.

    Attributes:
        task: The task, as `mobilebert.datasets.items.FinetuneTask` spells it.
        model: The model.
        data: The data.
        settings: What the run was told, by name; texts, numbers, lists of them, or None.
        history: How training went; empty where a model was only judged.
        evaluation: How good the model is, or None where there is nothing to judge by.
        seeds: Several runs, or None for a single one.
        machine: What it ran on, by name.
        versions: Of Python and libraries, by name.
        seconds: How long it took.
        date: When it ended, ISO 8601.
    """

    task: str
    model: ModelSummary
    data: DataSummary = field(default_factory=DataSummary)
    settings: dict[str, Any] = field(default_factory=dict)
    history: History = field(default_factory=History)
    evaluation: EvaluationSummary | None = None
    seeds: Seeds | None = None
    machine: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    date: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON can say it, with the number of the schema."""
        return {"schema": SCHEMA, **to_plain(self)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], source: str = "The report") -> Self:
        """Read what `to_json` returned.

        Args:
            content: The object.
            source: Where it comes from, as an error names it.

        Raises:
            InputError: It is no such report, or one of another version of this library.
        """
        return from_plain(cls, content, schema=SCHEMA, source=source)
