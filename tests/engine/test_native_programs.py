"""The native encoder built from anything: Python exceptions, never a crash."""

import copy
import dataclasses
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mobilebert.engine import _native
from mobilebert.engine.packing import Recipe, pack_program
from mobilebert.engine.program import build_program
from mobilebert.tasks import TASKS
from models import random_tensors, small_config
from native_calls import BIG, PATHS, REFUSALS, arguments, packed, room, unaligned


def open_copy(value):
    """Copy a program as plain objects, every attribute of which can be set."""
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        members = vars(type(value)).items()
        names += [name for name, member in members if isinstance(member, property)]
        return SimpleNamespace(**{name: open_copy(getattr(value, name)) for name in names})
    if isinstance(value, tuple):
        return [open_copy(part) for part in value]
    return copy.copy(value)


def places(value):
    """Yield a dictionary or list, and a key, for everything inside an open copy."""
    owner = vars(value) if isinstance(value, SimpleNamespace) else value
    keys = list(owner) if isinstance(owner, dict) else range(len(owner))
    for key in keys:
        yield owner, key
        part = owner[key]
        if isinstance(part, SimpleNamespace | list):
            yield from places(part)


# What is put in the place of any part of a program.
WRONG = {
    "nothing": lambda x: None,
    "text": lambda x: "wrong",
    "minus one": lambda x: -1,
    "zero": lambda x: 0,
    "one": lambda x: 1,
    "a panel more": lambda x: x + 32 if isinstance(x, int) else [x, x],
    "the largest panel": lambda x: 2**31 - 32,
    "2 ** 27 + 1": lambda x: 2**27 + 1,
    "beyond 32 bits": lambda x: 2**40,
    "an empty list": lambda x: [],
    "no numbers": lambda x: np.zeros(0, np.float32),
    "fewer numbers": lambda x: x[..., :-1].copy() if isinstance(x, np.ndarray) else (),
    "twice the numbers": lambda x: np.concatenate([x, x]) if isinstance(x, np.ndarray) else {},
    "64 bits": lambda x: x.astype(np.float64) if isinstance(x, np.ndarray) else 1e300,
    "every other number": lambda x: (
        np.repeat(x, 2, axis=-1)[..., ::2] if isinstance(x, np.ndarray) else object()
    ),
    "unaligned": lambda x: unaligned(x) if isinstance(x, np.ndarray) else b"",
    "nan": lambda x: (
        np.full_like(x, np.nan) if isinstance(x, np.ndarray) and x.dtype == np.float32 else np.nan
    ),
}


def try_program(program, isa):
    """Build a program and run it where it is taken; return whether it was refused."""
    try:
        made = _native.Encoder(program, isa, 1)
        made.run(**arguments(), results=room(program))
    except REFUSALS:
        return True
    return False


@pytest.mark.parametrize("variant", ["mobilebert", "tiny", "teacher", "no_bottleneck"])
@pytest.mark.parametrize(("isa", "dtype"), [PATHS[0], PATHS[-1]])
def test_any_changed_program_is_refused_or_runs(isa, dtype, variant):
    program = open_copy(packed(isa, dtype, variant))
    assert not try_program(program, isa)
    refused = 0
    for owner, key in places(program):
        right = owner[key]
        for wrong in WRONG.values():
            owner[key] = wrong(right)
            refused += try_program(program, isa)
        owner[key] = right
    assert refused > 500
    assert not try_program(program, isa)


def norm_without(name):
    def change(program):
        linear = program.layers[0].attention_output
        linear.norm = SimpleNamespace(
            weight=np.ones(linear.width, np.float32),
            bias=np.ones(linear.width, np.float32),
            eps=1e-5,
        )
        setattr(linear.norm, name, None)

    return change


def norm_inside(program):
    inner = program.layers[0].feed_forward[0].inner
    inner.norm = SimpleNamespace(
        weight=np.ones(inner.width, np.float32), bias=np.ones(inner.width, np.float32), eps=1e-5
    )


