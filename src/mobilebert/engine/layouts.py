"""How kernels read arrays: matrices cut into panels, made block by block.

A matrix [out, in] becomes [out / 32][in][32]: a kernel walks down one panel after the other. In
bfloat16 a panel is cut into the tiles of AMX, [out / 32][in / 32][2] tiles of [16][16][2]: 16 pairs
of inputs by 16 outputs; in int8 the tiles are [16][16][4] and [in / 64] of them. Padded rows and
columns are zeros: they neither add anything nor are looked at.

A vocabulary has 62 MB in float32, and the first start waits for every page of memory that it is the
first to touch. So large arrays are made in blocks that fit the processor's cache, and go straight
to where they belong: into memory, or into the file of a pack.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mobilebert.errors import WeightsError

__all__ = [
    "DEEP",
    "PANEL",
    "BlockedArray",
    "in_float32",
    "lay_out",
    "pack_byte_tiles",
    "pack_panels",
    "pack_tiles",
    "padded",
    "padded_width",
    "table",
    "to_bfloat16",
]

Float32Array = npt.NDArray[np.float32]
BitsArray = npt.NDArray[np.uint16]
BytesArray = npt.NDArray[np.int8]
Array = npt.NDArray[Any]

# Columns of a panel; `kPanel` in csrc/kernels.h.
PANEL = 32

# Depth of a tile of int8 numbers; `kDeep` in csrc/int8.h.
DEEP = 64

# Numbers of a block: with what is computed on the way, a core's second cache.
_BLOCK = 2**17


def padded_width(width: int) -> int:
    """Return the next multiple of the panel's width."""
    return -(-width // PANEL) * PANEL


@dataclass(frozen=True)
class BlockedArray:
    """An array that is made when it is needed, block by block.

    Attributes:
        shape: Its shape.
        dtype: Its element type.
        blocks: Makes its parts, cut along the first axis.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    blocks: Callable[[], Iterator[Array]]

    def array(self) -> Array:
        """Make it whole, where vectors and tiles do not straddle lines of the cache."""
        size = int(np.prod(self.shape)) * self.dtype.itemsize
        room = np.empty(size + 64, np.uint8)
        start = -room.ctypes.data % 64
        whole: Array = room[start : start + size].view(self.dtype).reshape(self.shape)
        first = 0
        for block in self.blocks():
            whole[first : first + len(block)] = block
            first += len(block)
        return whole


def in_float32(array: Array) -> Float32Array:
    """Return an array in float32; it is not copied if it is, and lies as the kernels read it.

    Raises:
        WeightsError: It holds what float32 does not.
    """
    with np.errstate(over="ignore"):  # what float32 cannot hold is told below
        # Nothing aligns the tensors of a safetensors file.
        converted: Float32Array = np.require(array, np.float32, ["C", "A"])
    if not np.isfinite(converted).all():
        raise WeightsError(
            "The engine needs finite weights: some are NaN, infinite or beyond float32 (3.4e38)."
        )
    return converted


def padded(array: Array, *sizes: int) -> Float32Array:
    """Return an array in float32 with zeros up to the sizes.

    Raises:
        WeightsError: It holds what float32 does not.
    """
    if array.shape == sizes:
        return in_float32(array)
    missing = [(0, size - given) for size, given in zip(sizes, array.shape, strict=True)]
    return in_float32(np.pad(array, missing))


def pack_panels(matrix: Float32Array) -> Float32Array:
    """Cut a matrix whose sizes are whole panels, [out, in] -> [out / 32][in][32]."""
    out, depth = matrix.shape
    return np.ascontiguousarray(matrix.reshape(out // PANEL, PANEL, depth).transpose(0, 2, 1))


def to_bfloat16(array: Float32Array) -> BitsArray:
    """Round finite numbers to bfloat16, ties to even, and return their bits."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    rounded = bits >> 16
    rounded &= 1
    rounded += 0x7FFF
    rounded += bits
    rounded >>= 16
    return rounded.astype(np.uint16)


def pack_tiles(matrix: Float32Array) -> BitsArray:
    """Cut a matrix whose sizes are whole panels into tiles of bfloat16 numbers.

    [out, in] -> [out / 32][in / 32][2][16][16][2].
    """
    out, depth = matrix.shape
    # Pairs stay together: as one number they are moved at half the cost.
    pairs = to_bfloat16(matrix).view(np.uint32).reshape(out // PANEL, 2, 16, depth // PANEL, 16)
    tiles = np.ascontiguousarray(pairs.transpose(0, 3, 1, 4, 2))
    return tiles.view(np.uint16).reshape(out // PANEL, depth // PANEL, 2, 16, 16, 2)


def pack_byte_tiles(matrix: Float32Array) -> BytesArray:
    """Cut a matrix of whole numbers, whose sizes are whole panels, into tiles of int8.

    [out, in] -> [out / 32][in / 64][2][16][16][4], the depth filled up with zeros.
    """
    out, depth = matrix.shape
    whole = np.pad(matrix, [(0, 0), (0, -depth % DEEP)]).astype(np.int8)
    tiles = whole.reshape(out // PANEL, 2, 16, -1, 16, 4)
    return np.ascontiguousarray(tiles.transpose(0, 3, 1, 4, 2, 5))


class _Layout(NamedTuple):
    """How matrices of an element type lie.

    Attributes:
        dtype: What numpy calls it.
        panel: The shape of a panel of a depth.
        pack: Brings whole panels into it.
    """

    dtype: type[np.generic]
    panel: Callable[[int], tuple[int, ...]]
    pack: Callable[[Float32Array], Array]


_LAYOUTS: dict[str, _Layout] = {
    "float32": _Layout(np.float32, lambda depth: (depth, PANEL), pack_panels),
    "bfloat16": _Layout(np.uint16, lambda depth: (depth // PANEL, 2, 16, 16, 2), pack_tiles),
    "int8": _Layout(np.int8, lambda depth: (-(-depth // DEEP), 2, 16, 16, 4), pack_byte_tiles),
}


def lay_out(dtype: str, out: int, depth: int, rows: Callable[[int, int], Array]) -> BlockedArray:
    """Describe a matrix as kernels read it.

    Args:
        dtype: float32, bfloat16 or int8.
        out: How many rows it has.
        depth: How many columns.
        rows: Returns some of its rows: from the first to before the second number.
    """
    wide, step = padded_width(depth), max(1, _BLOCK // (PANEL * padded_width(depth))) * PANEL
    layout = _LAYOUTS[dtype]

    def blocks() -> Iterator[Array]:
        for start in range(0, out, step):
            part = rows(start, min(start + step, out))
            yield layout.pack(padded(part, padded_width(len(part)), wide))

    shape = (padded_width(out) // PANEL, *layout.panel(wide))
    return BlockedArray(shape, np.dtype(layout.dtype), blocks)


def table(rows: Array) -> Float32Array | BlockedArray:
    """Describe a table of rows in float32.

    Raises:
        WeightsError: It holds what float32 does not.
    """
    if rows.dtype == np.float32:
        return in_float32(rows)
    step = max(1, _BLOCK // max(1, rows.shape[1]))

    def blocks() -> Iterator[Array]:
        for start in range(0, len(rows), step):
            yield in_float32(rows[start : start + step])

    return BlockedArray(rows.shape, np.dtype(np.float32), blocks)
