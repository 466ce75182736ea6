"""The ``mobilebert`` command: its subcommands, and the one place where errors become messages.

A subcommand's module is imported when it is asked for, and none imports anything heavy at its top,
so that ``--help`` is immediate.
"""

import importlib
import os
import sys
from typing import Any

import click

from mobilebert import __version__
from mobilebert.errors import MobileBertError

__all__ = ["cli", "main"]

# What a shell reports for a program that a signal ended: 128 + SIGINT and 128 + SIGPIPE.
INTERRUPTED = 130
BROKEN_PIPE = 141
BAD_INPUT = 2

# In the order in which --help lists them; the module and the command in it have the same name, with
# underscores.
SUBCOMMANDS = (
    "run",
    "finetune",
    "evaluate",
    "compare",
    "prepare-pretraining",
    "train-tokenizer",
    "pretrain",
    "distill",
    "info",
    "bench",
)


class _CommandLine(click.Group):
    """Finds subcommands, and turns errors for the user into one sentence and an exit status."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUBCOMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(
            importlib.import_module(f"mobilebert.commands.{name}"), name
        )
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except MobileBertError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(BAD_INPUT)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            _silence_stdout()
            ctx.exit(BROKEN_PIPE)


def _silence_stdout() -> None:
    """Send what is left in the buffer nowhere, so that closing it does not complain."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return  # standard output is no file: nothing is flushed at exit


@click.group(cls=_CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="mobilebert")
def cli() -> None:
    """MobileBERT: answers from texts, without PyTorch on the machine."""


def main() -> None:
    """Run the command line."""
    try:
        cli()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
