"""Which Keras variable is which canonical weight: one table, read by every loader and saver.

Attribute paths follow the canonical names. Two rules lead from a name to its variable: Keras
reserves `input` and `output`, which get an underscore, and its own layers have names of their own
for what PyTorch calls `weight` and `bias`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from mobilebert.checkpoint.names import ENCODER_PREFIX
from mobilebert.weights import WeightKind, WeightSpec

__all__ = ["array_of", "assign", "label", "read", "variables"]

_RESERVED = {"input": "input_", "output": "output_"}

# Class of a Keras layer -> the names of its variables. Layers of our own keep canonical names.
_LEAVES: dict[Any, dict[str, str]] = {
    keras.layers.Dense: {"weight": "kernel"},
    keras.layers.Embedding: {"weight": "embeddings"},
    keras.layers.LayerNormalization: {"weight": "gamma", "bias": "beta"},
}


def _transposed(spec: WeightSpec) -> bool:
    """PyTorch's dense layers are (out, in), those of Keras (in, out)."""
    return spec.kind is WeightKind.LINEAR_WEIGHT


def variables(model: Any, specs: Iterable[WeightSpec]) -> dict[str, tuple[WeightSpec, Any]]:
    """Return the variables of a model by canonical name; tied ones are left out.

    Args:
        model: One of our models, whose encoder is `mobilebert`, or that encoder.
        specs: Its weight specification.
    """
    return {
        spec.name: (spec, _variable(model, spec.name)) for spec in specs if spec.tied_to is None
    }


def _variable(model: Any, name: str) -> Any:
    parts = name.removeprefix(ENCODER_PREFIX).split(".")
    in_encoder = parts[0] in ("embeddings", "encoder", "pooler")
    place = getattr(model, "mobilebert", model) if in_encoder else model
    *path, leaf = parts
    for part in path:
        if part.isdigit():
            place = place[int(part)]
        else:
            place = getattr(place, _RESERVED.get(part, part))
    return getattr(place, _LEAVES.get(type(place), {}).get(leaf, leaf))


def label(model: Any, specs: Iterable[WeightSpec]) -> None:
    """Let the paths of a model's variables be their canonical names, behind the model's.

    Users choose variables by path, and Keras names them so in its warnings; it has no public way
    to say a path.
    """
    for name, (_, variable) in variables(model, specs).items():
        variable._path = f"{model.name}/{name.replace('.', '/')}"


def read(model: Any, specs: Iterable[WeightSpec]) -> dict[str, npt.NDArray[Any]]:
    """Return the weights of a model in canonical names and layout."""
    return {
        name: array_of(variable).T if _transposed(spec) else array_of(variable)
        for name, (spec, variable) in variables(model, specs).items()
    }


def array_of(variable: Any) -> npt.NDArray[Any]:
    """Return what a variable holds, in float32 where numpy has no such type."""
    # A tensor first: numpy reads variables in a way it will lose.
    value = np.asarray(keras.ops.convert_to_tensor(variable))
    # numpy itself has no bfloat16; widening is exact.
    return value if value.dtype.kind == "f" else value.astype(np.float32)


def assign(
    model: Any, specs: Iterable[WeightSpec], tensors: Mapping[str, npt.NDArray[Any]]
) -> None:
    """Give variables their values.

    Args:
        model: The model.
        specs: Its weight specification.
        tensors: Values by canonical name, in canonical layout; other variables stay as they are.
    """
    for name, (spec, variable) in variables(model, specs).items():
        if name in tensors:
            variable.assign(tensors[name].T if _transposed(spec) else tensors[name])
