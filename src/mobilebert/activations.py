"""Activation functions by name: the table, and the formulae in numpy.

The PyTorch and Keras packages map the same names to their own functions; the parity tests hold
all of them against these formulae.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.errors import ConfigError

__all__ = [
    "ACTIVATION_NAMES",
    "LAPLACE_DEVIATION",
    "LAPLACE_MEAN",
    "LEAKY_SLOPE",
    "NATIVE_ACTIVATIONS",
    "QUICK_GELU_SCALE",
    "canonical_activation",
    "is_native",
    "numpy_activation",
]

Array = npt.NDArray[np.floating[Any]]

# Spellings found in published configurations -> our name.
_ALIASES = {
    "swish": "silu",
    "gelu_python": "gelu",
    # All of them the tanh form, rounded in other places.
    "gelu_accurate": "gelu_new",
    "gelu_fast": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
}

_TANH_GELU_SCALE = math.sqrt(2.0 / math.pi)


def _erf(x: Array) -> Array:
    """Error function: Maclaurin series below 2.5, continued fraction above.

    numpy has no erf and scipy is not a dependency. Both expansions are Abramowitz & Stegun
    7.1.6 and 7.1.14; the error against math.erf is below 1e-14 everywhere (tested).
    """
    absolute = np.minimum(np.abs(x), 6.0)  # erf(6) rounds to 1 in float64
    small = np.minimum(absolute, 2.5)
    term = small * (2.0 / math.sqrt(math.pi)) * np.exp(-small * small)
    series = np.zeros_like(small)
    for n in range(1, 48):
        series += term
        term = term * (2.0 * small * small / (2 * n + 1))
    large = np.maximum(absolute, 2.5)
    fraction = np.zeros_like(large)
    for n in range(48, 0, -1):
        fraction = (n / 2.0) / (large + fraction)
    tail = np.exp(-large * large) / (math.sqrt(math.pi) * (large + fraction))
    return np.sign(x) * np.where(absolute <= 2.5, series, 1.0 - tail)


def _gelu(x: Array) -> Array:
    return 0.5 * x * (1.0 + _erf(x.astype(np.float64) / math.sqrt(2.0)).astype(x.dtype))


def _gelu_new(x: Array) -> Array:
    # x * x * x, not x ** 3: numpy's power is 40 times slower.
    return 0.5 * x * (1.0 + np.tanh(_TANH_GELU_SCALE * (x + 0.044715 * (x * x * x))))


def _relu(x: Array) -> Array:
    return np.maximum(x, 0)


def _relu6(x: Array) -> Array:
    return np.minimum(np.maximum(x, 0), 6)


def _sigmoid(x: Array) -> Array:
    # The logistic function without overflow.
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def _laplace(x: Array) -> Array:
    # Ma et al. 2022, "Mega: Moving Average Equipped Gated Attention", with its rounded constants.
    scaled = (x.astype(np.float64) - LAPLACE_MEAN) / (LAPLACE_DEVIATION * math.sqrt(2.0))
    return 0.5 * (1.0 + _erf(scaled).astype(x.dtype))


LAPLACE_MEAN, LAPLACE_DEVIATION = 0.707107, 0.282095
LEAKY_SLOPE = 0.01
QUICK_GELU_SCALE = 1.702

_NUMPY: dict[str, Callable[[Array], Array]] = {
    "gelu": _gelu,
    "gelu_10": lambda x: np.clip(_gelu(x), -10, 10),
    "gelu_new": _gelu_new,
    "laplace": _laplace,
    "leaky_relu": lambda x: np.where(x > 0, x, LEAKY_SLOPE * x),
    "linear": lambda x: x,
    "mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
    "quick_gelu": lambda x: x * _sigmoid(QUICK_GELU_SCALE * x),
    "relu": _relu,
    "relu2": lambda x: np.square(_relu(x)),
    "relu6": _relu6,
    "sigmoid": _sigmoid,
    "silu": lambda x: x * _sigmoid(x),
    "tanh": np.tanh,
}

ACTIVATION_NAMES = tuple(_NUMPY)

# What the engine has kernels for (csrc/activations.h).
NATIVE_ACTIVATIONS = ("gelu", "gelu_new", "relu", "relu6", "silu")


def canonical_activation(name: str) -> str:
    """Return the table's spelling of an activation name.

    Args:
        name: One of `ACTIVATION_NAMES`, such as gelu (error function) or gelu_new (tanh form), or
            another name of one of these.

    Raises:
        ConfigError: The name is unknown.
    """
    found = _ALIASES.get(name, name)
    if found not in _NUMPY:
        raise ConfigError(
            f"Unknown activation hidden_act={name!r}; choose one of {', '.join(ACTIVATION_NAMES)}."
        )
    return found


def is_native(hidden_act: str | Callable[..., Any]) -> bool:
    """Tell whether the engine computes an activation; a function of the user's it does not."""
    return not callable(hidden_act) and canonical_activation(hidden_act) in NATIVE_ACTIVATIONS


def numpy_activation(hidden_act: str | Callable[..., Any]) -> Callable[[Array], Array]:
    """Return the activation as a function on numpy arrays of any shape.

    Args:
        hidden_act: A name, or a callable, which is returned as it is.

    Raises:
        ConfigError: The name is unknown.
    """
    if callable(hidden_act):
        return hidden_act
    return _NUMPY[canonical_activation(hidden_act)]
