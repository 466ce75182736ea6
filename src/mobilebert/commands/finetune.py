"""``mobilebert finetune``: from a file of rows to a measured model."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import click

from mobilebert.commands.data_options import data_options
from mobilebert.training.settings import FinetuneSettings, kind_of

__all__ = ["finetune"]

F = TypeVar("F", bound=Callable[..., Any])

TASK_NAMES = (
    "text-classification",
    "multi-label-classification",
    "regression",
    "token-classification",
    "question-answering",
    "multiple-choice",
    "fill-mask",
)

HELP = """Tune a model on the rows of a file, and measure it on rows it has not seen.

\b
mobilebert finetune --task text-classification --train reviews.csv --output DIR
mobilebert run --model DIR "A fine film."

Columns, delimiter and encoding are guessed and stated. Without --dev a share of the rows is kept
to judge by. DIR gets the model, report.html, report.json and a model card. Ctrl-C keeps what was
computed, and the same command with --resume goes on.
"""

_KINDS: dict[str, type] = {"int": int, "float": float, "str": str}


def _setting_option(setting: "dataclasses.Field[Any]") -> Callable[[F], F]:
    """Make the option of a setting."""
    facts = setting.metadata
    name = f"--{setting.name.replace('_', '-')}"
    if kind_of(setting) == "bool":
        return click.option(name, is_flag=True, help=facts["help"])
    default = "" if setting.default is None else f"  [default: {setting.default}]"
    return click.option(
        name,
        type=click.Choice(facts["choices"]) if facts["choices"] else _KINDS[kind_of(setting)],
        metavar=None if facts["choices"] else facts["metavar"],
        help=facts["help"] + default,
    )


def _setting_options(command: F) -> F:
    for setting in reversed(dataclasses.fields(FinetuneSettings)):
        command = _setting_option(setting)(command)
    return command


@click.command(help=HELP)
@click.option("--task", required=True, type=click.Choice(TASK_NAMES), help="What to tune for.")
@click.option(
    "--train",
    metavar="FILE",
    required=True,
    multiple=True,
    help="Rows to learn from: csv, tsv, jsonl, txt, json (SQuAD), conll, parquet, xlsx. May be "
    "repeated.",
)
@click.option("--dev", metavar="FILE", multiple=True, help="Rows to judge by.")
@click.option(
    "--model", metavar="M", help="Directory or Hub name to begin with. Default: the bundled one."
)
@click.option("--output", metavar="DIR", required=True, help="Directory for the model.")
@click.option("--overwrite", is_flag=True, help="Replace the model that is there.")
@click.option("--resume", is_flag=True, help="Go on where this command was interrupted.")
@click.option("--quick", is_flag=True, help="A few minutes: fewer steps and shorter sequences.")
@click.option(
    "--seeds",
    metavar="N",
    type=click.IntRange(1, 100),
    default=1,
    help="Runs; the best is kept, and the report has mean and deviation.",
)
@click.option("--group", metavar="COLUMN", help="Rows that agree here are never split apart.")
@data_options
@_setting_options
def finetune(**options: Any) -> None:
    """Run the command; its help is `HELP`."""
    from mobilebert.commands.finetune_run import run_finetune

    run_finetune(options)
