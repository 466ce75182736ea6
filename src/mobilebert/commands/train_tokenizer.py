"""``mobilebert train-tokenizer``: a WordPiece vocabulary for other languages and fields."""

from typing import Any

import click

__all__ = ["train_tokenizer"]

HELP = """Train a WordPiece vocabulary on plain text.

\b
mobilebert train-tokenizer --input corpus/ --output my-tokenizer
mobilebert train-tokenizer --input text.jsonl --output DIR --vocab-size 16000 --cased

Text is read as by prepare-pretraining. DIR gets vocab.txt, tokenizer.json and their settings, which
every command and `MobileBertTokenizer.from_pretrained` load.
"""


@click.command("train-tokenizer", help=HELP)
@click.option(
    "--input",
    "inputs",
    metavar="FILE|DIR",
    required=True,
    multiple=True,
    help="Text; may be repeated.",
)
@click.option("--output", metavar="DIR", required=True, help="Directory for the tokenizer.")
@click.option(
    "--vocab-size",
    metavar="N",
    type=int,
    default=30522,
    show_default=True,
    help="Tokens at most, special ones included.",
)
@click.option(
    "--min-frequency",
    metavar="N",
    type=int,
    default=2,
    show_default=True,
    help="How often a piece must occur.",
)
@click.option("--cased", is_flag=True, help="Keep capitals; accents stay too.")
@click.option(
    "--strip-accents/--no-strip-accents",
    default=None,
    help="Remove accents, or keep them. Default: removed, but for --cased.",
)
@click.option(
    "--special",
    "special_tokens",
    metavar="TOKEN",
    multiple=True,
    help="A special token beside those of BERT; may be repeated.",
)
@click.option("--text-column", metavar="C", help="Where rows have their text. Default: looked for.")
@click.option("--encoding", metavar="E", help="Of the files. Default: guessed.")
@click.option("--overwrite", is_flag=True, help="Replace a tokenizer that is there.")
def train_tokenizer(**options: Any) -> None:
    """Run the command; its help is `HELP`."""
    from mobilebert.corpora import vocabulary_training

    inputs, output = options.pop("inputs"), options.pop("output")
    options["lower_case"] = not options.pop("cased")
    result = vocabulary_training.train_tokenizer(list(inputs), output, progress=True, **options)
    click.echo(result.summary())
