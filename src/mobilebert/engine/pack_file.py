"""The file of a packed program: written once, mapped into memory by every start after that.

    64 bytes   magic, version of the format, length and CRC-32 of the header, CRC-32 of samples
    header     JSON: who made it, from what, the program's tree, where each array lies
    arrays     raw, each at a multiple of 64 bytes

Nothing in it is run. The header is checked against its checksum and against the file's length, so a
file that was cut off, changed or made by another version is found before anything of it is used.
Of the arrays a few pages are read, spread over all of them: a file that is not waited for when it
is written can have holes after a power cut. Single wrong bytes can make an answer wrong but nothing
worse; `check_arrays` finds them.
"""

import dataclasses
import functools
import json
import math
import mmap
import os
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from mobilebert import __version__
from mobilebert.engine import packing, program
from mobilebert.engine.layouts import BlockedArray
from mobilebert.engine.packing import PackedProgram
from mobilebert.files import atomic_path

__all__ = ["ALIGNMENT", "Pack", "PackError", "check_arrays", "open_pack", "write_pack"]

Array = npt.NDArray[Any]

ALIGNMENT = 64  # a cache line, and the widest vector
_MAGIC = b"MBPACK\r\n"
_FORMAT = 2
_START = struct.Struct("<8sIIII40x")
# A page of so many bytes is read in every so many.
_PAGE, _EVERY = 4 * 2**10, 256 * 2**10
# A header has about 300 bytes for each dense layer: 0.15 MB for the published model.
_MAX_HEADER_BYTES = 64 * 2**20
# Element types of arrays, in the byte order of the machine that packed.
_DTYPES = ("float32", "float64", "uint8", "int8", "uint16", "int16", "uint32", "int32", "int64")

# The sources that decide what a pack holds, from the package on.
_SOURCES = (
    "engine/*.py",
    "checkpoint/*.py",
    "activations.py",
    "reference.py",
    "tasks.py",
    "weights.py",
)


class PackError(Exception):
    """Why a pack cannot be used; it does not name the file."""


@dataclass(frozen=True)
class Pack:
    """An opened pack.

    Attributes:
        path: The file.
        buffer: The file in memory.
        header: Its header.
        start: Where the arrays start.
    """

    path: Path
    buffer: mmap.mmap
    header: Mapping[str, Any]
    start: int

    @property
    def facts(self) -> Mapping[str, Any]:
        """What was stored beside the program."""
        facts: Mapping[str, Any] = self.header["facts"]
        return facts

    def arrays(self) -> Iterator[Array]:
        """Yield the arrays: read-only views of the mapped file, which they keep mapped."""
        for dtype, shape, place in self.header["arrays"]:
            yield np.ndarray(shape, dtype, buffer=self.buffer, offset=self.start + place)

    def program(self) -> PackedProgram:
        """Return the program.

        Raises:
            PackError: The header describes none.
        """
        try:
            found = _decode(self.header["program"], list(self.arrays()))
        except (LookupError, OverflowError, TypeError, ValueError) as error:
            raise PackError(f"its header describes no program: {error!r:.200}") from None
        if not isinstance(found, PackedProgram):
            raise PackError("its header describes no program")
        return found


@functools.cache
def _makers() -> dict[str, str]:
    """Tell who makes packs here; what others made is not used.

    Between releases layouts change under one version, so the sources that read, fold and pack
    count too, and the state of the native part, whose numbers are stored.
    """
    checksum = 0
    here = Path(__file__).parent
    for file in sorted(file for pattern in _SOURCES for file in here.parent.glob(pattern)):
        checksum = zlib.crc32(file.read_bytes(), checksum)
    for file in sorted(here.glob("_native*")):
        facts = file.stat()
        checksum = zlib.crc32(f"{file.name} {facts.st_size} {facts.st_mtime_ns}".encode(), checksum)
    return {"library": __version__, "sources": f"{checksum:08x}", "byte order": sys.byteorder}


def _classes(*modules: ModuleType) -> dict[str, Any]:
    """The dataclasses and enumerations that programs are made of, by name."""
    found = {name: value for m in modules for name, value in vars(m).items()}
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, type) and (dataclasses.is_dataclass(value) or issubclass(value, Enum))
    }


_CLASSES = _classes(program, packing)


def _encode(value: Any, arrays: list[Array | BlockedArray]) -> Any:
    """Turn a tree of dataclasses into JSON; arrays are collected and stand there as numbers."""
    if isinstance(value, np.ndarray):
        arrays.append(np.ascontiguousarray(value))
        return {"array": len(arrays) - 1}
    if isinstance(value, BlockedArray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        fields = {name: _encode(getattr(value, name), arrays) for name in names}
        return {"class": type(value).__name__, "fields": fields}
    if isinstance(value, Enum):
        return {"class": type(value).__name__, "value": value.value}
    if isinstance(value, tuple):
        return [_encode(item, arrays) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"A pack cannot hold a {type(value).__name__}.")


def _decode(value: Any, arrays: list[Array]) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item, arrays) for item in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    made = _CLASSES[value["class"]]
    if "value" in value:
        return made(value["value"])
    return made(**{name: _decode(item, arrays) for name, item in value["fields"].items()})


