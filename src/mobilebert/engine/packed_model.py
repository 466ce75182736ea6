"""From weights to a packed program, in the element type asked for or the one that suits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.backend import check_weights
from mobilebert.config import MobileBertConfig
from mobilebert.engine.accuracy import (
    Measurement,
    answer_sample,
    candidates,
    compare,
    decide,
)
from mobilebert.engine.execution import Execution
from mobilebert.engine.native import isa_dtypes
from mobilebert.engine.packing import PackedProgram, pack_program, recipes
from mobilebert.engine.program import Program, build_program
from mobilebert.tasks import TaskSpec
from mobilebert.weights import weight_specs

__all__ = ["PackedModel", "pack_model"]

Array = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class PackedModel:
    """A program ready to run.

    Attributes:
        program: The packed program; its `dtype` is what it computes in.
        measured: Element type -> how far it is from float32, for the types that were tried.
    """

    program: PackedProgram
    measured: Mapping[str, Measurement] = field(default_factory=dict)


def pack_model(
    weights: Mapping[str, npt.NDArray[Any]],
    config: MobileBertConfig,
    task: TaskSpec,
    *,
    dtype: str,
    isa: str,
    threads: int,
) -> PackedModel:
    """Check, fold and pack a model.

    Args:
        weights: Tensors by canonical name.
        config: The configuration.
        task: The row of the task table.
        dtype: An element type of the instruction set, or auto.
        isa: The instruction set.
        threads: How many threads measure.

    Raises:
        InputError: The activation is a function.
        WeightsError: Weights are missing, have another shape or are not finite.
    """
    check_weights(weight_specs(config, task), weights)
    program = build_program(_floats(weights), config, task)
    if dtype == "auto":
        return _choose(program, config, isa, threads)
    return PackedModel(_packed(program, dtype, isa))


def _packed(program: Program, dtype: str, isa: str) -> PackedProgram:
    """Pack by the most accurate recipe of an element type."""
    return pack_program(program, recipes(dtype, isa_dtypes()[isa])[-1])


def _choose(program: Program, config: MobileBertConfig, isa: str, threads: int) -> PackedModel:
    """Pack for the fastest type whose answers are near enough to those of float32."""
    exact = pack_program(program, "float32")
    wanted = candidates(isa)
    if not wanted:
        return PackedModel(exact)
    measured: dict[str, Measurement] = {}
    task = program.task
    reference = answer_sample(Execution(exact, task, isa, threads), config)
    for dtype in wanted:
        packed = _packed(program, dtype, isa)
        answers = answer_sample(Execution(packed, task, isa, threads), config)
        measured[dtype] = compare(answers, reference)
        if decide((dtype,), measured) == dtype:
            return PackedModel(packed, measured)
    return PackedModel(exact, measured)


def _floats(weights: Mapping[str, npt.NDArray[Any]]) -> dict[str, Array]:
    return {
        name: array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)
        for name, array in weights.items()
    }