BAD_PROGRAMS = {
    "no queries": (lambda p: setattr(p.layers[0], "query", None), "attention is not whole"),
    "no keys": (lambda p: setattr(p.layers[1], "key", None), "attention is not whole"),
    "heads whose width overflows": (
        lambda p: setattr(p.layers[0], "heads", 2**27 + 4),
        "too many heads",
    ),
    "a norm without bias": (norm_without("bias"), "norm lacks"),
    "a norm without weight": (norm_without("weight"), "norm lacks"),
    "a norm where none is": (norm_inside, "is no norm"),
    "a layer without networks": (
        lambda p: setattr(p.layers[0], "feed_forward", []),
        "no feed-forward network",
    ),
    "half a network": (
        lambda p: setattr(p.layers[0].feed_forward[0], "outer", None),
        "not whole",
    ),
    "half a head": (lambda p: setattr(p, "transform", None), "vocabulary head is not whole"),
    "another width": (lambda p: setattr(p, "inner", 2**30), "larger than 32768"),
    "words without a table": (lambda p: setattr(p.embedding, "words", None), "table is missing"),
    "more words than rows": (lambda p: setattr(p.embedding, "vocabulary", 98), "words has"),
    "more positions than rows": (
        lambda p: setattr(p.embedding, "position_count", 41),
        "positions has",
    ),
}


@pytest.mark.parametrize("case", BAD_PROGRAMS)
@pytest.mark.parametrize(("isa", "dtype"), PATHS)
def test_a_program_that_would_reach_outside_is_refused(isa, dtype, case):
    change, message = BAD_PROGRAMS[case]
    program = open_copy(packed(isa, dtype))
    change(program)
    with pytest.raises(ValueError, match=message):
        _native.Encoder(program, isa, 1)


@pytest.mark.parametrize(
    ("isa", "stream"),
    [(isa, dtype) for isa, dtype in PATHS if dtype != "float32"],
)
def test_element_types_that_no_thread_prepares_for_are_refused(isa, stream):
    config = small_config()
    tensors = random_tensors(config, "pretraining")
    program = build_program(tensors, config, TASKS["pretraining"])
    mixed = pack_program(program, Recipe("float32", stream, "float32"))
    with pytest.raises(ValueError, match="do not go together"):
        _native.Encoder(mixed, isa, 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("isa", "dtype"), PATHS)
def test_numbers_that_are_none_do_not_stop_the_kernels(isa, dtype, value):
    """Packing refuses such weights, but sums of finite ones may become infinite."""
    program = open_copy(packed(isa, dtype))
    program.embedding.positions[:, 3] = value
    results = room(program)
    _native.Encoder(program, isa, 2).run(**arguments(), results=results)
    assert not np.isfinite(results["stream"]).all()


@pytest.mark.parametrize("threads", [0, -1, 1025, BIG, 2**40, 1.5, "two", None])
def test_numbers_of_threads_are_checked(threads):
    with pytest.raises((ValueError, TypeError)):
        _native.Encoder(packed("generic", "float32"), "generic", threads)


def test_unknown_instruction_sets_are_refused():
    for isa in ("sse9", "", "GENERIC"):
        with pytest.raises(ValueError, match="cannot run"):
            _native.Encoder(packed("generic", "float32"), isa, 1)
    with pytest.raises(ValueError, match="generic has no arithmetic in bfloat16"):
        _native.Encoder(packed("generic", "bfloat16"), "generic", 1)


LITTLE_MEMORY = """
import resource, sys
sys.path[:0] = [{tests!r}]
import numpy as np
from mobilebert.engine import Engine
from models import random_tensors, small_config

config = small_config()
tensors = random_tensors(config)
engine = Engine(tensors, config, threads=1)
ids = np.ones((100_000, 40), int)
wanted = engine(ids[:1]).last_hidden_state
if sys.platform == "linux":  # other systems do not heed the limit
    used = 4096 * int(open("/proc/self/statm").read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
    for call, error in (
        (lambda: Engine(tensors, config, threads=1024), RuntimeError),  # a stack for each
        (lambda: engine(ids), MemoryError),
    ):
        try:
            call()
        except error as told:
            print(type(told).__name__, told)
        else:
            sys.exit("There was memory enough.")
assert (engine(ids[:1]).last_hidden_state == wanted).all()
"""


def test_exhausted_memory_is_an_exception():
    tests = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", LITTLE_MEMORY.format(tests=tests)]
    found = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True)
    if sys.platform == "linux":
        threads, memory = found.stdout.splitlines()
        assert "of 1024 threads; use fewer." in threads
        assert memory.startswith("MemoryError")
