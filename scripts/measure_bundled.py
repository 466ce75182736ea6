"""Measure the bundled model again, as "auto" does, after its weights or the kernels have changed.

What cannot be measured on this machine stays as it is.
"""

import json
from typing import Any

from mobilebert.checkpoint import load_checkpoint
from mobilebert.engine.accuracy import candidates, to_facts
from mobilebert.engine.bundled_measurements import MEASUREMENTS_FILE, WEIGHTS_FILE
from mobilebert.engine.cache import file_states
from mobilebert.engine.native import choose_threads, isa_dtypes
from mobilebert.engine.packed_model import choose, fold_model
from mobilebert.hub import BUNDLED_MODEL, BUNDLED_MODELS
from mobilebert.tasks import TASKS

# What the bundled model is trained for.
TASK_NAMES = ("feature_extraction", "masked_lm")

DIRECTORY = BUNDLED_MODELS[BUNDLED_MODEL]


def measured(task: str, isa: str) -> dict[str, Any]:
    """Return what "auto" measures for a task on an instruction set."""
    checkpoint = load_checkpoint(BUNDLED_MODEL, task)
    config = checkpoint.config
    program = fold_model(checkpoint.arrays(None), config, TASKS[task])
    found = choose(program, config, dtype="auto", isa=isa, threads=choose_threads())
    return to_facts(found.measured)


def main() -> None:
    """Write the file beside the weights."""
    path = DIRECTORY / MEASUREMENTS_FILE
    known = json.loads(path.read_text()) if path.exists() else {}
    (state,) = file_states([DIRECTORY / WEIGHTS_FILE])
    weights = {name: state[name] for name in ("bytes", "ends")}
    rows = known["measured"] if known.get("weights") == weights else {}
    for task in TASK_NAMES:
        here = {isa: measured(task, isa) for isa in isa_dtypes() if candidates(isa)}
        rows[task] = rows.get(task, {}) | here
    path.write_text(json.dumps({"weights": weights, "measured": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
