"""``mobilebert prepare-pretraining``: from plain text to sequences to pre-train on."""

from typing import Any

import click

__all__ = ["prepare_pretraining"]

HELP = """Turn plain text into sequences of tokens to pre-train on, in files mapped into memory.

\b
mobilebert prepare-pretraining --input books.txt.xz --input articles/ --output DIR
mobilebert prepare-pretraining --input text.jsonl --output DIR --tokenizer my-tokenizer

Text is .txt (a paragraph a line, an empty line between documents), .jsonl or .parquet (a document a
row), also as .xz, .gz or .bz2. Some of each file is held out, chosen by the text alone. What is
written depends on text, tokenizer and settings, not on the number of processes. After Ctrl-C or a
crash the same command goes on.
"""


@click.command("prepare-pretraining", help=HELP)
@click.option(
    "--input",
    "inputs",
    metavar="FILE|DIR",
    required=True,
    multiple=True,
    help="Text; may be repeated.",
)
@click.option("--output", metavar="DIR", required=True, help="Directory for the data.")
@click.option(
    "--tokenizer",
    metavar="M",
    help="Directory or Hub name of the model to train. Default: the bundled one.",
)
@click.option(
    "--max-length",
    metavar="N",
    type=int,
    default=128,
    show_default=True,
    help="Tokens of a sequence at most.",
)
@click.option(
    "--short-sequences",
    metavar="F",
    type=float,
    default=0.1,
    show_default=True,
    help="Share of sequences that are shorter than they could be.",
)
@click.option(
    "--dupe-factor",
    metavar="N",
    type=int,
    help="Passes over the text, each with other random numbers. Default: 1, or 10 with --masking "
    "static.",
)
@click.option(
    "--masking",
    type=click.Choice(("dynamic", "static")),
    default="dynamic",
    show_default=True,
    help="Mask words each time a sequence is read, or once and for all.",
)
@click.option("--whole-words", is_flag=True, help="Mask words rather than pieces of words.")
@click.option(
    "--masked-share",
    metavar="F",
    type=float,
    default=0.15,
    show_default=True,
    help="Share of tokens that are masked.",
)
@click.option("--max-masked", metavar="N", type=int, help="Masked tokens of a sequence at most.")
@click.option(
    "--next-sentence/--no-next-sentence",
    default=True,
    help="Pairs of segments, half of which follow each other; or single, full segments.",
)
@click.option(
    "--held-out",
    metavar="F",
    type=float,
    default=0.01,
    show_default=True,
    help="Share of each source that is kept to judge by.",
)
@click.option(
    "--seed",
    metavar="N",
    type=int,
    default=12345,
    show_default=True,
    help="Of all that is random; what is held out does not depend on it.",
)
@click.option("--processes", metavar="N", type=int, help="Default: as many as processors.")
@click.option("--text-column", metavar="C", help="Where rows have their text. Default: looked for.")
@click.option("--encoding", metavar="E", help="Of the files. Default: guessed.")
@click.option("--overwrite", is_flag=True, help="Replace data that are there.")
def prepare_pretraining(**options: Any) -> None:
    """Run the command; its help is `HELP`."""
    from mobilebert.corpora import preparing
    from mobilebert.engine.processors import usable_processors
    from mobilebert.hub import BUNDLED_MODEL

    inputs, output = options.pop("inputs"), options.pop("output")
    options["tokenizer"] = options["tokenizer"] or BUNDLED_MODEL
    if options["processes"] is None:
        options["processes"] = usable_processors()
    result = preparing.prepare_pretraining(list(inputs), output, progress=True, **options)
    click.echo(result.summary())