def _aligned(position: int) -> int:
    return -(-position // ALIGNMENT) * ALIGNMENT


def _bytes_of(array: Array) -> memoryview:
    # memoryview cannot cast an array with an axis of size 0.
    return (
        np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        if array.size
        else memoryview(b"")
    )


def _parts(array: Array | BlockedArray) -> Iterator[Array]:
    if isinstance(array, BlockedArray):
        yield from array.blocks()
    else:
        yield array


def _samples(file: BinaryIO, start: int) -> int:
    """Return the checksum of some pages of the arrays, the last one among them.

    They are read, not looked at where they are mapped: that would map all that lies around them,
    and count as memory of this process.
    """
    checksum, last = 0, max(start, file.seek(0, os.SEEK_END) - _PAGE)
    for place in (*range(start, last, _EVERY), last):
        file.seek(place)
        checksum = zlib.crc32(file.read(_PAGE), checksum)
    return checksum


def write_pack(path: str | Path, packed: PackedProgram, facts: Mapping[str, Any]) -> None:
    """Write a pack, whole or not at all.

    It is not waited for until the disk has it. What a power cut leaves is packed again.

    Args:
        path: The file; its directory must exist.
        packed: The program; of arrays that are not made yet only a block at a time is in memory.
        facts: What is to be known of it, in JSON's types.

    Raises:
        OSError: It cannot be written.
        WeightsError: A weight is not finite.
    """
    arrays: list[Array | BlockedArray] = []
    tree = _encode(packed, arrays)
    places, position = _places(arrays)
    header = {
        "made by": _makers(),
        "facts": dict(facts),
        "program": tree,
        "arrays": places,
        "bytes": position,
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    start = _aligned(_START.size + len(text))
    with atomic_path(path) as temporary, temporary.open("w+b") as file:
        file.write((bytes(_START.size) + text).ljust(start, b"\0"))
        for array in arrays:
            for part in _parts(array):
                file.write(_bytes_of(part))
            file.write(bytes(-file.tell() % ALIGNMENT))
        samples = _samples(file, start)
        file.seek(0)
        file.write(_START.pack(_MAGIC, _FORMAT, len(text), zlib.crc32(text), samples))


def _places(arrays: Iterable[Array | BlockedArray]) -> tuple[list[list[Any]], int]:
    """Return element type, shape and place of each array, and the bytes of all."""
    places, position = [], 0
    for array in arrays:
        places.append([array.dtype.name, list(array.shape), position])
        position = _aligned(position + math.prod(array.shape) * array.dtype.itemsize)
    return places, position


def open_pack(path: str | Path) -> Pack:
    """Map a pack and check all of it but most bytes of its arrays.

    Args:
        path: The file. It may be replaced or deleted while it is mapped.

    Raises:
        PackError: It is no pack, is damaged, or was made by another version.
        OSError: It cannot be read.
    """
    with Path(path).open("rb", buffering=0) as file:
        return _open(Path(path), cast(BinaryIO, file))


def _open(path: Path, file: BinaryIO) -> Pack:
    if os.fstat(file.fileno()).st_size < _START.size:
        raise PackError("it is too short")
    buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    magic, version, length, checksum, samples = _START.unpack_from(buffer)
    if magic != _MAGIC or version != _FORMAT:
        raise PackError("it is no pack of this format")
    end = _START.size + length
    if length > _MAX_HEADER_BYTES or end > len(buffer):
        raise PackError(f"its header should have {length:,} bytes")
    text = buffer[_START.size : end]
    if zlib.crc32(text) != checksum:
        raise PackError("its header is damaged")
    start = _aligned(end)
    try:
        header = _checked(json.loads(text), len(buffer) - start)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise PackError(f"its header is no header: {error!r:.200}") from None
    if _samples(file, start) != samples:
        raise PackError("its arrays are damaged")
    return Pack(path, buffer, header, start)


def _checked(header: dict[str, Any], size: int) -> dict[str, Any]:
    """Check a header's fields against the number of bytes behind it."""
    if header["made by"] != _makers():
        raise PackError(f"another version made it, {header['made by']['library']}")
    if header["bytes"] != size:
        raise PackError(f"{size:,} bytes of arrays should be {header['bytes']:,}")
    if not isinstance(header["facts"], dict):
        raise PackError("its header lacks what is known of it")
    for dtype, shape, place in header["arrays"]:
        known = dtype in _DTYPES and isinstance(shape, list)
        if not known or not all(type(n) is int and n >= 0 for n in (*shape, place)):
            raise PackError(f"it describes an array as {dtype!r:.40} of {shape!r:.40}")
        end = place + math.prod(shape) * np.dtype(dtype).itemsize
        if place % ALIGNMENT or end > size:
            raise PackError("an array lies outside of it")
    return header


def check_arrays(pack: Pack, packed: PackedProgram) -> None:
    """Read a whole pack and compare it with the program it should hold.

    Args:
        pack: The pack.
        packed: The program, packed again; its arrays need not be made yet.

    Raises:
        PackError: It holds something else.
    """
    wanted: list[Array | BlockedArray] = []
    tree = json.loads(json.dumps(_encode(packed, wanted)))
    same = tree == pack.header["program"] and _places(wanted)[0] == pack.header["arrays"]
    if not same or not all(map(_is_same, pack.arrays(), wanted)):
        raise PackError("it is not what these weights give")


def _is_same(found: Array, wanted: Array | BlockedArray) -> bool:
    first = 0
    for part in _parts(wanted):
        # Bytes: -0 is not 0, and no bit pattern is unequal to itself.
        if _bytes_of(found[first : first + len(part)]).tobytes() != _bytes_of(part).tobytes():
            return False
        first += len(part)
    return True
