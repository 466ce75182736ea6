"""What is kept of a round of training, to be told with the model: settings, numbers, the curve.

    python recipes/mini/keep.py TRAINED ROUNDS

TRAINED is the output of mini.py; ROUNDS gets a directory with the next number.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from by_itself import run_script

from mobilebert.files import make_directory, read_json, write_atomic

__all__ = ["ROUNDS", "STAGES", "main", "rounds_of"]

ROUNDS = Path(__file__).parent / "rounds"
# Trainings of a round, in their order; a later round has the teacher of the first one.
STAGES = ("teacher", "normed", "student")


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


def main(given: Sequence[str]) -> None:
    """Keep it.

    Args:
        given: The directories of what was trained, and of all rounds.
    """
    trained, rounds = map(Path, given)
    there = [name for name in STAGES[:-1] if (trained / name).exists()]
    told = {name: _told(trained, name) for name in (*there, STAGES[-1])}
    told[STAGES[-1]] |= {"judged": read_json(trained / "judged.json")}
    directory = make_directory(rounds / str(len(rounds_of(rounds)) + 1))
    for name, report in told.items():
        shutil.copyfile(trained / name / "curves.jsonl", directory / f"{name}.jsonl")
        text = json.dumps(report, indent=1, allow_nan=False)
        write_atomic(directory / f"{name}.json", f"{text}\n")
    print(f"Kept: {directory}")


def _told(trained: Path, name: str) -> dict[str, Any]:
    report = read_json(trained / name / "report.json")
    told = {key: value for key, value in report.items() if key != "history"}
    told["model"] |= {"start": Path(told["model"]["start"]).name}  # no place on this machine
    return told


if __name__ == "__main__":
    run_script(main, __doc__)
