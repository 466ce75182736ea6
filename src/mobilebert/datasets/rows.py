"""Rows of files: what every format is read as."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        file: The file.
        line: Where it begins, counting from 1.
        cells: Name of the column -> value.
    """

    file: Path
    line: int
    cells: Mapping[str, Any]

    @property
    def place(self) -> str:
        """Where it is, as the start of an error."""
        return f"{self.file}, line {self.line}: "
