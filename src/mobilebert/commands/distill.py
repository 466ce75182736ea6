"""``mobilebert distill``: from a teacher to a student that knows what it knows."""

from typing import Any

import click

from mobilebert.commands.long_run_options import long_run_options
from mobilebert.commands.setting_options import setting_options
from mobilebert.distillation.settings import DistillSettings

__all__ = ["distill"]

HELP = """Transfer the knowledge of a teacher to a student, as MobileBERT was made.

\b
mobilebert pretrain --config ib-bert-mini --data DATA --output TEACHER
mobilebert distill --teacher TEACHER --student mobilebert-mini --data DATA --output DIR
mobilebert run --model DIR "She opened the [MASK]."

DIR gets the student, its tokenizer, curves.jsonl, report.html, report.json and a model card.
Ctrl-C keeps what was computed, and the same command with --resume goes on.
"""


@click.command(help=HELP)
@click.option("--teacher", metavar="M", required=True, help="Directory or Hub name of a model.")
@click.option("--student", metavar="C", help="Preset, or config.json of a new model.")
@click.option("--init", metavar="M", help="In place of it, a checkpoint to go on from.")
@long_run_options("that of --init if it has one, or the teacher's")
@setting_options(DistillSettings)
def distill(**options: Any) -> None:
    """Run the command; its help is `HELP`."""
    from mobilebert.extras import require_training

    require_training("Distillation")
    from mobilebert.commands.long_run import finish, long_run_arguments
    from mobilebert.distillation.distill import distill

    finish(
        distill(
            options["teacher"],
            options["student"],
            init=options["init"],
            **long_run_arguments(DistillSettings, options),
        )
    )
