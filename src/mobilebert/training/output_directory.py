"""Where a run keeps its states and puts its model: checked before anything is computed."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mobilebert.errors import CheckpointError, InputError, MobileBertError
from mobilebert.files import atomic_path, make_directory

__all__ = ["Existing", "OutputDirectory"]

# Written last, so a directory that has it is finished.
_LAST_FILE = "report.json"
_STATES = "training"
_OLD_STATES = ".training.old"
_SCRATCH = ".mobilebert-examples-"


class Existing(StrEnum):
    """What to do about what the directory holds."""

    REFUSE = "refuse"
    RESUME = "resume"  # go on with an interrupted run
    OVERWRITE = "overwrite"  # begin anew

    @classmethod
    def of(cls, *, overwrite: bool, resume: bool) -> "Existing":
        """Return what a user wants who may give either flag.

        Raises:
            InputError: Both are given.
        """
        if overwrite and resume:
            raise InputError("Give one of overwrite and resume, not both.")
        if overwrite:
            return cls.OVERWRITE
        return cls.RESUME if resume else cls.REFUSE


@dataclass(frozen=True)
class OutputDirectory:
    """The directory of a run.

    Attributes:
        path: Where the model goes.
    """

    path: Path

    @property
    def states(self) -> Path:
        """Where the states are, until the run is finished."""
        return self.path / _STATES

    @property
    def is_finished(self) -> bool:
        """Whether it holds a model, and no run is open."""
        return (self.path / _LAST_FILE).exists() and not self.states.exists()

    @property
    def _there(self) -> Path:
        """The directory, or the nearest one above it that exists."""
        path = self.path.absolute()
        return next(place for place in (path, *path.parents) if place.is_dir())

    @property
    def _scratch(self) -> str:
        """What the names of its directories for examples begin with, wherever they are."""
        place = os.fsencode(self.path.absolute())
        return f"{_SCRATCH}{hashlib.sha256(place).hexdigest()[:12]}-"

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a directory for what is needed while the run lasts.

        It is where the model goes, because the system's own for temporary files may be small.

        Raises:
            CheckpointError: Nothing can be written there.
        """
        try:
            temporary = tempfile.TemporaryDirectory(prefix=self._scratch, dir=self._there)
        except OSError as error:
            raise CheckpointError(
                f"Cannot write in {self._there}: {error.strerror or error}; choose another "
                "--output."
            ) from None
        with temporary as directory:
            yield Path(directory)

    def check(self, existing: Existing) -> None:
        """Refuse a directory whose content may not be touched; nothing is made.

        Args:
            existing: What to do about what it holds.

        Raises:
            InputError: It holds something, and may not be touched; or there is nothing to resume.
        """
        if existing is Existing.OVERWRITE:
            return
        if self.states.is_dir():
            if existing is Existing.REFUSE:
                raise InputError(
                    f"{self.path} holds a run that was interrupted: go on with --resume, or begin "
                    "anew with --overwrite."
                )
            return
        if existing is Existing.RESUME:
            raise InputError(f"{self.path} holds no interrupted run; leave --resume away.")
        if self.path.is_dir() and any(map(_is_kept, self.path.iterdir())):
            raise InputError(
                f"{self.path} is not empty; choose another --output, or replace the model there "
                "with --overwrite."
            )

    def open(self, existing: Existing, needed: int) -> None:
        """Make it.

        Args:
            existing: What to do about what it holds.
            needed: Bytes that the run will write.

        Raises:
            InputError: As `check`.
            CheckpointError: It cannot be written, or the disk is too full.
        """
        self.check(existing)
        # Before anything is made: what would be left is no run to go on with. States that are there
        # are written over.
        free = shutil.disk_usage(self._there).free + _bytes_below(self.states)
        if free < needed:
            raise CheckpointError(
                f"{self.path} has {free / 1e6:,.0f} MB left, and the run needs about "
                f"{needed / 1e6:,.0f} MB for its states and the model; make room, or choose "
                "another --output."
            )
        make_directory(self.path)
        if existing is Existing.OVERWRITE:
            self._remove_states()
        make_directory(self.states)
        with atomic_path(self.states / "probe") as probe:
            probe.write_bytes(b"1")
        (self.states / "probe").unlink()

    def close(self) -> None:
        """Remove the states: the run is finished.

        They leave their place at once, so that a program that is ended here leaves no half of them,
        with which a run would seem to be interrupted.
        """
        for file in list(self.path.iterdir()):
            # What `atomic_path` leaves where a program was killed.
            for leftover in self.path.glob(f".{file.name}.*.partial"):
                leftover.unlink(missing_ok=True)
        for old in self.path.glob(f"{_SCRATCH}*"):
            shutil.rmtree(old, ignore_errors=True)
        # Of this run when it was killed before the directory was there, and of no other.
        for place in self.path.absolute().parents:
            for old in place.glob(f"{self._scratch}*"):
                shutil.rmtree(old, ignore_errors=True)
        self._remove_states()

    @contextmanager
    def refusals(self, *, is_first: bool) -> Iterator[None]:
        """Leave no run to go on with where one is refused before its first state.

        Args:
            is_first: Whether this process writes.
        """
        try:
            yield
        except MobileBertError:
            if is_first:
                self.give_up()
            raise

    def give_up(self) -> None:
        """Remove the states if they hold nothing to go on from."""
        if not any(self.states.glob("*/*.safetensors")):
            self._remove_states()

    def _remove_states(self) -> None:
        old = self.path / _OLD_STATES
        shutil.rmtree(old, ignore_errors=True)
        if self.states.exists():
            self.states.rename(old)
        shutil.rmtree(old, ignore_errors=True)


def _is_kept(file: Path) -> bool:
    """Tell whether a file is more than what a run leaves that was killed before its first state."""
    return not file.name.startswith(_SCRATCH)


def _bytes_below(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
