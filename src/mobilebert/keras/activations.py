"""The activation names of `mobilebert.activations` as Keras functions."""

from collections.abc import Callable
from functools import partial
from typing import Any

from keras import ops

from mobilebert.activations import canonical_activation

__all__ = ["keras_activation"]

_KERAS: dict[str, Callable[[Any], Any]] = {
    "gelu": partial(ops.gelu, approximate=False),
    "gelu_new": partial(ops.gelu, approximate=True),
    "relu": ops.relu,
    "relu6": ops.relu6,
    "silu": ops.silu,
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
