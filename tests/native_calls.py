"""Calls of the native encoder as it stands, without `Engine` before it."""

from functools import cache
from types import SimpleNamespace

import numpy as np

from mobilebert.engine import _native
from mobilebert.engine.native import isa_dtypes
from mobilebert.engine.packing import pack_program, recipes
from mobilebert.engine.program import build_program
from mobilebert.engine.ragged import RaggedBatch
from mobilebert.tasks import TASKS
from models import random_tensors, small_config

__all__ = [
    "ARGUMENTS",
    "BIG",
    "PATHS",
    "REFUSALS",
    "arguments",
    "build",
    "packed",
    "room",
    "still_right",
    "unaligned",
]

BIG = 2**31 - 1
PATHS = [(isa, dtype) for isa, dtypes in isa_dtypes().items() for dtype in dtypes]
# What nanobind and the bindings raise; nothing else may come.
REFUSALS = (TypeError, ValueError, RuntimeError, AttributeError, MemoryError, OverflowError)
ARGUMENTS = ("ids", "positions", "types", "following", "previous", "starts", "wanted_rows")


def packed(isa, dtype, variant="mobilebert"):
    """Return a packed program with all heads."""
    config = small_config(variant)
    tensors = random_tensors(config, "pretraining")
    program = build_program(tensors, config, TASKS["pretraining"])
    return pack_program(program, recipes(dtype, isa)[-1])


def arguments():
    """Return a call: 24 tokens of three texts."""
    batch = RaggedBatch.from_rows([[1, 2, 3, 4, 5], [6], [7, 8] * 9])
    wanted = np.array([0, len(batch.ids) - 1, 2])
    arrays = (*(getattr(batch, name) for name in ARGUMENTS[:-1]), wanted)
    return dict(zip(ARGUMENTS, (np.ascontiguousarray(x, np.int32) for x in arrays), strict=True))


def room(program, tokens=24, texts=3, wanted=3):
    """Return arrays for all results of a call."""
    width, rows = program.stream, texts if program.pools else tokens
    shapes = {
        "stream": (tokens, width),
        "states": (len(program.layers) + 1, tokens, width),
        "pooled": (texts, width),
        "vocabulary": (wanted, program.vocabulary.width_out),
        "projection": (rows, program.projection.width_out),
    }
    return {name: np.full(shape, np.nan, np.float32) for name, shape in shapes.items()}


@cache
def build(isa, dtype):
    """Return an encoder with its program and the results of `arguments`."""
    program = packed(isa, dtype)
    made = _native.Encoder(program, isa, 2)
    right = room(program)
    made.run(**arguments(), results=right)
    assert all(np.isfinite(array).all() for array in right.values())
    return SimpleNamespace(native=made, program=program, right=right)


def still_right(encoder):
    """Tell whether an encoder gives what it gave at first."""
    results = room(encoder.program)
    encoder.native.run(**arguments(), results=results)
    return all((results[name] == encoder.right[name]).all() for name in results)


def unaligned(array):
    """Copy an array to an odd address."""
    shifted = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    shifted[...] = array
    return shifted
