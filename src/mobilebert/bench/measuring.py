"""Measuring one piece of work: who is right, who does it best how, and then all in turn."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.bench.runners import BOUNDS, Cost, Runner
from mobilebert.bench.ways import Way
from mobilebert.bench.work import Work
from mobilebert.bench.worker import RunnerFailure, Worker
from mobilebert.engine.accuracy import token_errors

__all__ = ["Effort", "State", "Workshop", "largest_error", "measure"]

Array = npt.NDArray[Any]


class State(StrEnum):
    """What became of a runner."""

    MEASURED = "measured"
    MISSING = "missing"  # not installed
    LEFT_OUT = "left out"  # by the suite or the user
    FAILED = "failed"
    WRONG = "wrong"  # its outputs are not the reference's, so it is not timed


@dataclass(frozen=True)
class Effort:
    """How much is done for one work.

    Attributes:
        rounds: How often all runners have their turn, at most.
        seconds: After so long no further round begins.
        least_rounds: Rounds that there are in any case.
        turn_seconds: What a turn lasts about, where calls are short.
        settle_seconds: Pause before a turn: threads of the runner before may still be spinning.
        dearest: Which runners take part, by what getting them ready takes.
    """

    rounds: int = 15
    seconds: float = 30.0
    least_rounds: int = 3
    turn_seconds: float = 0.03
    settle_seconds: float = 0.02
    dearest: Cost = Cost.COMPILATION


# Ways and rounds that cannot change who is best are spared: this many times slower.
HOPELESS = 3.0

# A first call that takes so long says enough about a way; a shorter one is mostly warming up.
_TELLING_SECONDS = 0.5
_PROBES = 3
_MOST_CALLS = 10


class Workshop:
    """The processes of the runners, kept from work to work.

    Args:
        folder: The model's folder.
        make: Starts the process of a runner.
    """

    def __init__(self, folder: Path, make: Callable[[Runner, Path], Worker] = Worker) -> None:
        self._folder, self._make = folder, make
        self._workers: dict[str, Worker] = {}

    def worker(self, runner: Runner) -> Worker:
        """Return the process of a runner; started when it is asked for first."""
        if runner.name not in self._workers:
            self._workers[runner.name] = self._make(runner, self._folder)
        return self._workers[runner.name]

    def dismiss(self, runner: Runner) -> None:
        """End the process of a runner."""
        worker = self._workers.pop(runner.name, None)
        if worker is not None:
            worker.close()

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()


@dataclass
class _Entry:
    """A runner in one work."""

    runner: Runner
    state: State = State.MEASURED
    reason: str | None = None
    error: float | None = None
    first: float | None = None
    way: Way | None = None
    probes: dict[Way, float] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)

    @property
    def quick(self) -> float:
        """Seconds of the way it does best."""
        return min(self.probes.values())

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "runner": self.runner.name,
            "dtype": self.runner.dtype,
            "ours": self.runner.ours,
            "state": self.state.value,
            "reason": self.reason,
            "error": self.error if self.error is None or math.isfinite(self.error) else None,
            "first_seconds": self.first,
            "way": None if self.way is None else str(self.way),
            "padded": None if self.way is None else self.way.padded,
            "probes": {str(way): seconds for way, seconds in self.probes.items()},
            **self.facts,
        }
        if self.seconds:
            ordered = sorted(self.seconds)
            found["median"] = statistics.median(ordered)
            found["p90"] = ordered[int(0.9 * (len(ordered) - 1) + 0.5)]
            found["least"], found["calls"] = ordered[0], len(ordered)
        return found


def largest_error(found: Sequence[Array], wanted: Sequence[Array]) -> float:
    """Compare outputs with the reference: the largest error of a token, relative to its vector.

    Args:
        found: An array [S, H] (or [H]) for each text.
        wanted: The same, in float64.

    Returns:
        The largest of `token_errors`; infinite where shapes differ or something is not finite.
    """
    if [x.shape for x in found] != [x.shape for x in wanted]:
        return float("inf")
    worst = 0.0
    for mine, right in zip(found, wanted, strict=True):
        if not np.isfinite(mine).all():
            return float("inf")
        worst = max(worst, float(np.max(token_errors(mine, right))))
    return worst


def measure(
    work: Work,
    runners: Sequence[Runner],
    expected: Sequence[Array],
    processors: int,
    workshop: Workshop,
    effort: Effort,
    say: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Measure a work.

    First each runner is compared with the reference and tries its ways; then all do the work in
    turn, round by round, each in its best way.

    Args:
        work: The work.
        runners: Who takes part.
        expected: The reference's outputs, an array for each text.
        processors: How many there are.
        workshop: Where runners live.
        effort: How much is done.
        say: Told what is going on.

    Returns:
        A record for each runner.
    """
    entries = [_Entry(runner) for runner in runners if runner.takes_part(work)]
    # The last of the table are the fastest peers: beside them the others need not try every way.
    best = float("inf")
    for entry in reversed(entries):
        if (refusal := _refusal(entry.runner, work, effort)) is not None:
            entry.state, entry.reason = refusal
            continue
        say(f"{work.name}: {entry.runner.name} gets ready")
        usable = min(processors, work.threads or processors)
        prepare = partial(_prepare, entry, work, expected, usable, workshop, best)
        _guarded(entry, workshop, prepare)
        if entry.state is State.MEASURED and not entry.runner.ours:
            best = min(best, entry.quick)
    _rounds(entries, work, workshop, effort, say)
    return [entry.as_json() for entry in entries]


