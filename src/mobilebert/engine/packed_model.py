"""From weights to a packed program, in the element type asked for or the one that suits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.backend import check_weights
from mobilebert.config import MobileBertConfig
from mobilebert.engine.accuracy import (
    Answers,
    Measurement,
    answer_sample,
    candidates,
    compare,
    decide,
)
from mobilebert.engine.execution import Execution
from mobilebert.engine.packing import PackedProgram, Recipe, pack_program, recipes
from mobilebert.engine.program import Program, build_program, unfolded_tables
from mobilebert.tasks import TaskSpec
from mobilebert.weights import weight_specs

__all__ = ["Choice", "PackedModel", "choose", "fold_model", "pack_model"]


@dataclass(frozen=True)
class PackedModel:
    """A program ready to run.

    Attributes:
        program: The packed program; its `dtype` is what it computes in.
        measured: Element type -> how far it is from float32, for the types that were tried.
    """

    program: PackedProgram
    measured: Mapping[str, Measurement] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """How a model is to be packed.

    Attributes:
        recipe: What each part computes in.
        measured: Element type -> how far it is from float32, for the types that were tried.
        packed: The packed program, where it was made to be measured.
    """

    recipe: Recipe
    measured: Mapping[str, Measurement] = field(default_factory=dict)
    packed: PackedProgram | None = None

    def model(self, program: Program) -> PackedModel:
        """Return the packed model, in memory."""
        return PackedModel(self.packed or pack_program(program, self.recipe), self.measured)


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
        InputError: The engine does not know the activation.
        WeightsError: Weights are missing, have another shape or are not finite.
    """
    program = fold_model(weights, config, task)
    return choose(program, config, dtype=dtype, isa=isa, threads=threads).model(program)


def fold_model(
    weights: Mapping[str, npt.NDArray[Any]], config: MobileBertConfig, task: TaskSpec
) -> Program:
    """Check and fold a model.

    Args:
        weights: Tensors by canonical name.
        config: The configuration.
        task: The row of the task table.

    Raises:
        InputError: The engine does not know the activation.
        WeightsError: Weights are missing or have another shape.
    """
    check_weights(weight_specs(config, task), weights)
    # Tables become float32 a block at a time, when they are packed.
    tables = unfolded_tables(config, task)
    floats = {
        name: array
        if name in tables or array.dtype in (np.float32, np.float64)
        else array.astype(np.float32)
        for name, array in weights.items()
    }
    return build_program(floats, config, task)


def choose(
    program: Program,
    config: MobileBertConfig,
    *,
    dtype: str,
    isa: str,
    threads: int,
    known: Mapping[str, Measurement] | None = None,
) -> Choice:
    """Choose the fastest type whose answers are near enough to those of float32.

    Args:
        program: The folded model.
        config: Its configuration.
        dtype: An element type of the instruction set, which is then the choice, or auto.
        isa: The instruction set.
        threads: How many threads measure.
        known: What has been measured before.

    Raises:
        WeightsError: A weight is not finite.
    """
    if dtype != "auto":
        return Choice(_recipe(dtype, isa))
    known, measured = known or {}, {}
    exact: Answers | None = None
    for name in candidates(isa):
        packed = None
        if name in known:
            measured[name] = known[name]
        else:
            # What is packed in float32 is gone before the next is packed: memory is used again.
            exact = exact or _answers(pack_program(program), program, config, isa, threads)
            packed = pack_program(program, _recipe(name, isa))
            found = _answers(packed, program, config, isa, threads)
            measured[name] = compare(found, exact)
        if decide((name,), measured) == name:
            return Choice(_recipe(name, isa), measured, packed)
    return Choice(_recipe("float32", isa), measured)


def _recipe(dtype: str, isa: str) -> Recipe:
    """Return the most accurate recipe of an element type."""
    return recipes(dtype, isa)[-1]


def _answers(
    packed: PackedProgram, program: Program, config: MobileBertConfig, isa: str, threads: int
) -> Answers:
    return answer_sample(Execution(packed, program.task, isa, threads), config)
