"""Weights that are split over several files, and the index that says which tensor is where."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from mobilebert.checkpoint.stored import StoredTensor
from mobilebert.errors import ArgumentError, CheckpointError
from mobilebert.files import read_json

__all__ = ["checked_shard", "parse_size", "read_shards", "shard_names", "shards_of_index", "split"]

Reader = Callable[[Path], Mapping[str, StoredTensor]]
Locate = Callable[[str], Path]
Tensor = TypeVar("Tensor")

_UNITS = {"": 1, "B": 1} | {
    f"{letter}{infix}B": base**power
    for power, letter in enumerate("KMGT", start=1)
    for infix, base in (("", 1000), ("I", 1024))
}
_MAX_SHARDS = 10_000


def parse_size(size: int | str) -> int:
    """Return a number of bytes; ``"5GB"`` is 5 × 10⁹, ``"5GiB"`` is 5 × 2³⁰.

    Raises:
        ArgumentError: It is neither a positive integer nor a number with a unit.
    """
    if isinstance(size, int) and not isinstance(size, bool) and size > 0:
        return size
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(size))
    if isinstance(size, str) and match and match[2].upper() in _UNITS:
        count = int(float(match[1]) * _UNITS[match[2].upper()])
        if count > 0:
            return count
    raise ArgumentError(
        f"max_shard_size must be a number of bytes or a text such as '5GB', not {size!r}."
    )


def split(sizes: Mapping[str, int], limit: int) -> list[list[str]]:
    """Distribute tensors over files, in order.

    Args:
        sizes: Name -> bytes.
        limit: Bytes a file may have; a larger tensor gets a file of its own.

    Returns:
        The names of each file, at least one file.
    """
    files: list[list[str]] = [[]]
    filled = 0
    for name, size in sizes.items():
        if files[-1] and filled + size > limit:
            files.append([])
            filled = 0
        files[-1].append(name)
        filled += size
    return files


def shard_names(filename: str, count: int) -> list[str]:
    """Return the file names of `count` shards, ``model-00001-of-00003.safetensors``."""
    if count == 1:
        return [filename]
    stem, _, suffix = filename.rpartition(".")
    return [f"{stem}-{number:05d}-of-{count:05d}.{suffix}" for number in range(1, count + 1)]


def read_shards(index: Path, locate: Locate, reader: Reader) -> dict[str, StoredTensor]:
    """Read all files an index names.

    Args:
        index: The ``….index.json`` file.
        locate: From a file name in the index to the local file.
        reader: Reads one file.

    Raises:
        CheckpointError: The index is damaged, names files outside the checkpoint, or does not fit
            what the files hold.
    """
    weight_map = {_in_file(name): file for name, file in _weight_map(index).items()}
    tensors: dict[str, StoredTensor] = {}
    for filename in sorted(set(weight_map.values())):
        for name, tensor in reader(locate(filename)).items():
            if weight_map.get(name) != filename:
                raise CheckpointError(
                    f"{index} does not say that {filename} holds the tensor {name!r}; "
                    "the files are not of one checkpoint."
                )
            tensors[name] = tensor
    lost = [name for name in weight_map if name not in tensors]
    if lost:
        raise CheckpointError(
            f"{index} names tensors that its files do not hold: {', '.join(lost[:8])}"
            f"{' and others' if len(lost) > 8 else ''}."
        )
    return tensors


def shards_of_index(index: Path) -> list[str]:
    """Return the names of the files that an index names.

    Raises:
        CheckpointError: The index is damaged or names files outside the checkpoint.
    """
    return sorted(set(_weight_map(index).values()))


def _in_file(name: str) -> str:
    """Return what the file calls a tensor of the index.

    The index of transformers' TensorFlow classes has the model's own name before each variable's,
    ``tf_mobile_bert_model/mobilebert/...:0``, which their files leave out.
    """
    return name.partition("/")[2] if name.endswith(":0") and "/" in name else name


def _weight_map(index: Path) -> dict[str, str]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{index} has no 'weight_map' of tensor name to file name.")
    files = set()
    for name, filename in weight_map.items():
        if not isinstance(filename, str) or not _is_plain(filename):
            raise CheckpointError(
                f"{index} looks for the tensor {name!r} in {filename!r}, which is not a plain file "
                "name inside the checkpoint; refused."
            )
        files.add(filename)
    if len(files) > _MAX_SHARDS:
        raise CheckpointError(f"{index} names {len(files):,} files; at most {_MAX_SHARDS:,}.")
    return weight_map


def _is_plain(filename: str) -> bool:
    allowed = re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,250}", filename)
    return bool(allowed) and ".." not in filename


def checked_shard(directory: Path, path: Path) -> Path:
    """Return a shard's path if it stays inside its directory when links are followed.

    Args:
        directory: The checkpoint.
        path: The shard.

    Raises:
        CheckpointError: The file is a link to somewhere else.
    """
    real, home = path.resolve(), directory.resolve()
    allowed = [home]
    if home.parent.name == "snapshots":
        # The Hub's cache: files of a snapshot are links into the blobs of the same repository.
        allowed.append(home.parent.parent / "blobs")
    if any(root in real.parents for root in allowed):
        return path
    raise CheckpointError(f"{path} is a link to {real}, outside the checkpoint; refused.")
