"""Writes the help texts of the command line into docs/command-line.md.

    python docs/update_command_line.py

A test checks that the page is current.
"""

import re
from pathlib import Path

import click

from mobilebert.commands.main import cli

PAGE = Path(__file__).with_name("command-line.md")
WIDTH = 96

# The block behind a marker such as <!-- help: mobilebert run --> is replaced.
BLOCK = re.compile(r"<!-- help: (mobilebert ?[\w-]*) -->\n```text\n.*?```\n", re.DOTALL)


def help_text(name: str) -> str:
    """Return what ``NAME --help`` prints."""
    command: click.Command = cli
    context = click.Context(cli, info_name="mobilebert", **cli.context_settings)
    for word in name.split()[1:]:
        command = cli.get_command(context, word)
        context = click.Context(command, info_name=word, parent=context)
    context.terminal_width = WIDTH
    return command.get_help(context)


def updated(page: str) -> str:
    """Return the page with current help texts."""

    def block(match: re.Match[str]) -> str:
        name = match[1]
        return f"<!-- help: {name} -->\n```text\n{help_text(name)}\n```\n"

    return BLOCK.sub(block, page)


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
