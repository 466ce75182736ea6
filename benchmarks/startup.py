"""How long a user waits: import, help, first answer.

    python benchmarks/startup.py [--repeat 5] [--check] [--json FILE]

Each row is a fresh process, measured from start to end; the least and the median of the runs are
shown. ``import numpy`` is the yardstick: nothing that computes here can be faster. A first answer
is one for which no packed weights are there.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

MOBILEBERT = str(Path(sysconfig.get_path("scripts")) / "mobilebert")

README_COMMAND = [MOBILEBERT, "run", "--task", "fill-mask", "The capital of France is [MASK]."]

ROWS = {
    "python, empty": [sys.executable, "-c", "pass"],
    "import numpy": [sys.executable, "-c", "import numpy"],
    "import mobilebert": [sys.executable, "-c", "import mobilebert"],
    "mobilebert --help": [MOBILEBERT, "--help"],
    "mobilebert run --help": [MOBILEBERT, "run", "--help"],
    "first answer (README)": README_COMMAND,
    "next answer": README_COMMAND,
    "next vector": [MOBILEBERT, "run", "--task", "feature-extraction", "-p", "pooling=mean", "Hi"],
}

# Each of their processes has an empty cache of packed weights.
UNPACKED = {"first answer (README)"}

# What the project promises, in seconds.
LIMITS = {"import mobilebert": 0.25, "mobilebert --help": 0.3, "first answer (README)": 1.0}


def measure(name: str, repeat: int, packs: str) -> list[float]:
    """Time a row's process.

    Args:
        name: The row.
        repeat: How often.
        packs: Where packed weights are kept, unless each process has a cache of its own.
    """
    times = []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as empty:
            directory = empty if name in UNPACKED else packs
            environment = os.environ | {"MOBILEBERT_CACHE": directory}
            start = time.perf_counter()
            subprocess.run(ROWS[name], check=True, capture_output=True, env=environment)
            times.append(time.perf_counter() - start)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument(
        "--check", action="store_true", help="fail if the least of a row is beyond its limit"
    )
    parser.add_argument("--json", type=Path, help="also write the results there")
    options = parser.parse_args()
    results = {}
    print(f"{'':<24}{'least':>8}{'median':>8}{'limit':>8}  seconds")
    with tempfile.TemporaryDirectory() as packs:
        for name in ROWS:
            measure(name, 1, packs)  # files come into the system's cache, packs into theirs
            times = measure(name, options.repeat, packs)
            results[name] = {"least": min(times), "median": statistics.median(times)}
            limit = f"{LIMITS[name]:8.2f}" if name in LIMITS else ""
            print(f"{name:<24}{min(times):8.3f}{statistics.median(times):8.3f}{limit}")
    if options.json:
        facts = {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "repeat": options.repeat,
            "seconds": results,
        }
        options.json.write_text(json.dumps(facts, indent=2) + "\n")
    slow = [name for name, limit in LIMITS.items() if results[name]["least"] > limit]
    if options.check and slow:
        sys.exit(f"Slower than promised: {', '.join(slow)}.")


if __name__ == "__main__":
    main()
