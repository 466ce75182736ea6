"""How long a user waits: import, help, first answer.

    python benchmarks/startup.py [--repeat 5] [--json FILE]

Each row is a fresh process, measured from start to end; the least and the median of the runs are
shown. ``import numpy`` is the yardstick: nothing that computes here can be faster.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

MOBILEBERT = str(Path(sysconfig.get_path("scripts")) / "mobilebert")

ROWS = {
    "python, empty": [sys.executable, "-c", "pass"],
    "import numpy": [sys.executable, "-c", "import numpy"],
    "import mobilebert": [sys.executable, "-c", "import mobilebert"],
    "mobilebert --help": [MOBILEBERT, "--help"],
    "mobilebert run --help": [MOBILEBERT, "run", "--help"],
    "first answer (README)": [
        *(MOBILEBERT, "run", "--task", "fill-mask"),
        "The capital of France is [MASK].",
    ],
    "first vector": [MOBILEBERT, "run", "--task", "feature-extraction", "-p", "pooling=mean", "Hi"],
}

# What the project promises, in seconds.
LIMITS = {"import mobilebert": 0.25, "mobilebert --help": 0.3, "first answer (README)": 1.0}


def measure(command: list[str], repeat: int) -> list[float]:
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the results there")
    options = parser.parse_args()
    results = {}
    print(f"{'':<24}{'least':>8}{'median':>8}{'limit':>8}  seconds")
    for name, command in ROWS.items():
        measure(command, 1)  # the files are read into the system's cache
        times = measure(command, options.repeat)
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


if __name__ == "__main__":
    main()
