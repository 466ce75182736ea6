"""A script that is a step of the recipe, run by itself: usage, and one sentence where it fails."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
from steps import Step

__all__ = ["run_script"]


def run_script(main: Callable[[Sequence[str]], None], documentation: str | None) -> None:
    """Run it with the words of the command line.

    Args:
        main: Of the script.
        documentation: Of the script; it has the line that calls it, with all arguments.

    Raises:
        SystemExit: It was given fewer arguments or more, was interrupted or has failed.
    """
    lines = (documentation or "").splitlines()
    usage = next(line.strip() for line in lines if "python recipes/" in line)
    given = tuple(sys.argv[1:])
    if len(given) != len(usage.split()) - 2:
        sys.exit(f"Usage: {usage}")
    Step(title=usage, arguments=given, main=main).run()
