"""``mobilebert finetune``: from a file of rows to a measured model."""

from typing import Any

import click

from mobilebert.commands.data_options import data_options
from mobilebert.commands.setting_options import setting_options
from mobilebert.training.settings import FinetuneSettings

__all__ = ["finetune"]

HELP = """Tune a model on the rows of a file, and measure it on rows it has not seen.

\b
mobilebert finetune --task text-classification --train reviews.csv --output DIR
mobilebert run --model DIR "A fine film."

Columns, delimiter and encoding are guessed and stated. Without --dev a share of the rows is kept
to judge by. DIR gets the model, report.html, report.json and a model card. Ctrl-C keeps what was
computed, and the same command with --resume goes on.
"""


@click.command(help=HELP)
@click.option(
    "--task",
    metavar="TASK",
    required=True,
    help="What to tune for: text-classification, multi-label-classification, regression, "
    "token-classification (ner), question-answering (qa), multiple-choice, fill-mask.",
)
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
@setting_options(FinetuneSettings)
def finetune(**options: Any) -> None:
    """Run the command; its help is `HELP`."""
    from mobilebert.commands.finetune_run import run_finetune

    run_finetune(options)
