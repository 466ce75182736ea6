"""Layouts that the native kernels read: widths padded to whole panels, matrices cut into panels.

A matrix [out, in] becomes [out / 32][in][32]: a kernel walks down one panel after the other. In
bfloat16 a panel is cut into the tiles of AMX, [out / 32][in / 32][2] tiles of [16][16][2]: 16 pairs
of inputs by 16 outputs; in int8 the tiles are [16][16][4] and [in / 64] of them. Padded rows and
columns are zeros: they neither add anything nor are looked at.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.engine.program import Embedding, FeedForward, Layer, Linear, Norm, Program
from mobilebert.engine.quantization import INTEGER_MATRICES, quantize_columns
from mobilebert.errors import WeightsError

__all__ = [
    "PANEL",
    "PackedEmbedding",
    "PackedLinear",
    "PackedProgram",
    "Recipe",
    "pack_byte_tiles",
    "pack_panels",
    "pack_program",
    "pack_tiles",
    "padded_width",
    "recipes",
    "to_bfloat16",
]

Float32Array = npt.NDArray[np.float32]
BitsArray = npt.NDArray[np.uint16]
BytesArray = npt.NDArray[np.int8]
Array = npt.NDArray[np.floating[Any]]

# Columns of a panel; `kPanel` in csrc/kernels.h.
PANEL = 32

# Depth of a tile of int8 numbers; `kDeep` in csrc/int8.h.
DEEP = 64


def padded_width(width: int) -> int:
    """Return the next multiple of the panel's width."""
    return -(-width // PANEL) * PANEL


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


def recipes(dtype: str, known: Sequence[str]) -> tuple[Recipe, ...]:
    """Return the recipes of an element type, the fastest first, the most accurate last.

    Args:
        dtype: The element type.
        known: All element types of the instruction set.
    """
    if dtype != "int8":
        return (Recipe(dtype, dtype, dtype),)
    wide = "bfloat16" if "bfloat16" in known else "float32"
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
    weight: Float32Array | BitsArray | BytesArray
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

    words: Float32Array
    positions: Float32Array
    types: Float32Array
    trigram: bool
    transformation: PackedLinear | None
    norm: Norm | None

    @property
    def vocabulary(self) -> int:
        """Rows of the word table."""
        return len(self.words)

    @property
    def width(self) -> int:
        """Numbers of a word."""
        return int(self.words.shape[1])

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


def _float32(array: Array) -> Float32Array:
    with np.errstate(over="ignore"):  # what float32 cannot hold is told below
        converted = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(converted).all():
        raise WeightsError(
            "The engine needs finite weights: some are NaN, infinite or beyond float32 (3.4e38)."
        )
    return converted


def _padded(array: Array, *widths: int) -> Float32Array:
    missing = [(0, width - size) for width, size in zip(widths, array.shape, strict=True)]
    return _float32(np.pad(array, missing))


def _aligned(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Move an array to where vectors and tiles do not straddle lines of the cache."""
    room = np.empty(array.nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    moved: npt.NDArray[Any] = room[start : start + array.nbytes].view(array.dtype)
    moved = moved.reshape(array.shape)
    moved[...] = array
    return moved


def pack_panels(matrix: Float32Array) -> Float32Array:
    """Cut a matrix whose sizes are whole panels, [out, in] -> [out / 32][in][32]."""
    out, depth = matrix.shape
    return np.ascontiguousarray(matrix.reshape(out // PANEL, PANEL, depth).transpose(0, 2, 1))


def to_bfloat16(array: Float32Array) -> BitsArray:
    """Round finite numbers to bfloat16, ties to even, and return their bits."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    odd = (bits >> 16) & 1
    rounded: BitsArray = ((bits + (0x7FFF + odd)) >> 16).astype(np.uint16)
    return rounded


def pack_tiles(matrix: Float32Array) -> BitsArray:
    """Cut a matrix whose sizes are whole panels into tiles of bfloat16 numbers.

    [out, in] -> [out / 32][in / 32][2][16][16][2].
    """
    out, depth = matrix.shape
    tiles = to_bfloat16(matrix).reshape(out // PANEL, 2, 16, depth // PANEL, 16, 2)
    return np.ascontiguousarray(tiles.transpose(0, 3, 1, 4, 2, 5))


def pack_byte_tiles(matrix: Float32Array) -> BytesArray:
    """Cut a matrix of whole numbers, whose sizes are whole panels, into tiles of int8.

    [out, in] -> [out / 32][in / 64][2][16][16][4], the depth filled up with zeros.
    """
    out, depth = matrix.shape
    whole = np.pad(matrix, [(0, 0), (0, -depth % DEEP)]).astype(np.int8)
    tiles = whole.reshape(out // PANEL, 2, 16, -1, 16, 4)
    return np.ascontiguousarray(tiles.transpose(0, 3, 1, 4, 2, 5))


# Element type -> how a matrix is laid out.
_LAYOUTS: dict[str, Callable[[Float32Array], Float32Array | BitsArray | BytesArray]] = {
    "float32": pack_panels,
    "bfloat16": pack_tiles,
    "int8": pack_byte_tiles,
}


def _pack_norm(norm: Norm | None) -> Norm | None:
    return None if norm is None else Norm(_float32(norm.weight), _float32(norm.bias), norm.eps)


def _spread_rows(array: Array, heads: int) -> Array:
    """Give every head a whole number of panels, along the first axis."""
    size = len(array) // heads
    by_head = array.reshape(heads, size, *array.shape[1:])
    missing = [(0, 0), (0, padded_width(size) - size)] + [(0, 0)] * (array.ndim - 1)
    spread: Array = np.pad(by_head, missing).reshape(-1, *array.shape[1:])
    return spread


class _Packer:
    """Packs dense layers for one element type."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype

    def linear(self, linear: Linear) -> PackedLinear:
        out, depth = linear.weight.shape
        wide_out, wide_in = padded_width(out), padded_width(depth)
        scale = linear.residual_scale
        weight, column_scale, column_sum = _padded(linear.weight, wide_out, wide_in), None, None
        if self.dtype == "int8":
            weight, column_scale = quantize_columns(weight)
            column_sum = weight.sum(axis=1)
        return PackedLinear(
            dtype=self.dtype,
            weight=_aligned(_LAYOUTS[self.dtype](weight)),
            bias=_padded(linear.bias, wide_out),
            residual_scale=None if scale is None else _padded(scale, wide_out),
            norm=_pack_norm(linear.norm),
            width_in=wide_in,
            width_out=wide_out,
            width=out,
            column_scale=column_scale,
            column_sum=column_sum,
        )

    def optional(self, linear: Linear | None) -> PackedLinear | None:
        return None if linear is None else self.linear(linear)

    def heads(self, linear: Linear, heads: int) -> PackedLinear:
        rows = _spread_rows(linear.weight, heads), _spread_rows(linear.bias, heads)
        return self.linear(Linear(*rows))

    def embedding(self, embedding: Embedding, stream: int) -> PackedEmbedding:
        return PackedEmbedding(
            words=_float32(embedding.words),
            positions=_padded(embedding.positions, len(embedding.positions), stream),
            types=_padded(embedding.types, len(embedding.types), stream),
            trigram=embedding.trigram,
            transformation=self.optional(embedding.transformation),
            norm=_pack_norm(embedding.norm),
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


def pack_program(program: Program, recipe: Recipe | str = "float32") -> PackedProgram:
    """Lay a program out for the native encoder.

    Args:
        program: The program.
        recipe: What each part computes in, or float32 or bfloat16 for all.

    Raises:
        WeightsError: A weight is not finite.
    """
    if isinstance(recipe, str):
        recipe = Recipe(recipe, recipe, recipe)
    packer, small = _Packer(recipe.attention), _Packer("float32")
    stream, inside = _Packer(recipe.stream), _Packer(recipe.inside)
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
