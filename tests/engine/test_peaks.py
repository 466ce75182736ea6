"""The loops over registers that measure what the processor could do."""

import subprocess
import sys

import pytest

from mobilebert.engine.native import isa_dtypes, native


def test_every_instruction_set_with_matrix_units_has_a_loop():
    loops = {(isa, dtype) for isa, dtype, _ in native().peaks()}
    for isa, dtypes in isa_dtypes().items():
        if isa in ("avx2", "avx512"):
            assert (isa, "float32") in loops
        if isa == "amx":
            assert {(isa, dtype) for dtype in dtypes if dtype != "float32"} <= loops


def test_a_peak_is_a_rate():
    assert native().clock_rate(0.002) >= 0
    for isa, dtype, multiply_adds in native().peaks():
        assert multiply_adds >= 16
        assert native().peak(isa, dtype, 1, 0.002) > 1e6
        assert native().peak(isa, dtype, 3, 0.002) > 1e6


FEW_THREADS = """
import resource, sys
from mobilebert.engine.native import native

isa, dtype, _ = native().peaks()[0]
if sys.platform == "linux":  # other systems do not heed the limit
    used = 4096 * int(open("/proc/self/statm").read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
    try:
        native().peak(isa, dtype, 1000, 0.002)
    except RuntimeError as told:
        assert "of 1000 threads; use fewer" in str(told), told
    else:
        sys.exit("There were threads enough.")
assert native().peak(isa, dtype, 1, 0.002) > 1e6
"""


def test_too_few_threads_are_an_exception():
    subprocess.run([sys.executable, "-c", FEW_THREADS], check=True, timeout=60)


@pytest.mark.parametrize(
    "arguments",
    [("sse9", "float32", 1, 0.1), ("avx2", "float99", 1, 0.1)]
    + [("avx2", "float32", threads, 0.1) for threads in (0, -1, 100_000)]
    + [("avx2", "float32", 1, seconds) for seconds in (0.0, -1.0, float("nan"), 1e9)],
)
def test_other_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match="peak|threads|seconds"):
        native().peak(*arguments)
    with pytest.raises(ValueError, match="seconds"):
        native().clock_rate(0)
