"""``mobilebert prepare-pretraining``: from plain text to sequences to pre-train on."""

from typing import Any

import click

from mobilebert.commands.setting_options import given_settings, setting_options
from mobilebert.corpora.settings import PreparationSettings

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
@setting_options(PreparationSettings)
@click.option("--processes", metavar="N", type=int, help="Default: as many as processors.")
@click.option("--overwrite", is_flag=True, help="Replace data that are there.")
def prepare_pretraining(**options: Any) -> None:
    """Run the command; its help is `HELP`."""
    from mobilebert.corpora import preparing
    from mobilebert.engine.processors import usable_processors
    from mobilebert.hub import BUNDLED_MODEL

    processes = options["processes"]
    result = preparing.prepare_pretraining(
        list(options["inputs"]),
        options["output"],
        tokenizer=options["tokenizer"] or BUNDLED_MODEL,
        processes=usable_processors() if processes is None else processes,
        overwrite=options["overwrite"],
        progress=True,
        **given_settings(PreparationSettings, options),
    )
    click.echo(result.summary())
