"""The ``mobilebert`` command: its subcommands, and the one place where errors become messages.

Nothing heavy is imported here or at the top of the subcommands' modules, so that ``--help`` is
immediate.
"""

import os
import sys
from typing import Any

import click

from mobilebert import __version__
from mobilebert.commands.bench import bench
from mobilebert.commands.info import info
from mobilebert.commands.run import run
from mobilebert.errors import MobileBertError

__all__ = ["cli", "main"]

# What a shell reports for a program that a signal ended: 128 + SIGINT and 128 + SIGPIPE.
INTERRUPTED = 130
BROKEN_PIPE = 141
BAD_INPUT = 2


class _CommandLine(click.Group):
    """Turns errors meant for the user into one sentence and an exit status."""

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


cli.add_command(run)
cli.add_command(info)
cli.add_command(bench)


def main() -> None:
    """Run the command line."""
    try:
        cli()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
