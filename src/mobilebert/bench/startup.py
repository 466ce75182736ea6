"""A user's first answer: a new process, from its start to its end, and its memory."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mobilebert.bench.model import SENTENCE, BenchModel, parse_answers
from mobilebert.bench.ways import Call, Way
from mobilebert.bench.work import Work
from mobilebert.errors import InputError

__all__ = ["PACKS_VARIABLE", "own_process", "own_unpacked_process", "transformers_process"]

# Where the engine keeps packed weights (docs/engine.md).
PACKS_VARIABLE = "MOBILEBERT_CACHE"

# It is run as a file, without the package around it.
_LAUNCHER = Path(__file__).with_name("launch.py")

_OWN = (sys.executable, "-m", "mobilebert", "run", "--task", "fill-mask", "--format", "json")

_TRANSFORMERS = """
import json, sys
from transformers import pipeline
print(json.dumps(pipeline("fill-mask", model=sys.argv[1])(sys.argv[2])))
"""


def _launched(command: tuple[str, ...], packs: str) -> dict[str, Any]:
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
        PACKS_VARIABLE: packs,
    }
    ended = subprocess.run(
        (sys.executable, "-I", "-S", str(_LAUNCHER), *command),
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    facts: dict[str, Any] = json.loads(ended.stdout)
    if facts["status"]:
        last = (ended.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"its process ended with status {facts['status']}: {last}")
    return facts


def _call(run: Callable[[], dict[str, Any]], folder: Path) -> Call:
    vocabulary = BenchModel(folder).config.vocab_size
    return Call(
        run,
        lambda facts: [parse_answers(facts["output"], vocabulary)],
        lambda facts: {"peak_mib": facts["peak_mib"]},
        lambda facts: float(facts["seconds"]),
    )


def own_process(folder: Path, work: Work, way: Way) -> Call:
    """Make ``mobilebert run`` ready."""
    command = (*_OWN, "--model", str(folder), SENTENCE)
    return _call(lambda: _launched(command, str(folder)), folder)


def own_unpacked_process(folder: Path, work: Work, way: Way) -> Call:
    """Make ``mobilebert run`` ready, each time as if it had never met the model."""
    command = (*_OWN, "--model", str(folder), SENTENCE)

    def run() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as empty:
            return _launched(command, empty)

    return _call(run, folder)


def transformers_process(folder: Path, work: Work, way: Way) -> Call:
    """Make a script with transformers' pipeline ready."""
    command = (sys.executable, "-c", _TRANSFORMERS, str(folder), SENTENCE)
    return _call(lambda: _launched(command, str(folder)), folder)
