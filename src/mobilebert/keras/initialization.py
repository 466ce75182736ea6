"""Initial weights: one loop over the weight specification."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras

from mobilebert.keras.variables import variables
from mobilebert.weights import WeightInit, WeightSpec

__all__ = [
    "freeze_parts",
    "in_own_dtype",
    "initialize",
    "leaves_variables_unset",
    "variables_unset",
]

_UNSET: ContextVar[bool] = ContextVar("mobilebert_variables_unset", default=False)


@contextmanager
def variables_unset() -> Iterator[None]:
    """Build models without initial values inside this context; a checkpoint brings them."""
    token = _UNSET.set(True)
    try:
        yield
    finally:
        _UNSET.reset(token)


def leaves_variables_unset() -> bool:
    """Tell whether models are built without initial values now."""
    return _UNSET.get()


# Google's initialiser cuts at two standard deviations, as Keras's does.
_FILL: dict[WeightInit, Callable[[float], Any]] = {
    WeightInit.TRUNCATED_NORMAL: lambda std: keras.initializers.TruncatedNormal(stddev=std),
    WeightInit.ZEROS: lambda std: keras.initializers.Zeros(),
    WeightInit.ONES: lambda std: keras.initializers.Ones(),
}


def initialize(
    model: Any, specs: Iterable[WeightSpec], std: float, names: Collection[str] | None = None
) -> None:
    """Give variables their initial values.

    Args:
        model: Holds the variables.
        specs: The model's weight specification.
        std: Standard deviation of the truncated normal distribution, `initializer_range`.
        names: Canonical names of those to initialise; all by default.
    """
    for name, (spec, variable) in variables(model, specs).items():
        if names is not None and name not in names:
            continue
        value = _FILL[spec.init](std)(variable.shape, dtype=variable.dtype)
        variable.assign(value)
        if spec.zero_row is not None:
            row = keras.ops.one_hot(spec.zero_row, variable.shape[0], dtype=variable.dtype)
            variable.assign(value * (1 - keras.ops.expand_dims(row, -1)))


@contextmanager
def in_own_dtype(layer: keras.layers.Layer) -> Iterator[None]:
    """Build the parts of a layer in its dtype policy; Keras gives them the global one."""
    outside = keras.config.dtype_policy()
    keras.config.set_dtype_policy(layer.dtype_policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(outside)


def freeze_parts(layer: keras.layers.Layer) -> None:
    """Freeze the parts of a layer that was made with ``trainable=False``.

    Keras reads that keyword before there are parts, and asks each variable in a functional model.
    """
    if not layer.trainable:
        layer.trainable = True  # on TensorFlow to set what is set already does nothing
        layer.trainable = False
