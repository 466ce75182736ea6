"""Reading and writing one safetensors file, memory-mapped and distrustful.

The format: 8 bytes with the header's length, a JSON header of name -> (dtype, shape, offsets),
then the bytes of all tensors without gaps (https://github.com/huggingface/safetensors). The
header is checked here so that the error says what is wrong in a sentence; after that the
safetensors library, which was audited for this purpose, must accept the file too.
"""

import json
import mmap
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors

from mobilebert.checkpoint.stored import DTYPES, StoredTensor
from mobilebert.errors import CheckpointError
from mobilebert.files import atomic_path

__all__ = ["SafetensorsFile", "read_safetensors", "write_safetensors"]

# The header of the largest model a configuration can describe has a few megabytes, the published
# model's 0.13. The format allows 100 MB, which would take gigabytes of memory to parse.
MAX_HEADER_BYTES = 25_000_000
_LENGTH = struct.Struct("<Q")
_METADATA = "__metadata__"

# First bytes of files that people have in place of safetensors -> what they are.
_MAGIC = {
    b"PK\x03\x04": "a zip archive (a PyTorch .bin file?)",
    b"\x80\x02": "a Python pickle (a PyTorch .bin file?)",
    b"\x89HDF": "an HDF5 file (a Keras .h5 file?)",
    b"version ": "a Git LFS pointer; fetch the real file with 'git lfs pull'",
    b"<!DOC": "a web page",
    b"<html": "a web page",
    b"GGUF": "a GGUF file",
}


@dataclass(frozen=True)
class SafetensorsFile:
    """The content of a safetensors file.

    Attributes:
        tensors: Name -> tensor, in the order of the data.
        metadata: The header's free text entries.
    """

    tensors: dict[str, StoredTensor]
    metadata: dict[str, str]


class _Refusal(Exception):
    """What is wrong with a file; the reader adds which file."""


def read_safetensors(path: str | Path) -> SafetensorsFile:
    """Open a safetensors file; the tensors' bytes stay on disk until they are used.

    Args:
        path: The file.

    Raises:
        CheckpointError: The file cannot be read, is damaged, or is something else.
    """
    path = Path(path)
    try:
        buffer = _map(path)
        length = _header_length(buffer)
        header = _parse_header(bytes(buffer[8 : 8 + length]))
        metadata = _checked_metadata(header.pop(_METADATA, {}))
        tensors = _tensors(header, buffer[8 + length :])
    except _Refusal as refusal:
        raise CheckpointError(f"{path} {refusal}.") from None
    except OSError as error:
        raise CheckpointError(f"Cannot read {path}: {error.strerror or error}.") from None
    _second_opinion(path)
    return SafetensorsFile(tensors, metadata)


def _map(path: Path) -> memoryview:
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            raise _Refusal("is empty; download or save it again")
        # Private and writable: frameworks then take the memory without copying it.
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))


def _header_length(buffer: memoryview) -> int:
    start = bytes(buffer[:8])
    for magic, what in _MAGIC.items():
        if start.startswith(magic):
            raise _Refusal(f"is not a safetensors file but {what}")
    if len(buffer) < 8:
        raise _Refusal(f"has {len(buffer)} bytes and is too short for a safetensors file")
    length: int = _LENGTH.unpack(start)[0]
    if length > len(buffer) - 8:
        raise _Refusal(
            f"is truncated or not a safetensors file: its header should have {length:,} bytes, "
            f"the file has {len(buffer):,}"
        )
    if length > MAX_HEADER_BYTES:
        raise _Refusal(f"has a header of {length:,} bytes; at most {MAX_HEADER_BYTES:,} are read")
    return length


def _parse_header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:  # JSON, UTF-8 and number errors are ValueErrors
        raise _Refusal(f"is not a safetensors file: its header is no JSON ({error})") from None
    if not isinstance(header, dict) or not text.startswith(b"{"):
        raise _Refusal("is not a safetensors file: its header is no JSON object")
    return header


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for name, value in pairs:
        if name in table:
            raise _Refusal(f"names {name!r} twice in its header")
        table[name] = value
    return table


