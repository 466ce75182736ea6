"""Removing attention heads from a layer."""

from typing import Any

import keras

from mobilebert.keras.attention import MobileBertAttention
from mobilebert.keras.replacement import replace_variable
from mobilebert.keras.variables import array_of
from mobilebert.resizing import kept_rows

__all__ = ["prune_attention"]


def _select(layer: Any, index: list[int], axis: int) -> None:
    """Keep some inputs (axis 0) or outputs (axis 1) of a dense layer, whose kernel is (in, out)."""
    replace_variable(layer, layer.kernel, array_of(layer.kernel).take(index, axis=axis))
    if axis == 1:
        replace_variable(layer, layer.bias, array_of(layer.bias)[index])
    width_in, layer.units = layer.kernel.shape
    layer.input_spec = keras.InputSpec(min_ndim=2, axes={-1: width_in})


def prune_attention(attention: MobileBertAttention, gone: set[int], heads: int) -> None:
    """Remove heads from one layer's attention.

    Args:
        attention: The layer's attention.
        gone: The numbers of all heads that are then gone, counted as in the unpruned layer.
        heads: How many the unpruned layer has.
    """
    if gone == attention.pruned_heads:
        return
    size = attention.self.attention_head_size
    kept = kept_rows(heads, attention.pruned_heads, gone, size)
    for layer in (attention.self.query, attention.self.key, attention.self.value):
        _select(layer, kept, axis=1)
    _select(attention.output_.dense, kept, axis=0)
    attention.self.num_attention_heads = heads - len(gone)
    attention.pruned_heads = frozenset(gone)
