"""Tune the bundled model on one of the data sets of the table of figures.

    python recipes/finetune.py NAME --data DIR --output DIR [options of `mobilebert finetune`]
    python recipes/finetune.py NAME --data DIR --output DIR --print

It prints the command that it stands for, and runs it. README.md beside it has the names.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rows import ROWS

from mobilebert.commands.main import cli

__all__ = ["command", "main"]


def command(given: Sequence[str]) -> tuple[list[str], bool]:
    """Return the arguments of ``mobilebert`` that a recipe stands for, and whether to run them.

    Args:
        given: The recipe's own arguments.
    """
    parser = argparse.ArgumentParser(
        prog="finetune.py",
        description="Tune the bundled model on a data set of the table of figures.",
        epilog="Other options are those of `mobilebert finetune`: --seeds 3, --max-steps 100, ...",
        allow_abbrev=False,
    )
    parser.add_argument("name", choices=ROWS, metavar="NAME", help=", ".join(ROWS))
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="of all data sets")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="for the model")
    parser.add_argument("--print", action="store_true", help="print the command alone")
    options, others = parser.parse_known_args(given)
    return ROWS[options.name].arguments(options.data, options.output) + others, not options.print


def main() -> None:
    """Print the command, and run it."""
    arguments, run = command(sys.argv[1:])
    print(shlex.join(["mobilebert", *arguments]), flush=True)
    if run:
        cli(arguments, prog_name="mobilebert")


if __name__ == "__main__":
    main()
