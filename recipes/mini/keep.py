"""What is kept of a round of training, to be told with the model: settings, numbers, the curve.

    python recipes/mini/keep.py TRAINED ROUNDS

TRAINED is the output of mini.py; ROUNDS gets a directory with the next number.
"""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mobilebert.files import make_directory, read_json, write_atomic

__all__ = ["ROUNDS", "main", "rounds_of"]

ROUNDS = Path(__file__).parent / "rounds"
_TOLD, _CURVES = "round.json", "curves.jsonl"


def rounds_of(directory: Path) -> list[dict[str, Any]]:
    """Return what is told of the rounds that are kept, the first one first.

    Args:
        directory: Of all rounds.
    """
    kept = sorted(directory.glob(f"*/{_TOLD}"), key=lambda file: int(file.parent.name))
    return [read_json(file) for file in kept]


def main(given: Sequence[str] | None = None) -> None:
    """Keep it.

    Args:
        given: The directories of what was trained, and of all rounds.
    """
    trained, rounds = map(Path, sys.argv[1:] if given is None else given)
    report = read_json(trained / "words" / "report.json")
    told = {name: value for name, value in report.items() if name != "history"}
    told["model"] |= {"start": Path(told["model"]["start"]).name}  # no place on this machine
    told["unpacked"] = sorted(path.name for path in trained.iterdir() if path.is_dir())
    told["judged"] = read_json(trained / "judged.json")
    directory = make_directory(rounds / str(len(rounds_of(rounds)) + 1))
    shutil.copyfile(trained / "words" / _CURVES, directory / _CURVES)
    write_atomic(directory / _TOLD, json.dumps(told, indent=1, allow_nan=False) + "\n")
    print(f"Kept: {directory}")


if __name__ == "__main__":
    main()
