"""A folded program as the native encoder reads it: padded, laid out, in its element types.

`layouts.py` has the layouts.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.engine.layouts import (
    PANEL,
    BlockedArray,
    in_float32,
    lay_out,
    padded,
    padded_width,
    table,
)
from mobilebert.engine.program import Embedding, FeedForward, Layer, Linear, Norm, Program
from mobilebert.engine.quantization import INTEGER_MATRICES, quantize_columns

__all__ = [
    "PackedEmbedding",
    "PackedLinear",
    "PackedProgram",
    "Recipe",
    "pack_program",
    "recipes",
]

Float32Array = npt.NDArray[np.float32]
BitsArray = npt.NDArray[np.uint16]
BytesArray = npt.NDArray[np.int8]
Array = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Recipe:
    """Which element type each part of a model computes in.

    Pooler and projection are small and always in float32.

    Attributes:
        inside: A layer's matrices that neither read nor write the stream, most of a model.
        stream: Its other matrices.
        attention: Attention, the embedding and the vocabulary; not int8.
    """

    inside: str
    stream: str
    attention: str


# Instruction set -> what stands beside int8; float32 where none is named. Not what the processor
# happens to have: packs are shared by all that have the instruction set.
_BESIDE_INT8 = {"amx": "bfloat16"}


def recipes(dtype: str, isa: str) -> tuple[Recipe, ...]:
    """Return the recipes of an element type, the fastest first, the most accurate last.

    Args:
        dtype: The element type.
        isa: The instruction set.
    """
    if dtype != "int8":
        return (Recipe(dtype, dtype, dtype),)
    wide = _BESIDE_INT8.get(isa, "float32")
    return Recipe("int8", "int8", wide), Recipe("int8", wide, wide)


@dataclass(frozen=True)
class PackedLinear:
    """A `Linear` in panels.

    Attributes:
        dtype: float32, bfloat16 or int8.
        weight: [width_out / 32][width_in][32]; or the bits of bfloat16 numbers, or int8, in tiles.
        bias: [width_out].
        residual_scale: [width_out], or None.
        norm: [width], or None.
        width_in: What goes in, padded.
        width_out: What comes out, padded.
        width: True width of what comes out.
        column_scale: Of int8: what 1 stands for, for each output; [width_out]. Otherwise None.
        column_sum: Of int8: the sum of an output's whole numbers; [width_out]. Otherwise None.
    """

    dtype: str
    weight: Float32Array | BitsArray | BytesArray | BlockedArray
    bias: Float32Array
    residual_scale: Float32Array | None
    norm: Norm | None
    width_in: int
    width_out: int
    width: int
    column_scale: Float32Array | None = None
    column_sum: Float32Array | None = None


@dataclass(frozen=True)
class PackedEmbedding:
    """The tables, rows of positions and types padded to the stream.

    Attributes:
        words: [vocabulary, width].
        positions: [position_count, stream].
        types: [type_count, stream].
        trigram: Whether next, current and previous word stand side by side.
        transformation: Words to the stream, or None.
        norm: Of a model without transformation, or None.
    """

    words: Float32Array | BlockedArray
    positions: Float32Array
    types: Float32Array
    trigram: bool
    transformation: PackedLinear | None
    norm: Norm | None

    @property
    def vocabulary(self) -> int:
        """Rows of the word table."""
        return self.words.shape[0]

    @property
    def width(self) -> int:
        """Numbers of a word."""
        return self.words.shape[1]

    @property
    def position_count(self) -> int:
        """Rows of the position table."""
        return len(self.positions)

    @property
    def type_count(self) -> int:
        """Rows of the segment table."""
        return len(self.types)


@dataclass(frozen=True)
class PackedProgram:
    """A `Program` as the native encoder reads it; widths are padded unless said otherwise.

    Attributes:
        dtype: What most of it computes in: float32, bfloat16 or int8; `Recipe.inside`.
        stream_dtype: `Recipe.stream`.
        attention_dtype: `Recipe.attention`.
        stream: Width of the stream, H.
        stream_width: H itself.
        narrow: Width inside a layer, K.
        inner: Inner width of a feed-forward network, F.
        head: Width of a head, D.
        activation: Name of the activation.
        embedding: From ids to the stream.
        layers: The encoder.
        pools: Whether the head reads the pooled first position.
        pooler: Dense layer before tanh, or None.
        transform: Before the vocabulary, or None.
        vocabulary: The vocabulary, or None.
        projection: The head's dense layer, or None.
    """

    dtype: str
    stream_dtype: str
    attention_dtype: str
    stream: int
    stream_width: int
    narrow: int
    inner: int
    head: int
    activation: str
    embedding: PackedEmbedding
    layers: tuple[Layer[PackedLinear], ...]
    pools: bool
    pooler: PackedLinear | None
    transform: PackedLinear | None
    vocabulary: PackedLinear | None
    projection: PackedLinear | None


def _spread_rows(array: Array, heads: int) -> Array:
    """Give every head a whole number of panels, along the first axis."""
    size = len(array) // heads
    by_head = array.reshape(heads, size, *array.shape[1:])
    missing = [(0, 0), (0, padded_width(size) - size)] + [(0, 0)] * (array.ndim - 1)
    spread: Array = np.pad(by_head, missing).reshape(-1, *array.shape[1:])
    return spread


# What becomes of an array, and the one it comes from.
_Place = Callable[[Float32Array | BlockedArray, Array], Any]


def _made(array: Float32Array | BlockedArray, given: Array) -> npt.NDArray[Any]:
    """Make an array in memory of its own: a model may go on learning, and a file be rewritten."""
    if isinstance(array, BlockedArray):
        return array.array()
    return array.copy() if np.may_share_memory(array, given) else array


def _left(array: Float32Array | BlockedArray, given: Array) -> Float32Array | BlockedArray:
    return array


class _Packer:
    """Packs dense layers for one element type.

    Args:
        dtype: The element type.
        place: What becomes of arrays.
    """

    def __init__(self, dtype: str, place: _Place) -> None:
        self.dtype, self.place = dtype, place

    def linear(self, linear: Linear) -> PackedLinear:
        out, depth = linear.shape
        wide_out, wide_in = padded_width(out), padded_width(depth)
        scale, rows = linear.residual_scale, linear.rows
        weight = linear.weight
        column_scale = column_sum = None
        if self.dtype == "int8":
            whole, column_scale = quantize_columns(padded(weight, wide_out, wide_in))
            column_sum = whole.sum(axis=1)
            out, depth, rows = wide_out, wide_in, Linear(whole, linear.bias).rows
        return PackedLinear(
            dtype=self.dtype,
            weight=self.place(lay_out(self.dtype, out, depth, rows), weight),
            bias=self.placed(linear.bias, wide_out),
            residual_scale=None if scale is None else self.placed(scale, wide_out),
            norm=self.norm(linear.norm),
            width_in=wide_in,
            width_out=wide_out,
            width=linear.shape[0],
            column_scale=column_scale,
            column_sum=column_sum,
        )

    def placed(self, array: Array, *sizes: int) -> Float32Array:
        placed: Float32Array = self.place(padded(array, *sizes), array)
        return placed

    def norm(self, norm: Norm | None) -> Norm | None:
        if norm is None:
            return None
        weight, bias = (self.place(in_float32(x), x) for x in (norm.weight, norm.bias))
        return Norm(weight, bias, norm.eps)

    def optional(self, linear: Linear | None) -> PackedLinear | None:
        return None if linear is None else self.linear(linear)

    def heads(self, linear: Linear, heads: int) -> PackedLinear:
        rows = _spread_rows(linear.weight, heads), _spread_rows(linear.bias, heads)
        return self.linear(Linear(*rows))

    def embedding(self, embedding: Embedding, stream: int) -> PackedEmbedding:
        return PackedEmbedding(
            words=self.place(table(embedding.words), embedding.words),
            positions=self.placed(embedding.positions, len(embedding.positions), stream),
            types=self.placed(embedding.types, len(embedding.types), stream),
            trigram=embedding.trigram,
            transformation=self.optional(embedding.transformation),
            norm=self.norm(embedding.norm),
        )


def _pack_layer(layer: Layer[Linear], stream: _Packer, inside: _Packer) -> Layer[PackedLinear]:
    """Pack a layer; `inside` has the matrices that int8 replaces."""

    def packer(name: str) -> _Packer:
        return inside if name in INTEGER_MATRICES[layer.reads] else stream

    output = layer.attention_output
    columns = _spread_rows(output.weight.T, layer.heads).T
    return Layer(
        heads=layer.heads,
        reads=layer.reads,
        input_bottleneck=stream.optional(layer.input_bottleneck),
        attention_bottleneck=stream.optional(layer.attention_bottleneck),
        query=packer("query").heads(layer.query, layer.heads),
        key=packer("key").heads(layer.key, layer.heads),
        value=packer("value").heads(layer.value, layer.heads),
        attention_output=inside.linear(replace(output, weight=columns)),
        feed_forward=tuple(
            FeedForward(inside.linear(network.inner), inside.linear(network.outer))
            for network in layer.feed_forward
        ),
        output_bottleneck=stream.optional(layer.output_bottleneck),
    )


def pack_program(
    program: Program, recipe: Recipe | str = "float32", *, in_memory: bool = True
) -> PackedProgram:
    """Lay a program out for the native encoder.

    Args:
        program: The program.
        recipe: What each part computes in, or float32 or bfloat16 for all.
        in_memory: Whether to make its arrays now, which then share no memory with those of the
            program; otherwise the large ones are made when the program is written
            (`pack_file.write_pack`), and it cannot run.

    Raises:
        WeightsError: A weight is not finite.
    """
    if isinstance(recipe, str):
        recipe = Recipe(recipe, recipe, recipe)
    place = _made if in_memory else _left
    packer, small = _Packer(recipe.attention, place), _Packer("float32", place)
    stream, inside = _Packer(recipe.stream, place), _Packer(recipe.inside, place)
    width = program.embedding.positions.shape[1]
    layers = tuple(_pack_layer(layer, stream, inside) for layer in program.layers)
    return PackedProgram(
        dtype=recipe.inside,
        stream_dtype=recipe.stream,
        attention_dtype=recipe.attention,
        stream=padded_width(width),
        stream_width=width,
        narrow=layers[0].attention_output.width_out if layers else PANEL,
        inner=layers[0].feed_forward[0].inner.width_out if layers else PANEL,
        head=padded_width(program.head_size),
        activation=program.activation,
        embedding=packer.embedding(program.embedding, padded_width(width)),
        layers=layers,
        pools=program.task.pooler,
        pooler=small.optional(program.pooler),
        transform=packer.optional(program.transform),
        vocabulary=packer.optional(program.vocabulary),
        projection=small.optional(program.projection),
    )
