"""One tensor of a checkpoint file: what it is, and its bytes when they are asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mobilebert.errors import CheckpointError

__all__ = ["DTYPES", "DType", "StoredTensor", "dtype_code"]


@dataclass(frozen=True)
class DType:
    """An element type of checkpoint files.

    Attributes:
        code: Name in the safetensors format.
        name: Name in config.json and in PyTorch.
        numpy: numpy's type of the stored bytes; bfloat16, which numpy lacks, is read as uint16.
        floating: Whether it can hold weights.
    """

    code: str
    name: str
    numpy: str
    floating: bool = False

    @property
    def size(self) -> int:
        """Bytes of one element."""
        return np.dtype(self.numpy).itemsize


_ROWS = (
    DType("F64", "float64", "<f8", floating=True),
    DType("F32", "float32", "<f4", floating=True),
    DType("F16", "float16", "<f2", floating=True),
    DType("BF16", "bfloat16", "<u2", floating=True),
    DType("I64", "int64", "<i8"),
    DType("I32", "int32", "<i4"),
    DType("I16", "int16", "<i2"),
    DType("I8", "int8", "|i1"),
    DType("U64", "uint64", "<u8"),
    DType("U32", "uint32", "<u4"),
    DType("U16", "uint16", "<u2"),
    DType("U8", "uint8", "|u1"),
    DType("BOOL", "bool", "|b1"),
)

DTYPES: dict[str, DType] = {row.code: row for row in _ROWS}
_CODES = {row.name: row.code for row in _ROWS}


def dtype_code(name: str) -> str:
    """Return the code of an element type, e.g. ``"F16"`` for ``"float16"``.

    Raises:
        CheckpointError: Checkpoint files have no such element type.
    """
    if name not in _CODES:
        raise CheckpointError(
            f"Tensors of type {name!r} cannot be stored; possible are {', '.join(_CODES)}."
        )
    return _CODES[name]


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file, read when its bytes are asked for.

    Attributes:
        dtype: Element type, a key of `DTYPES`.
        shape: Sizes of the axes.
        read: Returns the raw little-endian bytes, row by row.
    """

    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], memoryview]

    @classmethod
    def from_array(cls, array: npt.NDArray[Any]) -> Self:
        """Take a numpy array (float16, float32, float64, integers or booleans)."""
        code = dtype_code(array.dtype.name)
        contiguous = np.ascontiguousarray(array, dtype=DTYPES[code].numpy)
        return cls(code, tuple(array.shape), lambda: _bytes_of(contiguous))

    @property
    def data(self) -> memoryview:
        """The raw bytes."""
        return self.read()

    @property
    def nbytes(self) -> int:
        """Number of bytes, without reading them."""
        count = 1
        for axis in self.shape:
            count *= axis
        return count * DTYPES[self.dtype].size

    @property
    def floating(self) -> bool:
        """Whether the elements are floating-point numbers."""
        return DTYPES[self.dtype].floating

    def raw(self) -> npt.NDArray[Any]:
        """The elements as numpy can hold them; bfloat16 as its bits, uint16."""
        return np.frombuffer(self.data, dtype=DTYPES[self.dtype].numpy).reshape(self.shape)

    def array(self) -> npt.NDArray[Any]:
        """The values as a numpy array; bfloat16 is widened to float32, which is exact."""
        raw = self.raw()
        if self.dtype != "BF16":
            return raw
        return (raw.astype("<u4") << 16).view("<f4")

    def transposed(self) -> "StoredTensor":
        """The tensor with its axes in reverse order; the bytes are moved when they are read."""
        return StoredTensor(
            self.dtype,
            self.shape[::-1],
            lambda: _bytes_of(np.ascontiguousarray(self.raw().T)),
        )


def _bytes_of(array: npt.NDArray[Any]) -> memoryview:
    # memoryview cannot cast an array with an axis of size 0; torch warns of memory it cannot write.
    return array.reshape(-1).view(np.uint8).data if array.size else memoryview(bytearray())
