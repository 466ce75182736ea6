"""``mobilebert pretrain``: from prepared text to a model that knows words."""

from typing import Any

import click

from mobilebert.commands.long_run_options import long_run_options
from mobilebert.commands.setting_options import setting_options
from mobilebert.pretraining.settings import PretrainSettings

__all__ = ["pretrain"]

HELP = """Pre-train a model, or a teacher, on masked words and next sentences.

\b
mobilebert prepare-pretraining --input books.txt.xz --output DATA
mobilebert pretrain --config mobilebert-mini --data DATA --output DIR
mobilebert run --model DIR "She opened the [MASK]."

DIR gets the model, its tokenizer, curves.jsonl, report.html, report.json and a model card. Ctrl-C
keeps what was computed, and the same command with --resume goes on.
"""


@click.command(help=HELP)
@click.option("--config", metavar="C", help="Preset, or config.json of a new model.")
@click.option("--init", metavar="M", help="In place of it, a checkpoint to go on from.")
@long_run_options("that of --init, or the bundled one")
@click.option(
    "--vocabulary-from",
    metavar="M",
    help="Checkpoint of BERT's family whose word embeddings are taken.",
)
@click.option(
    "--encoder",
    metavar="M",
    help="Published encoder of BERT's family whose hidden states are learned beside the words.",
)
@setting_options(PretrainSettings)
def pretrain(**options: Any) -> None:
    """Run the command; its help is `HELP`."""
    from mobilebert.extras import require_training

    require_training("Pre-training")
    from mobilebert.commands.long_run import finish, long_run_arguments
    from mobilebert.pretraining.pretrain import pretrain

    finish(
        pretrain(
            options["config"],
            init=options["init"],
            vocabulary_from=options["vocabulary_from"],
            encoder=options["encoder"],
            **long_run_arguments(PretrainSettings, options),
        )
    )
