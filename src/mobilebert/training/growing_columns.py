"""Columns of numbers that grow: in memory, and beyond a limit in files that are mapped."""

import array
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from io import BufferedRandom
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mobilebert.errors import CheckpointError
from mobilebert.files import atomic_path, make_directory

__all__ = ["GrowingColumns"]

Array = npt.NDArray[Any]

_TYPE_CODES = {"int32": "i", "int64": "q", "float32": "f"}


class _Column:
    """One column: what is not yet in its file, and the file if there is one."""

    def __init__(self, dtype: str) -> None:
        self.dtype = np.dtype(dtype)
        self.rows = array.array(_TYPE_CODES[dtype])
        self.file: BufferedRandom | None = None
        self.stored = 0

    def open(self, path: Path) -> None:
        self.file = path.open("wb+")
        self._write_header(self.file)

    def flush(self) -> None:
        assert self.file is not None
        self.rows.tofile(self.file)
        self.stored += len(self.rows)
        del self.rows[:]

    def close(self) -> None:
        if self.file is not None:
            self.flush()
            # numpy leaves room for 20 digits, so the header keeps its length.
            self.file.seek(0)
            self._write_header(self.file)
            self.file.close()

    def _write_header(self, file: BufferedRandom) -> None:
        np.lib.format.write_array_header_1_0(
            file,
            {
                "descr": np.lib.format.dtype_to_descr(self.dtype),
                "fortran_order": False,
                "shape": (self.stored,),
            },
        )


class GrowingColumns:
    """Collects numbers by column; a context manager, at whose end files take their names.

    Args:
        dtypes: Name -> int32, int64 or float32.
        directory: Where files go, NAME.npy; None keeps all in memory.
        memory_limit: Bytes kept in memory before everything goes to files.

    Raises:
        CheckpointError: A file cannot be written. None is left then.
    """

    def __init__(
        self, dtypes: Mapping[str, str], directory: Path | None, memory_limit: int
    ) -> None:
        self._columns = {name: _Column(dtype) for name, dtype in dtypes.items()}
        self._directory = directory
        self._limit = memory_limit
        self._files = ExitStack()
        self._is_mapped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            for column in self._columns.values():
                if error is None:
                    column.close()
                elif column.file is not None:
                    column.file.close()
        except OSError as failure:
            self._files.__exit__(type(failure), failure, failure.__traceback__)
            raise self._failed(failure) from failure
        self._files.__exit__(kind, error, trace)

    def extend(self, name: str, numbers: Iterable[float]) -> None:
        """Put numbers at the end of a column."""
        # An array of integers takes no fractions, which its type says only of the type code.
        self._columns[name].rows.extend(numbers)  # type: ignore[arg-type]

    def spill(self) -> None:
        """Write what is in memory to files, if that is more than the limit."""
        used = sum(len(c.rows) * c.rows.itemsize for c in self._columns.values())
        if self._directory is None or used <= self._limit:
            return
        try:
            if not self._is_mapped:
                self._open_files(make_directory(self._directory))
            for column in self._columns.values():
                column.flush()
        except OSError as failure:
            raise self._failed(failure) from failure

    def arrays(self) -> dict[str, Array]:
        """Return all columns, when the context has ended; those in files are mapped."""
        if not self._is_mapped:
            return {
                name: np.frombuffer(column.rows, column.dtype) if column.rows else _empty(column)
                for name, column in self._columns.items()
            }
        assert self._directory is not None
        return {
            # An empty file cannot be mapped.
            name: np.load(path, mmap_mode="r") if column.stored else _empty(column)
            for name, column in self._columns.items()
            if (path := self._directory / f"{name}.npy")
        }

    def _open_files(self, directory: Path) -> None:
        for name, column in self._columns.items():
            column.open(self._files.enter_context(atomic_path(directory / f"{name}.npy")))
        self._is_mapped = True

    def _failed(self, failure: OSError) -> CheckpointError:
        return CheckpointError(
            f"Cannot write examples to {self._directory}: {failure.strerror or failure}."
        )


def _empty(column: _Column) -> Array:
    return np.zeros(0, column.dtype)
