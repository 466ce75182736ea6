"""Calls of the native steps of training that are not as they must be: each is refused."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mobilebert.engine import _native
from mobilebert.engine.native import isa_dtypes, trains

# Of x86 processors those that multiply in bfloat16.
TRAINERS = [isa for isa, dtypes in isa_dtypes().items() if "bfloat16" in dtypes and isa != "neon"]
ROWS, NARROW, WIDE, WORDS = 5, 32, 64, 40


def floats(*shape):
    return np.zeros(shape, np.float32)


def narrow(*shape):
    return np.zeros(shape, np.uint16)


def kept(width):
    """Room for five rows, aligned as the kernels need it."""
    room = np.zeros(32 * width * 2 + 64, np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + 32 * width * 2]


def starts():
    return np.array([0, 2, ROWS], np.int32)


# Name of the step -> its arguments, made anew. WIDE rows go to NARROW ones.
CALLS = {
    "project": lambda: [
        floats(ROWS, WIDE),
        floats(NARROW, WIDE),
        floats(NARROW),
        floats(NARROW),
        floats(ROWS, NARROW),
        floats(ROWS, NARROW),
        kept(WIDE),
    ],
    "project_gradient": lambda: [
        floats(ROWS, NARROW),
        kept(WIDE),
        floats(NARROW, WIDE),
        floats(NARROW),
        floats(ROWS, NARROW),
        narrow(ROWS, WIDE),
        floats(ROWS, NARROW),
        floats(NARROW, WIDE),
        floats(NARROW),
        floats(NARROW),
    ],
    "feed_forward": lambda: [
        floats(ROWS, NARROW),
        floats(WIDE, NARROW),
        floats(WIDE),
        floats(NARROW, WIDE),
        floats(NARROW),
        floats(NARROW),
        floats(ROWS, NARROW),
        kept(NARROW),
        kept(WIDE),
    ],
    "feed_forward_gradient": lambda: [
        floats(ROWS, NARROW),
        kept(NARROW),
        kept(WIDE),
        floats(WIDE, NARROW),
        floats(NARROW, WIDE),
        floats(NARROW),
        floats(ROWS, NARROW),
        floats(WIDE, NARROW),
        floats(WIDE),
        floats(NARROW, WIDE),
        floats(NARROW),
        floats(NARROW),
    ],
    "enter": lambda: [
        floats(ROWS, WIDE),
        floats(NARROW, WIDE),
        floats(NARROW),
        floats(NARROW, WIDE),
        floats(NARROW),
        floats(2 * NARROW, NARROW),
        floats(2 * NARROW),
        floats(NARROW, WIDE),
        floats(NARROW),
        floats(ROWS, NARROW),
        narrow(ROWS, 3 * NARROW),
        kept(WIDE),
        kept(NARROW),
    ],
    "enter_gradient": lambda: [
        floats(ROWS, NARROW),
        narrow(ROWS, 3 * NARROW),
        kept(WIDE),
        kept(NARROW),
        floats(NARROW, WIDE),
        floats(NARROW, WIDE),
        floats(2 * NARROW, NARROW),
        floats(NARROW, WIDE),
        floats(ROWS, WIDE),
        floats(3 * NARROW, WIDE),
        floats(2 * NARROW, NARROW),
        floats(3 * NARROW),
        floats(2 * NARROW),
    ],
    "attend": lambda: [
        starts(),
        1,
        0.1,
        7,
        narrow(ROWS, 3 * NARROW),
        narrow(ROWS, NARROW),
        floats(ROWS, 1),
    ],
    "attend_gradient": lambda: [
        starts(),
        1,
        0.1,
        7,
        narrow(ROWS, 3 * NARROW),
        narrow(ROWS, NARROW),
        floats(ROWS, 1),
        narrow(ROWS, 3 * NARROW),
    ],
    "vocabulary": lambda: [
        floats(ROWS, WIDE),
        floats(WORDS, NARROW),
        floats(NARROW, WORDS),
        floats(WORDS),
        np.arange(ROWS, dtype=np.int32),
        [
            floats(ROWS, NARROW),
            floats(WORDS, NARROW),
            floats(0, WORDS),
            floats(WORDS),
            0.5,
            1.0,
        ],
        floats(ROWS),
        floats(ROWS, WIDE),
        floats(WORDS, NARROW),
        floats(NARROW, WORDS),
        floats(WORDS),
    ],
}


def call(name, arguments, isa):
    getattr(_native.Trainer(isa, 2), name)(*arguments)


def arrays_of(arguments):
    """Where arrays stand, those of a list too: places, and how to put another one there."""
    for place, argument in enumerate(arguments):
        if isinstance(argument, np.ndarray):
            yield arguments, place
        elif isinstance(argument, list):
            yield from arrays_of(argument)


def spoiled(array):
    """One number more, half as many, another type, and every other number of a larger array."""
    yield np.concatenate([array.ravel(), array.ravel()[:1]]).reshape(-1, 1).squeeze(1)
    yield array[: len(array) // 2]
    yield array.astype(np.float64)
    yield np.repeat(array, 2, axis=-1)[..., ::2]
    if array.size:
        shifted = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype)
        yield shifted.reshape(array.shape)


def test_who_trains():
    assert [isa for isa in isa_dtypes() if trains(isa)] == TRAINERS
    assert not trains("mmx")


@pytest.mark.parametrize("isa", TRAINERS or ["amx"])
@pytest.mark.parametrize("name", CALLS)
def test_arguments_that_do_not_go_together_are_refused(name, isa):
    if not TRAINERS:
        with pytest.raises(ValueError, match="cannot train with amx"):
            call(name, CALLS[name](), isa)
        return
    call(name, CALLS[name](), isa)
    for number in range(len(list(arrays_of(CALLS[name]())))):
        for variant in range(5):
            arguments = CALLS[name]()
            holder, place = list(arrays_of(arguments))[number]
            others = list(spoiled(holder[place]))
            # Of an empty array half is itself.
            if variant >= len(others) or others[variant].size == holder[place].size == 0:
                continue
            holder[place] = others[variant]
            with pytest.raises((ValueError, TypeError)):
                call(name, arguments, isa)


@pytest.mark.parametrize(
    ("name", "place", "value", "said"),
    [
        ("attend", 0, np.array([0, 4, 2, ROWS], np.int32), "starts must rise"),
        ("attend", 0, np.array([1, ROWS], np.int32), "starts must rise"),
        ("attend", 0, np.array([0, ROWS + 1], np.int32), "starts must rise"),
        ("attend", 1, 0, "heads do not divide"),
        ("attend", 1, 5, "heads do not divide"),
        ("attend", 1, 2, "multiple of 32"),
        ("attend", 2, 1.0, "below 1"),
        ("attend", 2, -0.1, "at least 0"),
        ("attend", 2, float("nan"), "at least 0"),
        ("vocabulary", 4, np.full(ROWS, WORDS, np.int32), "allowed are 0 to 39"),
        ("vocabulary", 4, np.full(ROWS, -1, np.int32), "allowed are 0 to 39"),
        ("vocabulary", 5, [1, 2], "6 entries"),
        ("vocabulary", 7, None, None),
    ],
)
@pytest.mark.parametrize("isa", TRAINERS or ["amx"])
def test_numbers_that_cannot_be(name, place, value, said, isa):
    arguments = CALLS[name]()
    arguments[place] = value
    if said is None and TRAINERS:
        call(name, arguments, isa)  # the loss alone
        return
    with pytest.raises(ValueError, match=said if TRAINERS else "cannot train"):
        call(name, arguments, isa)


@pytest.mark.parametrize(
    ("isa", "threads"), [("generic", 1), ("mmx", 1), ("amx", 0), ("avx512vnni", 0)]
)
def test_trainers_that_cannot_be_made(isa, threads):
    with pytest.raises(ValueError, match="cannot train|between 1 and 1024"):
        _native.Trainer(isa, threads)


FORKED = """
import os, signal, sys
sys.path[:0] = {paths!r}
from test_native_trainer import CALLS, call

def threads():
    return len(os.listdir("/proc/self/task"))

call("project", CALLS["project"](), {isa!r})
child = os.fork()
if not child:
    signal.alarm(20)  # instead of waiting for threads that are not there
    before = threads()
    call("project", CALLS["project"](), {isa!r})
    assert threads() == before + 1, (before, threads())
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(
    not TRAINERS or sys.platform != "linux", reason="no instruction set trains here, or no /proc"
)
def test_a_forked_process_has_threads_of_its_own():
    here = Path(__file__).parent
    script = FORKED.format(paths=[str(here), str(here.parent)], isa=(TRAINERS or [""])[-1])
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
