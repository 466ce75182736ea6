"""Norms, dense layers, and the projection into a residual stream that every part ends with.

Every layer makes its variables when it is constructed, so a model is complete, and can be saved,
before its first call. They start as zeros; `mobilebert.keras.initialization` fills them.
"""

from collections.abc import Callable
from typing import Any

import keras

from mobilebert.config import MobileBertConfig
from mobilebert.reference import TORCH_DEFAULT_EPS

__all__ = ["UNSET_EPS", "NoNorm", "ResidualProjection", "dense", "layer_norm", "norm"]

# transformers' PyTorch classes build the norms of the embeddings and of `layer.output` without an
# epsilon, and published layer_norm models were made that way.
UNSET_EPS = TORCH_DEFAULT_EPS


def dense(width_in: int, width: int) -> Any:
    """Build a dense layer with its variables, [..., width_in] -> [..., width]."""
    layer = keras.layers.Dense(width, kernel_initializer="zeros")
    layer.build((None, width_in))
    return layer


def layer_norm(width: int, eps: float) -> Any:
    """Build a true layer normalisation with its variables."""
    layer = keras.layers.LayerNormalization(epsilon=eps)
    layer.build((None, width))
    return layer


class NoNorm(keras.layers.Layer):
    """Scale and shift per channel, what MobileBERT has instead of layer normalisation.

    Paper section 3.4: ``weight * x + bias`` costs no reduction over the channels.

    Args:
        width: Number of channels.
        eps: Unused; norms are interchangeable.
    """

    def __init__(self, width: int, eps: float | None = None) -> None:
        super().__init__()
        self.bias = self.add_weight(shape=(width,), initializer="zeros", name="bias")
        self.weight = self.add_weight(shape=(width,), initializer="ones", name="weight")
        self.built = True

    def call(self, x: Any) -> Any:
        """Scale and shift, [..., width] -> [..., width]."""
        return x * self.weight + self.bias


_NORMS: dict[str, Callable[[int, float], Any]] = {"no_norm": NoNorm, "layer_norm": layer_norm}


def norm(config: MobileBertConfig, width: int, eps: float) -> Any:
    """Build the norm a configuration asks for.

    Args:
        config: The configuration.
        width: Number of channels.
        eps: Epsilon of a true layer normalisation.
    """
    return _NORMS[config.normalization_type](width, eps)


class ResidualProjection(keras.layers.Layer):
    """A dense layer whose result joins a residual stream: ``norm(dropout(dense(x)) + residual)``.

    Ends the attention, every feed-forward network and the output bottleneck.

    Args:
        config: The configuration.
        width_in: Width of what is projected.
        width: Width of the residual stream.
        dropout: Dropout after the dense layer.
        eps: Epsilon of a true layer normalisation; ``config.layer_norm_eps`` by default.
        bottleneck: A projection that lives under this one's name, as checkpoints spell it; it is
            called by the layer, not here.
    """

    def __init__(
        self,
        config: MobileBertConfig,
        width_in: int,
        width: int,
        *,
        dropout: float = 0.0,
        eps: float | None = None,
        bottleneck: "ResidualProjection | None" = None,
    ) -> None:
        super().__init__()
        self.dense = dense(width_in, width)
        self.LayerNorm = norm(config, width, config.layer_norm_eps if eps is None else eps)
        self.dropout = keras.layers.Dropout(dropout)
        if bottleneck is not None:
            self.bottleneck = bottleneck
        self.built = True

    def call(self, x: Any, residual: Any) -> Any:
        """Project [..., width_in] and add the residual [..., width]."""
        return self.LayerNorm(self.dropout(self.dense(x)) + residual)
