"""The activation names of `mobilebert.activations` as Keras functions."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from keras import ops

from mobilebert.activations import (
    LAPLACE_DEVIATION,
    LAPLACE_MEAN,
    LEAKY_SLOPE,
    QUICK_GELU_SCALE,
    canonical_activation,
)

__all__ = ["keras_activation"]

_gelu = partial(ops.gelu, approximate=False)


def _laplace(x: Any) -> Any:
    scaled = (x - LAPLACE_MEAN) / (LAPLACE_DEVIATION * math.sqrt(2.0))
    return 0.5 * (1.0 + ops.erf(scaled))


_KERAS: dict[str, Callable[[Any], Any]] = {
    "gelu": _gelu,
    "gelu_10": lambda x: ops.clip(_gelu(x), -10, 10),
    "gelu_new": partial(ops.gelu, approximate=True),
    "laplace": _laplace,
    "leaky_relu": partial(ops.leaky_relu, negative_slope=LEAKY_SLOPE),
    "linear": lambda x: x,
    "mish": lambda x: x * ops.tanh(ops.softplus(x)),
    "quick_gelu": lambda x: x * ops.sigmoid(QUICK_GELU_SCALE * x),
    "relu": ops.relu,
    "relu2": lambda x: ops.square(ops.relu(x)),
    "relu6": ops.relu6,
    "sigmoid": ops.sigmoid,
    "silu": ops.silu,
    "tanh": ops.tanh,
}


def keras_activation(hidden_act: str | Callable[..., Any]) -> Callable[[Any], Any]:
    """Return the activation as a function on tensors.

    Args:
        hidden_act: A name, or a callable, which is returned as it is.

    Raises:
        ConfigError: The name is unknown.
    """
    if callable(hidden_act):
        return hidden_act
    return _KERAS[canonical_activation(hidden_act)]
