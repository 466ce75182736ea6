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

__all__ = ["ACTIVATION_NAMES", "canonical_activation", "numpy_activation"]

Array = npt.NDArray[np.floating[Any]]

# Spellings found in published configurations -> our name.
_ALIASES = {"swish": "silu", "gelu_pytorch_tanh": "gelu_new"}

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


def _silu(x: Array) -> Array:
    # 0.5 * (1 + tanh(x / 2)) is the logistic function without overflow.
    return np.asarray(0.5 * x * (1.0 + np.tanh(0.5 * x)))


_NUMPY: dict[str, Callable[[Array], Array]] = {
    "gelu": _gelu,
    "gelu_new": _gelu_new,
    "relu": _relu,
    "relu6": _relu6,
    "silu": _silu,
}

ACTIVATION_NAMES = tuple(_NUMPY)


def canonical_activation(name: str) -> str:
    """Return the table's spelling of an activation name.

    Args:
        name: One of gelu (error function), gelu_new (tanh form), relu, relu6, silu, or an alias.

    Raises:
        ConfigError: The name is unknown.
    """
    found = _ALIASES.get(name, name)
    if found not in _NUMPY:
        raise ConfigError(
            f"Unknown activation hidden_act={name!r}; choose one of {', '.join(ACTIVATION_NAMES)}."
        )
    return found


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
