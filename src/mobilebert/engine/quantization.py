"""int8: matrices and rows as whole numbers, and the same products in numpy.

A matrix has a scale for each output, a row of activations one scale and one offset:
`weight == column_scale * s8`, `x == row_scale * (u8 + row_offset)`, so that a product is
`row_scale * column_scale * sum((u8 + row_offset) * s8)`, whose sum is exact. Rows are measured when
they are there (nothing is calibrated); a row's least and largest number are 255 steps apart, and 0
is one of the steps. The kernels are in csrc/int8.h.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.engine.program import FeedForward, Layer, Linear, Program
from mobilebert.weights import AttentionInput

__all__ = [
    "INTEGER_MATRICES",
    "STREAM_MATRICES",
    "QuantizedLinear",
    "QuantizedRows",
    "quantize_columns",
    "quantize_program",
    "quantize_rows",
]

Array = npt.NDArray[np.floating[Any]]
Float32Array = npt.NDArray[np.float32]

# What attention reads -> which of a layer's matrices, beside the feed-forward networks, neither
# read nor write the stream.
INTEGER_MATRICES: dict[AttentionInput, tuple[str, ...]] = {
    AttentionInput.SHARED_BOTTLENECK: ("query", "key", "attention_output"),
    AttentionInput.BOTTLENECK: ("query", "key", "value", "attention_output"),
    AttentionInput.HIDDEN: ("attention_output",),
}

# The others: in int8 too where a model bears it. The stream may range too widely for one scale a
# row ([CLS] reaches 2.5e7 in the published checkpoint).
STREAM_MATRICES = (
    "input_bottleneck",
    "attention_bottleneck",
    "query",
    "key",
    "value",
    "output_bottleneck",
)

# Scales below the normal numbers of float32 have no inverse there: such values are taken for zeros.
_SMALLEST = np.finfo(np.float32).tiny


def _inverse(scale: Float32Array) -> Float32Array:
    return np.divide(1, scale, out=np.zeros_like(scale), where=scale >= _SMALLEST)


def quantize_columns(weight: Array) -> tuple[Float32Array, Float32Array]:
    """Round a matrix [out, in] to whole numbers from -127 to 127.

    Returns:
        The whole numbers, [out, in], and what 1 stands for, [out].
    """
    scale = (np.abs(weight).max(axis=1, initial=0) / 127).astype(np.float32)
    scale = np.where(scale >= _SMALLEST, scale, np.float32(0))
    whole = np.rint(weight * _inverse(scale).astype(np.float64)[:, None])
    return np.clip(whole, -127, 127).astype(np.float32), scale


@dataclass(frozen=True)
class QuantizedRows:
    """Rows as whole numbers.

    Attributes:
        numbers: From 0 to 255, [rows, width].
        scale: What 1 stands for, [rows].
        offset: What is added to the numbers before, [rows]; whole, from -255 to 0.
    """

    numbers: Float32Array
    scale: Float32Array
    offset: Float32Array


def quantize_rows(x: Array) -> QuantizedRows:
    """Round rows to whole numbers, each with its own scale and offset.

    Args:
        x: [rows, width].
    """
    x = x.astype(np.float32)
    low, high = x.min(axis=1, initial=0), x.max(axis=1, initial=0)
    # As the kernels, which fuse one product and the difference; float64 rounds as rarely.
    step = np.float32(1 / 255)
    scale = (high.astype(np.float64) * step - low * step).astype(np.float32)
    inverse = _inverse(scale)
    zero = np.rint(-low * inverse)
    numbers = np.rint(x.astype(np.float64) * inverse[:, None] + zero[:, None])
    scale = np.where(scale >= _SMALLEST, scale, np.float32(0))
    return QuantizedRows(np.clip(numbers, 0, 255).astype(np.float32), scale, -zero)


@dataclass(frozen=True, kw_only=True)
class QuantizedLinear(Linear):
    """A `Linear` whose weight is whole numbers.

    Attributes:
        column_scale: What 1 stands for, for each output, [out].
    """

    column_scale: Float32Array

    @classmethod
    def of(cls, linear: Linear) -> "QuantizedLinear":
        """Quantise a dense layer."""
        weight, scale = quantize_columns(linear.weight)
        return cls(weight, linear.bias, linear.residual_scale, linear.norm, column_scale=scale)

    def multiply(self, x: Array) -> Array:
        """Return `weight @ x` for rows, in whole numbers but for the scales."""
        rows = quantize_rows(x)
        numbers = rows.numbers.astype(np.float64) + rows.offset[:, None]
        sums = numbers @ self.weight.T.astype(np.float64)
        scaled: Array = rows.scale[:, None] * self.column_scale * sums
        return scaled.astype(x.dtype)


def _quantize_layer(layer: Layer[Linear], stream: bool) -> Layer[Linear]:
    names = {*INTEGER_MATRICES[layer.reads], *(STREAM_MATRICES if stream else ())}
    given = {name: getattr(layer, name) for name in names}
    matrices: dict[str, Any] = {
        name: QuantizedLinear.of(linear) for name, linear in given.items() if linear is not None
    }
    matrices["feed_forward"] = tuple(
        FeedForward(QuantizedLinear.of(network.inner), QuantizedLinear.of(network.outer))
        for network in layer.feed_forward
    )
    return replace(layer, **matrices)


def quantize_program(program: Program, stream: bool = False) -> Program:
    """Return the program that the engine computes in int8; `interpret` runs it.

    Args:
        program: The program.
        stream: Whether the matrices that read or write the stream are in int8 too.
    """
    layers = tuple(_quantize_layer(layer, stream) for layer in program.layers)
    return replace(program, layers=layers)
