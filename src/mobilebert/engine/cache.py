"""Where packs lie, and under which names.

There is one for each checkpoint, task, element type and instruction set: how a matrix is laid out
may depend on both of the last.

A pack's name says what it is of, its header which state of the files it was made from. So a
checkpoint that changes replaces its pack.
"""

import json
import logging
import os
import re
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobilebert.config import MobileBertConfig
from mobilebert.engine.pack_file import Pack, PackError, open_pack, write_pack
from mobilebert.engine.packing import PackedProgram
from mobilebert.files import make_directory
from mobilebert.tasks import TaskSpec

__all__ = [
    "DIRECTORY_VARIABLE",
    "SWITCH_VARIABLE",
    "PackPlace",
    "cache_directory",
    "cache_root",
    "file_states",
    "packs_in_cache",
    "size_of",
]

logger = logging.getLogger(__name__)

DIRECTORY_VARIABLE = "MOBILEBERT_CACHE"
SWITCH_VARIABLE = "MOBILEBERT_PACK_CACHE"

_SUFFIX = ".pack"
_OFF = ("0", "false", "no", "off")

# What is read of a weights file to tell it from another of the same size and time: the header of
# safetensors and the first tensors, the directory at the end of .bin.
_HEAD, _TAIL = 512 * 2**10, 64 * 2**10

# Nobody writes a pack for so long: the process has ended.
_ABANDONED_SECONDS = 3600
# A pack of another version may be in use by it; after so long it is not.
_UNUSABLE_SECONDS = 30 * 24 * 3600


def cache_directory() -> Path | None:
    """Return where packs lie; None where the cache is switched off or there is no place for it."""
    if os.environ.get(SWITCH_VARIABLE, "").strip().lower() in _OFF:
        return None
    root = cache_root()
    return None if root is None else root / "packs"


def cache_root() -> Path | None:
    """Return where the library keeps what it can make again; None where there is no place."""
    try:
        if given := os.environ.get(DIRECTORY_VARIABLE):
            return Path(given).expanduser()
        return _user_cache() / "mobilebert"
    except RuntimeError:  # the user, or the one named with ~, has no home
        return None


def _user_cache() -> Path:
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) if local else Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    # A relative path there is to be ignored (XDG base directory specification 0.8).
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".cache"