def _checked_metadata(metadata: Any) -> dict[str, str]:
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _Refusal(f"has a {_METADATA} entry that is no table of texts")
    return metadata


def _tensors(header: dict[str, Any], data: memoryview) -> dict[str, StoredTensor]:
    entries = {name: _entry(name, entry) for name, entry in header.items()}
    position = 0
    tensors = {}
    for name, (dtype, shape, begin, end) in sorted(entries.items(), key=lambda item: item[1][2:]):
        if begin != position:
            what = "overlaps the tensor before it" if begin < position else "leaves a gap before it"
            raise _Refusal(f"is damaged: tensor {name!r} {what} (offset {begin}, not {position})")
        if end > len(data):
            raise _Refusal(
                f"is truncated: tensor {name!r} ends at byte {end:,} of the data, "
                f"which has {len(data):,}"
            )
        tensors[name] = StoredTensor(dtype, shape, _slice(data, begin, end))
        position = end
    if position != len(data):
        raise _Refusal(f"is damaged: {len(data) - position:,} bytes at its end belong to no tensor")
    return tensors


def _slice(data: memoryview, begin: int, end: int) -> Callable[[], memoryview]:
    return lambda: data[begin:end]


def _entry(name: str, entry: Any) -> tuple[str, tuple[int, ...], int, int]:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise _Refusal(f"describes tensor {name!r} by something else than dtype, shape and offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise _Refusal(
            f"holds tensor {name!r} in the unknown dtype {dtype!r}; known are {', '.join(DTYPES)}"
        )
    if not _is_sizes(shape):
        raise _Refusal(f"gives tensor {name!r} the impossible shape {_short(shape)}")
    if not _is_sizes(offsets) or len(offsets) != 2:
        raise _Refusal(f"gives tensor {name!r} the impossible offsets {_short(offsets)}")
    wanted = DTYPES[dtype].size
    for axis in shape:
        wanted *= axis
    begin, end = offsets
    if end - begin != wanted:
        raise _Refusal(
            f"is damaged: tensor {name!r} of shape {_short(shape)} and dtype {dtype} needs "
            f"{wanted:,} bytes, its offsets give {end - begin:,}"
        )
    return dtype, tuple(shape), begin, end


def _is_sizes(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= 8
        and all(type(number) is int and 0 <= number < 2**63 for number in value)
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _second_opinion(path: Path) -> None:
    try:
        with safetensors.safe_open(path, framework="numpy"):
            pass
    except Exception as error:
        # The library's own error type, and whatever its versions raise for odd paths.
        raise CheckpointError(f"{path} is not a valid safetensors file: {error}") from None


def write_safetensors(
    path: str | Path, tensors: Mapping[str, StoredTensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file, whole or not at all.

    Args:
        path: The file; its directory must exist.
        tensors: Name -> tensor.
        metadata: Free text entries of the header.

    Raises:
        CheckpointError: The file cannot be written.
    """
    try:
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            file.writelines(serialized(tensors, metadata))
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"Cannot write {path}: {error.strerror or error}") from None


def serialized(
    tensors: Mapping[str, StoredTensor], metadata: Mapping[str, str] | None = None
) -> Iterable[bytes | memoryview]:
    """Yield the bytes of a safetensors file piece by piece."""
    # Wide types first, then by name: every tensor is aligned to its element size, as the
    # safetensors library writes it.
    order = sorted(tensors, key=lambda name: (-DTYPES[tensors[name].dtype].size, name))
    header: dict[str, Any] = {_METADATA: dict(metadata)} if metadata else {}
    position = 0
    for name in order:
        tensor = tensors[name]
        end = position + tensor.nbytes
        header[name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [position, end],
        }
        position = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 8)
    yield _LENGTH.pack(len(text)) + text
    for name in order:
        yield tensors[name].data
