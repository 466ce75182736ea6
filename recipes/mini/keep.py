"""What is kept of a round of training, to be told with the model: settings, numbers, the curve.

    python recipes/mini/keep.py TRAINED ROUNDS

TRAINED is the output of mini.py; ROUNDS gets a directory with the next number.
"""

import json
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from by_itself import run_script

# by_itself shows where it is.
from steps import COMMANDS_FILE

from mobilebert.files import make_directory, read_json, write_atomic

__all__ = [
    "BEGUN",
    "ROUNDS",
    "STAGES",
    "STRETCHED",
    "STUDENTS",
    "TEACHERS",
    "main",
    "round_of",
    "rounds_of",
]

ROUNDS = Path(__file__).parent / "rounds"
# Trainings of a round, in their order; a later round has the teacher of the first one.
STAGES = ("teacher", "long_teacher", "normed", "student", "long_student")
TEACHERS, STUDENTS = STAGES[:2], STAGES[3:]
# Where there is a checkpoint that was trained further, or lengthened; and what made it of which.
BEGUN, STRETCHED = "begun", "stretched"
_MAKERS = {BEGUN: "exchange.py", STRETCHED: "stretch.py"}


def rounds_of(directory: Path) -> list[dict[str, dict[str, Any]]]:
    """Return what is told of the trainings of the rounds that are kept, the first one first.

    Args:
        directory: Of all rounds.
    """
    kept = sorted((path for path in directory.glob("*/")), key=lambda path: int(path.name))
    return [
        {
            name: read_json(path / f"{name}.json")
            for name in STAGES
            if (path / f"{name}.json").exists()
        }
        for path in kept
    ]


def round_of(trained: Path) -> dict[str, dict[str, Any]]:
    """Return what is told of the trainings of a round, as it is kept.

    Args:
        trained: The output of mini.py.

    Raises:
        MobileBertError: There is no student.
    """
    there = [name for name in STAGES if (trained / name / "report.json").exists()]
    if not there or there[-1] not in STUDENTS:
        there.append(STAGES[-1])  # the sentence about what is missing
    return {name: _told(trained, name) for name in there}


def main(given: Sequence[str]) -> None:
    """Keep it.

    Args:
        given: The directories of what was trained, and of all rounds.
    """
    trained, rounds = map(Path, given)
    told = round_of(trained)
    told[[*told][-1]] |= {"judged": read_json(trained / "judged.json")}
    directory = make_directory(rounds / str(len(rounds_of(rounds)) + 1))
    for name, report in told.items():
        shutil.copyfile(trained / name / "curves.jsonl", directory / f"{name}.jsonl")
        text = json.dumps(report, indent=1, allow_nan=False)
        write_atomic(directory / f"{name}.json", f"{text}\n")
    print(f"Kept: {directory}")


def _told(trained: Path, name: str) -> dict[str, Any]:
    report = read_json(trained / name / "report.json")
    told = {key: value for key, value in report.items() if key != "history"}
    start = Path(told["model"]["start"]).name  # no place on this machine
    told["model"] |= {"start": _made_of(trained, start)}
    return told


def _made_of(trained: Path, start: str) -> str:
    """Return the name of the checkpoint that a directory was made of, as mini.py was given it."""
    commands = trained / COMMANDS_FILE
    text = commands.read_text(encoding="utf-8") if start in _MAKERS and commands.exists() else ""
    words = iter(shlex.split(text, comments=True))
    # The first such command makes it.
    made = (next(words, start) for word in words if Path(word).name == _MAKERS[start])
    return Path(next(made, start)).name


if __name__ == "__main__":
    run_script(main, __doc__)
