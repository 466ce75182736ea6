"""What was measured of the bundled model before it was published (see `accuracy.py`).

Its first start would otherwise pack it twice and answer the sample twice, for numbers that are the
same on every machine with the same instruction set.
"""

import os
from collections.abc import Mapping

from mobilebert.engine.accuracy import Measurement, from_facts
from mobilebert.engine.cache import file_states
from mobilebert.files import read_json
from mobilebert.hub import BUNDLED_MODELS, is_bundled
from mobilebert.tasks import TaskSpec

__all__ = ["MEASUREMENTS_FILE", "WEIGHTS_FILE", "bundled_measurements"]

MEASUREMENTS_FILE = "measured.json"
WEIGHTS_FILE = "model.safetensors"


def bundled_measurements(
    name_or_path: str | os.PathLike[str], task: TaskSpec, isa: str
) -> Mapping[str, Measurement]:
    """Return element type -> how far it is from float32, for what was measured.

    Args:
        name_or_path: A checkpoint; of all but the bundled one nothing is known.
        task: The row of the task table.
        isa: The instruction set.
    """
    if not is_bundled(name_or_path):
        return {}
    directory = BUNDLED_MODELS[str(name_or_path)]
    stored = read_json(directory / MEASUREMENTS_FILE)
    (state,) = file_states([directory / WEIGHTS_FILE])
    if any(state[name] != value for name, value in stored["weights"].items()):
        return {}  # of other weights
    return from_facts(stored["measured"].get(task.name, {}).get(isa, {}))
