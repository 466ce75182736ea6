"""``mobilebert run``: answers for texts, from arguments, standard input or a file."""

from collections.abc import Sequence
from typing import Any

import click

__all__ = ["run"]

FORMATS = ("text", "json", "jsonl", "csv")
INPUTS = ("txt", "csv", "tsv", "jsonl")
BACKENDS = ("auto", "engine", "numpy", "torch", "keras")

# \b keeps click from filling the lines of a paragraph.
HELP = """Answer texts: arguments, lines of standard input, or rows of a file.

\b
mobilebert run --task fill-mask "The capital of France is [MASK]."
echo "The capital of France is [MASK]." | mobilebert run --task fill-mask
mobilebert run --model DIR --input reviews.csv --column text=review --output labelled.csv

Question answering takes a question and a context, next-sentence-prediction two texts,
multiple-choice a text and its choices. csv has one line for each prediction, and only the best
prediction unless --top-k (or -p threshold) says otherwise. A TEXT that begins with - goes
behind --.
"""


@click.command(help=HELP)
@click.argument("texts", metavar="[TEXT]...", nargs=-1)
@click.option(
    "--task",
    metavar="T",
    help="fill-mask, text-classification, token-classification, question-answering, "
    "feature-extraction, zero-shot-classification, multiple-choice, next-sentence-prediction, or "
    "another name of these (ner, masked_lm, ...). Default: what the model was made for.",
)
@click.option(
    "--model",
    metavar="M",
    help="Directory or Hub name. fill-mask and feature-extraction have a default.",
)
@click.option("--revision", metavar="R", help="Branch, tag or commit of a model on the Hub.")
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    default="auto",
    show_default=True,
    help="What computes. auto is the engine (numpy where it was not compiled), unless "
    "--device asks for an accelerator.",
)
@click.option("--device", metavar="D", help="cpu, a number, or a device name of PyTorch or Keras.")
@click.option(
    "--dtype",
    metavar="D",
    help="float32, float64 or bfloat16, with torch also float16, with the engine also int8. "
    "Default: float32, or on the engine the fastest that is near enough to it.",
)
@click.option("--input", "input_path", metavar="FILE", help="File to read, - for standard input.")
@click.option(
    "--input-format",
    type=click.Choice(INPUTS),
    help="How the input is written. Default: its suffix; txt (a text a line) on standard input.",
)
@click.option(
    "--column",
    "columns",
    metavar="FIELD=COLUMN[,...]",
    multiple=True,
    help="Columns to read: text=C, text_pair=D; question=C,context=D; choices=A+B+C.",
)
@click.option("--candidate-labels", metavar="A,B", help="Labels of zero-shot-classification.")
@click.option("--top-k", metavar="K", type=int, help="Predictions for each input.")
@click.option(
    "-p",
    "--parameter",
    "parameters",
    metavar="NAME=VALUE",
    multiple=True,
    help="Another parameter of the task, e.g. aggregation_strategy=simple (docs/pipelines.md).",
)
@click.option("--output", "output_path", metavar="FILE", help="File to write, whole or not at all.")
@click.option("--overwrite", is_flag=True, help="Replace an output that is there.")
@click.option("--resume", is_flag=True, help="Continue an output that was interrupted.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(FORMATS),
    help="How to write answers. Default: the suffix of --output, else text.",
)
@click.option(
    "--batch-size",
    metavar="N",
    type=int,
    help="Sequences per batch. Default: as many as 512 tokens allow.",
)
@click.option("--allow-untrained", is_flag=True, help="Run a model whose head is random.")
def run(texts: Sequence[str], **options: Any) -> None:
    """Run the command; its help is `HELP`."""
    from mobilebert.commands.batch_run import BatchRun

    BatchRun.read(texts, options).execute()
