"""The directory that prepared data go to: what it holds, what may be gone on with, what is refused.

While data are prepared it has a folder ``preparing`` with what was asked for, and a record of each
shard that is finished. The manifest takes its place at the end.
"""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobilebert.corpora.manifest import MANIFEST_FILE, FileRecord, Manifest, ShardRecord
from mobilebert.corpora.scanning import file_digest
from mobilebert.corpora.shards import check_files
from mobilebert.errors import CheckpointError, InputError, MobileBertError
from mobilebert.files import make_directory, read_json, write_atomic

__all__ = ["PreparationDirectory", "Wanted"]

_RECORDS = "preparing"
_STARTED = "started.json"
_LEFT = re.compile(r"probe|\.(probe|started\.json)\..*\.partial")
_OURS = re.compile(r"\.?(train|held_out)-\d{5,}\.\w+\.npy(\..*\.partial)?")


@dataclass(frozen=True)
class Wanted:
    """What is asked for: data that were made of the same are the same.

    Attributes:
        settings: How text becomes sequences, name -> value.
        vocabulary: Digest of the vocabulary.
        files: Digests of the files, in order.
    """

    settings: Mapping[str, Any]
    vocabulary: str
    files: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "settings": dict(self.settings),
            "vocabulary": self.vocabulary,
            "files": list(self.files),
        }

    def differences(self, there: Mapping[str, Any]) -> list[str]:
        """Say in what something stored differs."""
        stored = there.get("settings", {})
        found = [
            f"{name} is {stored.get(name)!r} there and {value!r} now"
            for name, value in self.settings.items()
            if stored.get(name) != value
        ]
        if there.get("vocabulary") != self.vocabulary:
            found.append("the vocabulary is another one")
        # Sources with a file of one document each have theirs together: the order may be another.
        if sorted(there.get("files", ())) != sorted(self.files):
            found.append("the files are others, or have changed")
        return found


class PreparationDirectory:
    """A directory for prepared data.

    Args:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._records = path / _RECORDS

    def finished(self, wanted: Wanted, *, overwrite: bool) -> Manifest | None:
        """Look at what is there; nothing is made or changed.

        Args:
            wanted: What is asked for.
            overwrite: Whether what is there may be replaced.

        Returns:
            The manifest of data that are finished and are what is asked for; None if there is
            something to do.

        Raises:
            InputError: It holds something else, and may not be overwritten, or a shard of data that
                are finished is missing or truncated.
        """
        if overwrite or not self.path.exists():
            return None
        if not self.path.is_dir():
            raise InputError(f"{self.path} is a file; --output takes a directory.")
        started = self._records / _STARTED
        if (self.path / MANIFEST_FILE).exists():
            manifest = Manifest.read(self.path)
            self._refuse_others(wanted, _made_of(manifest), "data that were prepared")
            for shard in manifest.shards:
                check_files(self.path, shard)
            return manifest
        if started.exists():
            try:
                self._refuse_others(wanted, read_json(started), "a preparation that was begun")
            except CheckpointError as error:
                raise InputError(f"{error} Begin anew with --overwrite.") from None
        elif not self._is_empty():
            raise InputError(
                f"{self.path} is not empty; choose another --output, or put the data there all the "
                "same with --overwrite."
            )
        return None

    def _is_empty(self) -> bool:
        """Whether there is nothing but what a call leaves that could not begin."""
        others = any(path != self._records for path in self.path.iterdir())
        return not others and all(_LEFT.fullmatch(path.name) for path in self._records.glob("*"))

    def _refuse_others(self, wanted: Wanted, there: Mapping[str, Any], what: str) -> None:
        differences = wanted.differences(there)
        if differences:
            raise InputError(
                f"{self.path} holds {what} otherwise: {'; '.join(differences)}. Choose another "
                "--output, or replace what is there with --overwrite."
            )

    def open(self, wanted: Wanted, needed: int, *, overwrite: bool) -> None:
        """Make it, ready for shards.

        Args:
            wanted: What is asked for.
            needed: Bytes that will be written, about.
            overwrite: Whether what is there is replaced.

        Raises:
            CheckpointError: It cannot be written, or the disk is too full.
        """
        make_directory(self.path)
        self._check_room(needed)
        if overwrite and not self._is_begun(wanted):
            self._empty()
        make_directory(self._records)
        write_atomic(self._records / "probe", b"1")
        (self._records / "probe").unlink()
        started = self._records / _STARTED
        if not started.exists():
            write_atomic(started, json.dumps(wanted.as_json(), indent=1) + "\n")

    def _check_room(self, needed: int) -> None:
        # Shards that are there stay, or give way to others.
        ours = [path for path in self.path.glob("*.npy") if _is_ours(path)]
        there = sum(path.stat().st_size for path in ours)
        free = shutil.disk_usage(self.path).free
        if free < needed - there:
            raise CheckpointError(
                f"{self.path} has {free / 1e6:,.0f} MB left, and the data need about "
                f"{(needed - there) / 1e6:,.0f} MB; make room, or choose another --output."
            )

    def _is_begun(self, wanted: Wanted) -> bool:
        """Whether an earlier call was interrupted that had emptied it for the same."""
        started = self._records / _STARTED
        if (self.path / MANIFEST_FILE).exists() or not started.exists():
            return False
        try:
            return not wanted.differences(read_json(started))
        except CheckpointError:
            return False

    def _empty(self) -> None:
        """Remove data and records; what is not ours stays."""
        (self.path / MANIFEST_FILE).unlink(missing_ok=True)
        shutil.rmtree(self._records, ignore_errors=True)
        for path in list(self.path.iterdir()):
            if _is_ours(path):
                path.unlink()

    def keep(self, shard: ShardRecord) -> None:
        """Note that a shard is finished."""
        write_atomic(self._records / f"{shard.name}.json", json.dumps(shard.as_json()) + "\n")

    def kept(self, name: str, fingerprint: str) -> ShardRecord | None:
        """Return the record of a shard that is finished, if it is of the same text.

        Args:
            name: The shard.
            fingerprint: Digest of its text and settings.
        """
        path = self._records / f"{name}.json"
        if not path.exists():
            return None
        try:
            shard = ShardRecord.from_json(read_json(path))
        except (MobileBertError, KeyError, TypeError, ValueError, AttributeError):
            return None  # half a record: the shard is made again
        if shard.fingerprint != fingerprint:
            return None
        return shard if all(self._is_whole(*named) for named in shard.files.items()) else None

    def _is_whole(self, name: str, record: FileRecord) -> bool:
        path = self.path / name
        try:
            # Not only its size: a machine that lost power may have written that alone.
            return path.stat().st_size == record.size and file_digest(path) == record.sha256
        except (OSError, InputError):
            return False

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest, and remove what was kept to go on from."""
        files = {file for shard in manifest.shards for file in shard.files}
        for path in list(self.path.iterdir()):
            if _is_ours(path) and path.name not in files:
                path.unlink()  # what a killed program left
        write_atomic(self.path / MANIFEST_FILE, manifest.to_json())
        shutil.rmtree(self._records, ignore_errors=True)


def _is_ours(path: Path) -> bool:
    return _OURS.fullmatch(path.name) is not None


def _made_of(manifest: Manifest) -> dict[str, Any]:
    return {
        "settings": manifest.settings.as_json(),
        "vocabulary": manifest.vocabulary,
        "files": [file.sha256 for source in manifest.sources for file in source.files],
    }
