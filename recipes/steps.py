"""Commands that follow each other; the same recipe goes on at the one that was interrupted."""

import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobilebert.commands.main import cli
from mobilebert.errors import MobileBertError
from mobilebert.extras import require_training
from mobilebert.files import make_directory, write_atomic

__all__ = ["COMMANDS_FILE", "Step", "keep_commands", "options_of", "run_steps", "written"]

COMMANDS_FILE = "commands.sh"
INTERRUPTED = 130
# What a command of mobilebert writes last, if not report.json.
_LAST = {"train-tokenizer": "tokenizer.json", "prepare-pretraining": "manifest.json"}
# Where training keeps its states, which --resume goes on from.
_STATES = "training"
# Commands that write at once at their end, and refuse what half of that has left.
_WRITE_ANEW = ("train-tokenizer",)


def _mobilebert(arguments: Sequence[str]) -> None:
    cli(list(arguments), prog_name="mobilebert")


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command of a recipe.

    Attributes:
        title: What it does.
        arguments: Its words, behind the program.
        output: The directory that it fills; None if it only answers, and is run each time.
        last: The file in it that is written last; None as `mobilebert` does.
        program: As a shell would call it.
        main: The same, called with the arguments; it may end with SystemExit.
    """

    title: str
    arguments: tuple[str, ...]
    output: Path | None = None
    last: str | None = None
    program: str = "mobilebert"
    main: Callable[[Sequence[str]], None] = _mobilebert

    @property
    def is_interrupted(self) -> bool:
        """Whether it has left states to go on from."""
        return self.output is not None and (self.output / _STATES).is_dir()

    @property
    def is_finished(self) -> bool:
        """Whether its output is whole."""
        if self.output is None or self.is_interrupted:
            return False
        last = self.last or _LAST.get(self.arguments[0], "report.json")
        return (self.output / last).exists()

    def command(self) -> str:
        """Return it as a line for a shell."""
        return f"{self.program} {shlex.join(self.arguments)}"

    def _going_on(self) -> tuple[str, ...]:
        if self.is_interrupted:
            return ("--resume",)
        begun = self.output is not None and self.output.is_dir()
        return ("--overwrite",) if begun and self.arguments[0] in _WRITE_ANEW else ()

    def run(self) -> None:
        """Run it, or go on with it.

        Raises:
            SystemExit: It did not end well; with its exit status.
        """
        try:
            self.main([*self.arguments, *self._going_on()])
        except SystemExit as ended:
            if ended.code:
                raise
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None
        except MobileBertError as error:
            raise SystemExit(f"Error: {error}") from None


def options_of(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return settings as options of a command.

    Args:
        settings: Name -> value. True is an option by itself, a list an option for each value.
    """
    words: list[str] = []
    for name, value in settings.items():
        option = f"--{name.replace('_', '-')}"
        values = value if isinstance(value, (list, tuple)) else [value]
        for one in values:
            words += [option] if one is True else [option, str(one)]
    return tuple(words)


def written(steps: Iterable[Step]) -> str:
    """Return the commands with what they do, as a script."""
    return "\n".join(f"# {step.title}\n{step.command()}" for step in steps) + "\n"


def keep_commands(steps: Sequence[Step], directory: Path) -> None:
    """Write the commands beside what they make; refuse a directory that others have made.

    Args:
        steps: The recipe.
        directory: Of all outputs.

    Raises:
        SystemExit: What is there was made by other commands.
    """
    path, text = directory / COMMANDS_FILE, written(steps)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        sys.exit(
            f"Error: {directory} has what other commands have made ({path}); give the same "
            "options as then, or another --output."
        )
    try:
        make_directory(directory)
        write_atomic(path, text)
    except MobileBertError as error:
        sys.exit(f"Error: {error}")


def run_steps(steps: Sequence[Step], *, threads: int | None = None) -> None:
    """Run what is not finished, in order; print each command before it runs.

    Args:
        steps: The recipe.
        threads: Of PyTorch; None as it chooses.

    Raises:
        SystemExit: A command was interrupted or has failed; the steps before it are kept.
    """
    if threads is not None:
        require_training("The recipe").set_num_threads(threads)
    for step in steps:
        if step.is_finished:
            print(f"# {step.title}: finished before, in {step.output}", flush=True)
            continue
        goes_on = " (goes on)" if step.is_interrupted else ""
        print(f"# {step.title}{goes_on}\n{step.command()}", flush=True)
        try:
            step.run()
        except SystemExit as ended:
            if ended.code == INTERRUPTED:
                print("Interrupted: the same recipe goes on from here.", file=sys.stderr)
            raise
