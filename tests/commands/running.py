"""Running the command line in this process and in one of its own."""

import os
import subprocess
import sys

from click.testing import CliRunner

from mobilebert.commands.main import cli

# A test run started in the background ignores Ctrl-C, and its processes would inherit that.
START = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from mobilebert.commands.main import main
main()
"""


def invoke(*arguments, stdin=None):
    """Run in this process; a library exception would be seen as such."""
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def answers(*arguments, stdin=None):
    """Run, expect success, and return standard output."""
    result = invoke(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def start(*arguments, **options):
    """Start a process of its own; standard streams are pipes of bytes."""
    return subprocess.Popen(
        [sys.executable, "-c", START, *map(str, arguments)],
        stdin=options.pop("stdin", subprocess.DEVNULL),
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"} | options.pop("env", {}),
        **options,
    )


def assert_refused(result, message):
    """Exit status 2, one sentence on standard error with `message` in it, no traceback."""
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert result.stdout == ""