def file_states(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Tell the state of weights files: path, size, time of the last change, both ends' checksum.

    Raises:
        OSError: A file cannot be read.
    """
    states = []
    for file in files:
        with file.open("rb") as stream:
            facts = os.fstat(stream.fileno())
            checksum = zlib.crc32(stream.read(_HEAD))
            stream.seek(max(_HEAD, facts.st_size - _TAIL))
            checksum = zlib.crc32(stream.read(_TAIL), checksum)
        states.append(
            {
                "path": str(file.resolve()),
                "bytes": facts.st_size,
                "mtime_ns": facts.st_mtime_ns,
                "ends": checksum,
            }
        )
    return states


def _config_text(config: MobileBertConfig) -> str:
    fields = config.to_dict()
    fields.pop("_name_or_path", None)
    return json.dumps(fields, sort_keys=True, default=repr)


@dataclass(frozen=True)
class PackPlace:
    """Where the packs of one checkpoint and task lie.

    Attributes:
        directory: The cache.
        checkpoint: What the names of all packs of the checkpoint start with.
        task: Name of the task.
        state: What a pack must have been made from.
    """

    directory: Path
    checkpoint: str
    task: str
    state: dict[str, Any]

    @classmethod
    def of(
        cls,
        directory: Path,
        files: Sequence[Path],
        config: MobileBertConfig,
        task: TaskSpec,
        *,
        own_config: bool = True,
    ) -> "PackPlace":
        """Find the place.

        Args:
            directory: The cache.
            files: The checkpoint's weights files.
            config: The configuration.
            task: The row of the task table.
            own_config: Whether the configuration is the checkpoint's own; with another one it is
                another model.

        Raises:
            OSError: A file cannot be read.
        """
        states = file_states(files)
        identity = [state["path"] for state in states]
        configured = _config_text(config)
        if not own_config:
            identity.append(configured)
        named = "\0".join(identity).encode("utf-8", "surrogatepass")  # any path
        number = f"{zlib.crc32(named):08x}"
        state = {"files": states, "config": configured, "task": task.name}
        return cls(directory, f"{_label(Path(identity[0]))}-{number}", task.name, state)

    def path(self, dtype: str, isa: str) -> Path:
        """Return the file for an element type and an instruction set."""
        return self.directory / f"{self.checkpoint}-{self.task}-{dtype}-{isa}{_SUFFIX}"

    def find(self, dtype: str, isa: str) -> Pack | None:
        """Open the pack for an element type and an instruction set, if it is of this state."""
        path = self.path(dtype, isa)
        try:
            pack = open_pack(path)
            if pack.facts.get("state") != self.state:
                raise PackError("the checkpoint or its configuration has changed")
        except FileNotFoundError:
            return None
        except (OSError, PackError) as reason:
            logger.info("The pack %s is not used: %s.", path, reason)
            return None
        return pack

    def store(self, packed: PackedProgram, isa: str, facts: dict[str, Any]) -> Path | None:
        """Write a pack. That it cannot be written is no error: the next start packs again.

        Args:
            packed: The program.
            isa: The instruction set it was packed for.
            facts: What is to be known of it besides the state.

        Returns:
            The file, or None where it could not be written.
        """
        path = self.path(packed.dtype, isa)
        try:
            _make_private(self.directory)
            _sweep(self.directory)
            write_pack(path, packed, {"state": self.state, **facts})
        except OSError as error:
            logger.warning(
                "The packed weights could not be kept for the next start: %s. Name another "
                "directory with %s, or set %s=0.",
                str(error).rstrip("."),
                DIRECTORY_VARIABLE,
                SWITCH_VARIABLE,
            )
            return None
        logger.info("Packed weights are kept in %s.", path)
        return path


def _make_private(directory: Path) -> None:
    """Make the cache for the user alone: a private model's weights stay private."""
    if not directory.is_dir():
        make_directory(directory)
        directory.chmod(0o700)


def _sweep(directory: Path) -> None:
    """Delete what nobody will use: packs of checkpoints that are gone, files half written."""
    for file in directory.iterdir():
        try:
            age = time.time() - file.stat().st_mtime
            if file.suffix == _SUFFIX:
                gone = _is_orphan(file, age)
            else:
                half = file.name.startswith(".") and file.name.endswith(".partial")
                gone = half and age > _ABANDONED_SECONDS
            if gone:
                file.unlink()
        except OSError:
            continue


def _is_orphan(pack: Path, age: float) -> bool:
    """Tell whether a pack's checkpoint is gone, or nobody has made sense of the pack for long."""
    try:
        sources = [Path(state["path"]) for state in open_pack(pack).facts["state"]["files"]]
    except (PackError, LookupError, TypeError):
        return age > _UNUSABLE_SECONDS
    return not all(source.exists() for source in sources)


def _label(file: Path) -> str:
    """Return a word for people, from the directory of a checkpoint."""
    parent = file.parent
    if parent.name == "blobs":  # of the Hub's cache, in a directory named after the model
        parent = parent.parent
    return re.sub(r"[^A-Za-z0-9_.]+", "-", parent.name)[-40:].strip("-.") or "model"


def packs_in_cache(checkpoint: str | None = None) -> Iterator[Path]:
    """Yield the files of packs.

    Args:
        checkpoint: `PackPlace.checkpoint`, to yield those of one checkpoint only.
    """
    directory = cache_directory()
    if directory is None:
        return
    start = "" if checkpoint is None else f"{checkpoint}-"
    try:
        files = sorted(directory.iterdir())
    except OSError:  # there is none, or it is another user's
        return
    yield from (file for file in files if file.suffix == _SUFFIX and file.name.startswith(start))


def size_of(pack: Path) -> int:
    """Return a pack's size in bytes, 0 where it was deleted meanwhile."""
    try:
        return pack.stat().st_size
    except OSError:
        return 0
