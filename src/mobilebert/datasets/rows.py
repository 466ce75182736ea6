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
        unit: What is counted: lines, or rows of formats that have none.
        name: What it is called there, where a line may hold everything.
    """

    file: Path
    line: int
    cells: Mapping[str, Any]
    unit: str = "line"
    name: str = ""

    @property
    def place(self) -> str:
        """Where it is, as errors name it."""
        place = f"{self.file}, {self.unit} {self.line}"
        return f"{place} ({self.name})" if self.name else place

    @property
    def is_empty(self) -> bool:
        """Whether no cell has anything in it."""
        return all(
            value is None or (isinstance(value, str) and not value.strip())
            for value in self.cells.values()
        )
