"""An output file that is whole or not there, and that an interrupted run can continue.

Answers are appended to ``NAME.partial``; ``NAME.partial.json`` says after each chunk how far it
is. A finished file is renamed to NAME, so nobody meets half of it. Continuing cuts off what was
written behind the last complete chunk and goes on from there, which gives the same bytes as a run
without interruption.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mobilebert.errors import InputError
from mobilebert.files import read_json, write_atomic

__all__ = ["Existing", "OutputFile", "Progress"]

# What outputs that were begun by earlier versions do not tell, whatever it was.
_NOT_ALWAYS_NOTED = frozenset({"state of the model"})


@dataclass(frozen=True)
class Existing:
    """What to do with an output that is there already.

    Attributes:
        overwrite: Start again and replace it in the end.
        resume: Continue an interrupted one.
    """

    overwrite: bool = False
    resume: bool = False

    def __post_init__(self) -> None:
        if self.overwrite and self.resume:
            raise InputError("--overwrite and --resume exclude each other; give one.")


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        rows: Inputs whose answers are written.
        size: Bytes they take.
    """

    rows: int = 0
    size: int = 0


class OutputFile:
    """The file that answers are written to.

    Args:
        path: Its name in the end.
        existing: What to do with one that is there.

    Raises:
        InputError: It exists and neither flag was given, or it cannot be written.
    """

    def __init__(self, path: str, existing: Existing) -> None:
        # A link stays a link: what it points to is replaced.
        self.path = Path(path).resolve()
        self.partial = self.path.with_name(self.path.name + ".partial")
        self.state = self.path.with_name(self.path.name + ".partial.json")
        self.existing = existing
        self._stream: BinaryIO | None = None
        self._check_writable()
        if existing.overwrite or existing.resume:
            return
        if self.path.exists():
            raise InputError(f"{path} exists; --overwrite replaces it, or choose another name.")
        if self.partial.exists():
            raise InputError(
                f"{path} is half done ({self.partial.name} is there); --resume continues it, "
                "--overwrite starts again."
            )

    def _check_writable(self) -> None:
        folder = self.path.parent
        if not folder.is_dir():
            raise InputError(f"Cannot write {self.path}: there is no directory {folder}.")
        if self.path.exists() and not self.path.is_file():
            raise InputError(f"Cannot write {self.path}: it is not a file.")
        if not os.access(folder, os.W_OK):
            raise InputError(f"Cannot write {self.path}: no permission to write in {folder}.")

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing to resume because the file is finished."""
        return self.existing.resume and self.path.exists() and not self.partial.exists()

    def begin(self, facts: dict[str, Any]) -> Progress:
        """Open the partial file.

        Args:
            facts: What the answers depend on: input, model, parameters. A run continues only what
                was begun with the same.

        Returns:
            Where to go on.

        Raises:
            InputError: What is there was begun otherwise, or the file cannot be written.
        """
        progress = Progress()
        if self.existing.resume and self.partial.exists():
            progress = self._read_state(facts)
        if not progress.size:
            self.state.unlink(missing_ok=True)
        self.facts = facts
        try:
            self._stream = self.partial.open("r+b" if progress.size else "wb")
            self._stream.truncate(progress.size)
            self._stream.seek(progress.size)
        except OSError as error:
            raise self._unwritable(error) from None
        return progress

    def _read_state(self, facts: dict[str, Any]) -> Progress:
        if not self.state.exists():
            return Progress()  # interrupted before the first chunk was complete
        state = read_json(self.state)
        if not _is_state(state):
            raise InputError(f"{self.state.name} is damaged; --overwrite starts again.")
        noted = state["facts"]
        compared = [name for name in facts if name in noted or name not in _NOT_ALWAYS_NOTED]
        different = [name for name in compared if noted.get(name) != facts[name]]
        if different:
            raise InputError(
                f"{self.path.name} was begun with another {different[0]} and cannot be continued "
                "with this one; --overwrite starts again."
            )
        progress = Progress(state["rows"], state["size"])
        if self.partial.stat().st_size < progress.size:
            raise InputError(f"{self.partial.name} was cut; --overwrite starts again.")
        return progress

    def append(self, text: str, rows: int) -> None:
        """Write a chunk and note that it is there.

        Args:
            text: The chunk.
            rows: Inputs answered so far, this chunk included.

        Raises:
            InputError: The file cannot be written, or the text has no UTF-8 form.
        """
        assert self._stream is not None  # begin() was called
        try:
            self._stream.write(text.encode("utf-8"))
            self._stream.flush()
            os.fsync(self._stream.fileno())
            state = {"facts": self.facts, "rows": rows, "size": self._stream.tell()}
            write_atomic(self.state, json.dumps(state))
        except UnicodeEncodeError as error:
            raise InputError(f"A column holds text with no UTF-8 form: {error}.") from None
        except OSError as error:
            raise self._unwritable(error) from None

    def finish(self, text: str) -> None:
        """Write the end and give the file its name."""
        assert self._stream is not None  # begin() was called
        try:
            self._stream.write(text.encode("utf-8"))
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()
            self.partial.replace(self.path)
        except OSError as error:
            raise self._unwritable(error) from None
        self.state.unlink(missing_ok=True)

    def close(self) -> None:
        """Stop writing; what is there stays, to be continued, if it holds answers."""
        if self._stream is not None:
            self._stream.close()
            if not self.state.exists():
                self.partial.unlink(missing_ok=True)

    def _unwritable(self, error: OSError) -> InputError:
        return InputError(f"Cannot write {self.path}: {error.strerror or error}.")


def _is_state(state: dict[str, Any]) -> bool:
    """Tell whether this is what `OutputFile.append` writes."""
    counts = (state.get("rows"), state.get("size"))
    return isinstance(state.get("facts"), dict) and all(
        type(count) is int and count >= 0 for count in counts
    )
