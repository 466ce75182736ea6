"""``mobilebert bench``: the engine beside other runtimes, measured on this machine."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from mobilebert.commands.unused_options import refuse_unused

__all__ = ["bench"]

F = TypeVar("F", bound=Callable[..., Any])

SUITE_NAMES = ("quick", "figures", "grid")

HELP = """Measure the engine beside other runtimes on this machine.

\b
mobilebert bench                            does it work here, in under a minute
mobilebert bench figures --output FILE      the figures of the README, about 15 minutes
mobilebert bench --table FILE               print the tables of results that are there

All take their turns in one run, each in a process of its own, and only ratios of one run count.
Every output is compared with the float64 reference first. Runtimes that are not installed are
rows with the reason: python -m pip install 'mobilebert[bench]' (docs/benchmarks.md).
"""


def _repeated(option: str, name: str, metavar: str, kind: Any, help: str) -> Callable[[F], F]:
    """Make an option that may be given several times; the command gets a tuple."""
    return click.option(option, name, metavar=metavar, type=kind, multiple=True, help=help)


@click.command(help=HELP)
@click.argument("suite", type=click.Choice(SUITE_NAMES), default="quick")
@click.option("--output", metavar="FILE", help="JSON to write, whole after each piece of work.")
@click.option("--overwrite", is_flag=True, help="Replace an output that is there.")
@click.option("--resume", is_flag=True, help="Measure what an output lacks.")
@click.option("--table", metavar="FILE", help="Print the tables of a JSON; measure nothing.")
@click.option(
    "--minutes",
    metavar="M",
    type=click.FloatRange(min=0, min_open=True),
    help="Begin no further work after so long. Default: 1 (quick), 15 (figures), 90 (grid).",
)
@_repeated(
    *("--length", "lengths", "S", click.IntRange(1, 512)),
    help="Measure texts of so many tokens instead of the suite; may be repeated.",
)
@_repeated(
    *("--batch", "batches", "B", click.IntRange(1, 1024)),
    help="With --length: how many texts. Default: 1.",
)
@_repeated(
    *("--runner", "runners", "NAME", click.STRING),
    help="Only runners with this in their names (engine, OpenVINO, int8, ...); may be repeated.",
)
@click.option(
    "--layers",
    metavar="N",
    type=click.IntRange(1, 24),
    help="Layers of the model. Default: 24, as published; quick has 4.",
)
@click.option("--cache", metavar="DIR", help="Where the model and its exports are kept.")
def bench(suite: str, **options: Any) -> None:
    """Run the command; its help is `HELP`."""
    from mobilebert.commands.bench_run import print_tables, run_suite

    if options["table"] is not None:
        refuse_unused(
            ["suite", *options.keys() - {"table"}], "with --table, which measures nothing"
        )
        print_tables(options["table"])
        return
    if not options["lengths"]:
        refuse_unused(["batches"], "without --length")
    if options["output"] is None:
        refuse_unused(["overwrite", "resume"], "without --output")
    run_suite(suite, options)
