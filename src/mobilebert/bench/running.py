"""A run of the benchmarks: the works of a suite one after the other, each kept when it is done."""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from mobilebert import __version__
from mobilebert.bench.measuring import Effort, Workshop, measure
from mobilebert.bench.model import BenchModel
from mobilebert.bench.peaks import measure_peaks, peak_of
from mobilebert.bench.results import Results
from mobilebert.bench.runners import Runner
from mobilebert.bench.work import Kind, Work, useful_flop
from mobilebert.config import MobileBertConfig
from mobilebert.engine.cache import DIRECTORY_VARIABLE, cache_root
from mobilebert.errors import InputError

__all__ = ["Plan", "bench_cache", "facts_of", "run"]

_PEERS = ("numpy", "torch", "transformers", "onnx", "onnxruntime", "openvino", "nncf")


@dataclass(frozen=True)
class Plan:
    """What a run does.

    Attributes:
        works: The works, in order.
        runners: Who takes part.
        config: The model.
        effort: How much is done for each work.
        minutes: After so long no further work begins; one is done in any case.
        cache: Where models are kept between runs.
        processors: How many may be used.
    """

    works: Sequence[Work]
    runners: Sequence[Runner]
    config: MobileBertConfig
    effort: Effort
    minutes: float
    cache: Path
    processors: int


def bench_cache(given: str | None = None) -> Path:
    """Return where models and exports are kept; everything there may be deleted at any time.

    Args:
        given: A directory that the user names.

    Raises:
        InputError: There is no such user as in ~user, or no home directory.
    """
    if given:
        try:
            return Path(given).expanduser()
        except RuntimeError:
            raise InputError(f"There is no home directory for {given!r}; write it out.") from None
    root = cache_root()
    if root is None:
        raise InputError(
            f"There is no home directory for the model and its exports. Name a directory with "
            f"--cache or {DIRECTORY_VARIABLE}."
        )
    return root / "bench"


def facts_of(plan: Plan, processor: Mapping[str, Any]) -> dict[str, Any]:
    """Collect what results are of: machine, versions, commit, model.

    Args:
        plan: The run.
        processor: The processor, with its ``name``.
    """
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": _commit(),
        "machine": dict(processor),
        "versions": {"mobilebert": __version__} | {name: _version(name) for name in _PEERS},
        "model": {"layers": plan.config.num_hidden_layers, "hidden": plan.config.hidden_size},
        "threads": plan.processors,
    }


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the source tree this runs from; None where it is installed."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return found.stdout.strip() or None


def run(
    plan: Plan,
    results: Results,
    say: Callable[[str], None] = lambda _: None,
    show: Callable[[dict[str, Any]], None] = lambda _: None,
    workshop: Callable[[Path], Workshop] = Workshop,
) -> bool:
    """Measure what the results lack.

    Args:
        plan: What to do.
        results: Where rows are added, one for each work, as soon as it is done.
        say: Told what is going on.
        show: Given each row.
        workshop: Makes the place where runners live.

    Returns:
        Whether everything is measured: False where the minutes did not suffice.

    Raises:
        CheckpointError: The model's folder or the results cannot be written.
    """
    start = time.monotonic()
    say("making the model")
    model = BenchModel.prepare(plan.cache, plan.config)
    if "peaks" not in results.facts:
        say("measuring the peaks")
        results.facts["peaks"] = measure_peaks(plan.processors)
        results.write()
    left = [
        work
        for work in plan.works
        if not results.done(work.name) and any(runner.takes_part(work) for runner in plan.runners)
    ]
    place = workshop(model.folder)
    try:
        for number, work in enumerate(left):
            if number and time.monotonic() - start > 60 * plan.minutes:
                return False
            say(f"{work.name}: computing the reference")
            expected = model.expected(work)
            records = measure(
                work, plan.runners, expected, plan.processors, place, plan.effort, say
            )
            results.add(_row(work, records, plan, results.facts["peaks"]))
            show(results.rows[-1])
    finally:
        place.close()
    return True


def _row(
    work: Work, records: list[dict[str, Any]], plan: Plan, peaks: dict[str, Any]
) -> dict[str, Any]:
    flop = useful_flop(plan.config, work.lengths) if work.kind is Kind.ENCODER else None
    threads = work.threads or plan.processors
    for record in records:
        peak = peak_of(peaks, record["dtype"], work.isa)
        if flop and peak and "median" in record:
            rate = 1e-9 * flop / record["median"]
            record["gflops"] = rate
            record["percent_of_peak"] = 100 * rate / (peak * threads / peaks["threads"])
    return {
        "work": work.name,
        "kind": work.kind.value,
        "texts": len(work.lengths),
        "tokens": work.tokens,
        "useful_gflop": None if flop is None else 1e-9 * flop,
        "threads": threads,
        "caches": work.caches.value,
        "isa": work.isa,
        "runners": records,
    }
