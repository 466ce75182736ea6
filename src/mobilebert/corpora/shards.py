"""Shards: sequences of token ids in files that are mapped into memory.

A shard NAME is the files NAME.tokens.npy (the ids of all sequences one after the other, [T]) and
NAME.sequences.npy (what is known of each, [N]); where words were masked when the data were made,
also NAME.places.npy and NAME.wanted.npy (which tokens of their sequence are to be found, and their
ids, [M]).
"""

import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobilebert.corpora.manifest import FileRecord, ShardRecord
from mobilebert.errors import CheckpointError, InputError
from mobilebert.files import atomic_path

__all__ = [
    "NO_PAIR",
    "SEQUENCE_FIELDS",
    "ShardArrays",
    "array_file",
    "check_files",
    "id_type",
    "read_sequences",
    "write_shard",
]

# start: place of the first token; first: tokens of the first segment, with [CLS] and [SEP];
# follows: whether the second segment follows the first, or NO_PAIR; masked: masks before it.
SEQUENCE_FIELDS = np.dtype(
    [
        ("start", "<u4"),
        ("masked", "<u4"),
        ("first", "<u2"),
        ("source", "<u2"),
        ("follows", "i1"),
    ]
)
NO_PAIR = -1

# Bytes at each end of a file that are looked at whenever it is opened.
_ENDS = 4096


@dataclass(frozen=True)
class ShardArrays:
    """The content of a shard.

    Attributes:
        tokens: Ids, [T].
        sequences: `SEQUENCE_FIELDS` of each sequence, [N].
        places: Places of masks within their sequence, in rising order, [M].
        wanted: Ids that stood there, [M].
    """

    tokens: NDArray[Any]
    sequences: NDArray[Any]
    places: NDArray[Any] | None = None
    wanted: NDArray[Any] | None = None

    def items(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield what there is, by name."""
        for name in ("tokens", "sequences", "places", "wanted"):
            array = getattr(self, name)
            if array is not None:
                yield name, array


def id_type(vocab_size: int) -> np.dtype[Any]:
    """Return the smallest type that holds all ids: uint16 or uint32."""
    return np.dtype("<u2" if vocab_size <= 2**16 else "<u4")


def array_file(shard: str, array: str) -> str:
    """Return the name of the file of an array."""
    return f"{shard}.{array}.npy"


def write_shard(directory: Path, name: str, arrays: ShardArrays) -> dict[str, FileRecord]:
    """Write the files of a shard, each whole or not at all.

    Returns:
        File name -> what it is.

    Raises:
        CheckpointError: One cannot be written.
    """
    written = {}
    for array_name, array in arrays.items():
        path = directory / array_file(name, array_name)
        try:
            with atomic_path(path) as temporary:
                with temporary.open("wb") as file:
                    np.lib.format.write_array(file, array, version=(1, 0), allow_pickle=False)
                    file.flush()
                    os.fsync(file.fileno())  # before it is noted that it is finished
                written[path.name] = _record_of(temporary)
        except CheckpointError:
            raise
        except OSError as error:
            raise CheckpointError(
                f"Cannot write {path}: {error.strerror or error}. What is finished stays; the same "
                "command goes on."
            ) from None
    return written


def _record_of(path: Path) -> FileRecord:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileRecord(path.stat().st_size, digest, _ends_of(path))


def _ends_of(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(_ENDS)
        file.seek(max(0, path.stat().st_size - _ENDS))
        return hashlib.sha256(start + file.read(_ENDS)).hexdigest()


def check_files(directory: Path, shard: ShardRecord) -> None:
    """Refuse files that are not those of a shard.

    Sizes and both ends are looked at, which tells what was truncated or put in another's place.

    Raises:
        InputError: One is missing, has another size or another content.
    """
    for name, record in shard.files.items():
        path = directory / name
        try:
            size = path.stat().st_size
            if size != record.size:
                raise InputError(
                    f"{path} has {size:,} bytes and should have {record.size:,}: it was truncated "
                    "or replaced. Copy it again, or prepare the data again with --overwrite."
                )
            same = _ends_of(path) == record.ends
        except OSError as error:
            raise InputError(f"Cannot read {path}: {error.strerror or error}.") from None
        if not same:
            raise InputError(
                f"{path} is not the file that was written: shards were exchanged or overwritten. "
                "Copy them again, or prepare the data again with --overwrite."
            )


def read_sequences(directory: Path, shard: ShardRecord) -> NDArray[Any]:
    """Read what is known of the sequences of a shard, [N].

    Raises:
        InputError: It is damaged.
    """
    path = directory / array_file(shard.name, "sequences")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() == shard.files[path.name].sha256:
        array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
        if array.dtype == SEQUENCE_FIELDS and len(array) == shard.total.sequences:
            return np.asarray(array)
    raise InputError(f"{path} is damaged; prepare the data again with --overwrite.")
