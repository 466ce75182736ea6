"""The curves of a run on disk: a line of JSON for each entry, which other programs may follow.

The file is that of the whole run: where a run goes on, what its last state does not know is taken
back.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from mobilebert.errors import CheckpointError, MissingExtraError
from mobilebert.extras import require
from mobilebert.files import write_atomic
from mobilebert.training.saved_state import Progress

__all__ = ["CURVES_FILE", "CurveFile", "TensorBoard", "read_curves"]

CURVES_FILE = "curves.jsonl"


def read_curves(path: Path) -> list[dict[str, Any]]:
    """Read the entries of a run; a last line that is no whole one is left out."""
    if not path.exists():
        return []
    entries = []
    for line in path.read_text("utf-8").splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            break
    return entries


class CurveFile:
    """Writes what happens in a stage behind what happened in those before.

    Args:
        path: The file.
        stage: Name of the stage.
        before: Names of the stages before it, whose entries stay.
        history: Tells all entries of the stage. Where a run goes back or on, those that its state
            does not know are taken back.
    """

    def __init__(
        self,
        path: Path,
        stage: str,
        before: Iterable[str],
        history: Callable[[], Iterable[Mapping[str, Any]]],
    ) -> None:
        known = set(before)
        self._path, self._stage, self._history = path, stage, history
        self._kept = [entry for entry in read_curves(path) if entry["stage"] in known]
        self._begun = False

    def moved(self, progress: Progress, rate: float) -> None:
        """Write nothing: entries are written."""

    def happened(self, entry: Mapping[str, Any]) -> None:
        """Add an entry.

        Raises:
            CheckpointError: It cannot be written.
        """
        if not self._begun or "event" in entry:
            entries = [*self._kept, *({"stage": self._stage, **x} for x in self._history())]
            write_atomic(self._path, "".join(json.dumps(x) + "\n" for x in entries))
            self._begun = True
            return
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"stage": self._stage, **entry}) + "\n")
        except OSError as error:
            raise CheckpointError(f"Cannot write {self._path}: {error.strerror}.") from None


class TensorBoard:
    """Writes curves for TensorBoard.

    Args:
        directory: Where its files go.
        stage: Name of the stage, before the names of curves.

    Raises:
        MissingExtraError: TensorBoard is not installed.
    """

    def __init__(self, directory: Path, stage: str) -> None:
        require("tensorboard", "tensorboard", "Writing curves for TensorBoard")
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError as error:
            raise MissingExtraError(
                f"TensorBoard cannot be used: {error}.", name="tensorboard"
            ) from None
        self._writer: Any = SummaryWriter(directory)
        self._stage = stage

    def moved(self, progress: Progress, rate: float) -> None:
        """Write nothing: entries are written."""

    def happened(self, entry: Mapping[str, Any]) -> None:
        """Add the numbers of an entry."""
        numbers = {name: entry[name] for name in ("loss", "rate") if name in entry}
        numbers |= entry.get("parts", {}) | entry.get("metrics", {})
        for name, value in numbers.items():
            self._writer.add_scalar(f"{self._stage}/{name}", value, entry["step"])
        self._writer.flush()