def _refusal(runner: Runner, work: Work, effort: Effort) -> tuple[State, str] | None:
    if (missing := runner.missing()) is not None:
        return State.MISSING, missing
    if runner.cost > effort.dearest:
        return State.LEFT_OUT, "getting it ready takes a minute"
    if runner.cost is Cost.COMPILATION and runner.dtype not in work.compiled:
        return State.LEFT_OUT, "compiling takes a minute for every work, and is kept for some"
    return None


def _guarded(entry: _Entry, workshop: Workshop, act: Callable[[], None]) -> None:
    """Do something with a runner; if it fails, the failure is its row."""
    try:
        act()
    except RunnerFailure as failure:
        entry.state, entry.reason = State.FAILED, str(failure)
        entry.seconds.clear()
        workshop.dismiss(entry.runner)


def _prepare(
    entry: _Entry,
    work: Work,
    expected: Sequence[Array],
    processors: int,
    workshop: Workshop,
    best: float,
) -> None:
    """Check a runner's outputs, try its ways and load the best one."""
    worker = workshop.worker(entry.runner)
    loaded = None
    for way in entry.runner.ways(work, processors):
        if entry.probes and entry.quick > HOPELESS * best:
            break
        if not _load_checked(entry, worker, work, way, expected):
            return
        loaded = way
        first = entry.first or 0.0
        telling = first > _TELLING_SECONDS
        entry.probes[way] = first if telling else min(worker.times(_PROBES, work.caches)[0])
    entry.way = min(entry.probes, key=lambda way: entry.probes[way])
    if loaded != entry.way:
        _load_checked(entry, worker, work, entry.way, expected)


def _load_checked(
    entry: _Entry, worker: Worker, work: Work, way: Way, expected: Sequence[Array]
) -> bool:
    outputs, entry.first = worker.load(work, way)
    entry.error = largest_error(outputs, expected)
    bound = BOUNDS[entry.runner.dtype]
    if entry.error <= bound:
        return True
    entry.state = State.WRONG
    entry.reason = f"its outputs differ from the float64 reference by {entry.error:.2g} > {bound:g}"
    return False


def _rounds(
    entries: Sequence[_Entry],
    work: Work,
    workshop: Workshop,
    effort: Effort,
    say: Callable[[str], None],
) -> None:
    fine = [entry for entry in entries if entry.state is State.MEASURED]
    best = min((entry.quick for entry in fine if not entry.runner.ours), default=0.0)
    start = time.monotonic()
    for number in range(effort.rounds):
        late = time.monotonic() - start > effort.seconds
        if number >= effort.least_rounds and late:
            break
        say(f"{work.name}: round {number + 1} of {effort.rounds}")
        for entry in fine:
            slow = entry.quick > HOPELESS * best and not entry.runner.ours
            if entry.state is State.MEASURED and not (slow and number >= effort.least_rounds):
                _guarded(entry, workshop, partial(_turn, entry, work, workshop, effort))


def _turn(entry: _Entry, work: Work, workshop: Workshop, effort: Effort) -> None:
    time.sleep(effort.settle_seconds)
    calls = max(1, min(_MOST_CALLS, int(effort.turn_seconds / entry.quick)))
    seconds, entry.facts = workshop.worker(entry.runner).times(calls, work.caches)
    entry.seconds.extend(seconds)
