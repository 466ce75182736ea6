"""What the processor could do at most: what "percent of peak" is a percentage of."""

import time
from typing import Any

import numpy as np

from mobilebert.bench.exports import EXTRA
from mobilebert.bench.worker import RunnerFailure, in_own_process
from mobilebert.engine.native import find_native
from mobilebert.extras import is_installed, require

__all__ = ["measure_peaks", "peak_of"]

GEMM_SIZES = (512, 1024, 2048)
SECONDS = 0.25

_NO_UNITS: dict[str, Any] = {"clock_ghz": None, "units": {}, "theory": {}}


def measure_peaks(threads: int, seconds: float = SECONDS) -> dict[str, Any]:
    """Measure the peaks of some threads together.

    Args:
        threads: How many.
        seconds: For each measurement.

    Returns:
        GFLOP/s (two for each multiply-add): ``gemm`` by library, the best of some sizes in
        float32; ``units`` by instruction set and element type, in loops over registers;
        ``theory`` by the same, what instruction tables and the measured clock give.
    """
    gemms = {}
    for library in ("numpy", "torch"):
        if is_installed(library):
            try:
                gemms[library] = in_own_process(_gemm, library, threads, seconds)
            except RunnerFailure:
                continue  # the other one is the peak then
    try:
        units = in_own_process(_units, threads, seconds)
    except RunnerFailure:
        units = _NO_UNITS
    return {"threads": threads, "gemm": gemms, **units}


def peak_of(peaks: dict[str, Any], dtype: str, isa: str | None = None) -> float | None:
    """Return the peak that an element type is measured by, GFLOP/s; None where there is none.

    The best matrix product for float32; for the others the units of the instruction set that was
    forced, or else the fastest.
    """
    if dtype == "float32":
        return max(peaks["gemm"].values(), default=None)
    if forced := peaks["units"].get(f"{isa} {dtype}"):
        return float(forced)
    rates = [rate for name, rate in peaks["units"].items() if name.endswith(f" {dtype}")]
    return max(rates, default=None)


def _gemm(library: str, threads: int, seconds: float) -> float:
    """Best GFLOP/s of square products of matrices that are there anew each time."""
    generator = np.random.default_rng(0)
    best = 0.0
    for size in GEMM_SIZES:
        matrices = [generator.standard_normal((size, size), dtype=np.float32) for _ in range(2)]
        multiply = _multiplication(library, threads, matrices)
        multiply()
        start = time.perf_counter()
        while time.perf_counter() - start < seconds:
            begin = time.perf_counter()
            multiply()
            best = max(best, 2e-9 * size**3 / (time.perf_counter() - begin))
    return best


def _multiplication(library: str, threads: int, matrices: list[Any]) -> Any:
    if library == "numpy":
        result = np.empty_like(matrices[0])
        return lambda: np.matmul(matrices[0], matrices[1], out=result)
    torch = require("torch", EXTRA, "Measuring this peak")
    torch.set_num_threads(threads)
    tensors = [torch.from_numpy(matrix) for matrix in matrices]
    place = torch.empty_like(tensors[0])
    return lambda: torch.matmul(*tensors, out=place)


def _units(threads: int, seconds: float) -> dict[str, Any]:
    module = find_native()
    if module is None:
        return _NO_UNITS
    clock = module.clock_rate(seconds)
    found: dict[str, Any] = {"clock_ghz": clock / 1e9 or None, "units": {}, "theory": {}}
    for isa, dtype, multiply_adds in module.peaks():
        name = f"{isa} {dtype}"
        found["units"][name] = 2e-9 * module.peak(isa, dtype, threads, seconds)
        found["theory"][name] = 2e-9 * multiply_adds * clock * threads
    return found
