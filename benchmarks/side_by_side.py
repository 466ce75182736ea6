"""What benchmarks share that measure several ways to do one thing, in turn."""

import os
import platform
import statistics
import time
from pathlib import Path

__all__ = ["machine", "seconds_in_turn"]


def machine(threads):
    name = platform.processor() or platform.machine()
    file = Path("/proc/cpuinfo")
    if file.exists():
        lines = [x for x in file.read_text().splitlines() if x.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return f"{name}, {threads} threads, load {load:.1f} before the start"


def seconds_in_turn(functions, ids, repeat):
    """Median seconds of each function."""
    times = {name: [] for name in functions}
    for _ in range(repeat + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function(ids)
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found[1:]) for name, found in times.items()}
