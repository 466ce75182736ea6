"""What ``mobilebert bench`` does with its options."""

import sys
import time
from pathlib import Path
from typing import Any

import click

from mobilebert.bench.measuring import Effort
from mobilebert.bench.results import Results, read_results
from mobilebert.bench.runners import Cost, chosen_runners
from mobilebert.bench.running import Plan, bench_cache, facts_of, run
from mobilebert.bench.tables import figure_table, row_table, summary
from mobilebert.bench.work import suite
from mobilebert.commands.facts import processor_facts
from mobilebert.commands.standard_output import write_stdout
from mobilebert.config import MobileBertConfig
from mobilebert.engine.native import choose_threads

__all__ = ["print_tables", "run_suite"]

# By suite: minutes, layers, and what is done for a work.
DEFAULTS: dict[str, tuple[float, int, Effort]] = {
    "quick": (1.0, 4, Effort(rounds=3, seconds=3.0, dearest=Cost.SECONDS)),
    "figures": (15.0, 24, Effort()),
    "grid": (90.0, 24, Effort(rounds=9, seconds=20.0)),
}


SECONDS_BETWEEN_LINES = 15.0


def print_tables(name: str) -> None:
    """Print the tables of results.

    Raises:
        InputError: The file holds no results.
    """
    content = read_results(Path(name))
    parts = [row_table(row) for row in content["rows"]]
    write_stdout("\n\n".join([summary(content), *parts, figure_table(content)]) + "\n")


def run_suite(name: str, options: dict[str, Any]) -> None:
    """Measure a suite and print what comes out.

    Raises:
        InputError: Options contradict each other, or the output is there already.
    """
    minutes, layers, effort = DEFAULTS[name]
    plan = Plan(
        works=suite(name, options["lengths"], options["batches"]),
        runners=chosen_runners(options["runners"]),
        config=MobileBertConfig(num_hidden_layers=options["layers"] or layers),
        effort=effort,
        minutes=options["minutes"] or minutes,
        cache=bench_cache(options["cache"]),
        processors=choose_threads(),
    )
    path = None if options["output"] is None else Path(options["output"])
    facts = facts_of(plan, processor_facts())
    results = Results.begin(path, facts, options["overwrite"], options["resume"])
    progress = _Progress()

    def show(row: dict[str, Any]) -> None:
        progress.clear()
        write_stdout(row_table(row) + "\n\n")

    complete = False
    try:
        complete = run(plan, results, progress.say, show)
    finally:
        progress.clear()
        _conclude(results, complete, name)


class _Progress:
    """What is going on: one line of a terminal, written over; elsewhere a line now and then."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def say(self, what: str) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r\x1b[K{what[:100]}", nl=False, err=True)
        elif time.monotonic() - self._last > SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            click.echo(what, err=True)

    def clear(self) -> None:
        if sys.stderr.isatty():
            click.echo("\r\x1b[K", nl=False, err=True)


def _conclude(results: Results, complete: bool, name: str) -> None:
    """Say what was measured, also of a run that was interrupted."""
    if not results.rows:
        return
    content = results.as_json()
    parts = [summary(content)]
    if name == "figures":
        parts.append(figure_table(content))
    write_stdout("\n\n".join(parts) + "\n")
    if not complete:
        kept = "" if results.path is None else f" in {results.path}; --resume measures the rest"
        click.echo(f"Not all was measured. What was is kept{kept}.", err=True)
