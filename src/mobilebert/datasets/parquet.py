"""Rows of Parquet files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mobilebert.datasets.rows import Row
from mobilebert.errors import InputError
from mobilebert.extras import require

__all__ = ["parquet_columns", "parquet_size", "read_parquet"]


def _open(file: Path) -> Any:
    parquet = require("pyarrow.parquet", "train", "Reading .parquet")
    try:
        return parquet.ParquetFile(file)
    except (OSError, require("pyarrow", "train").ArrowException) as error:
        raise InputError(f"Cannot read {file}: {_in_one_line(error)}") from None


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def parquet_columns(file: Path) -> tuple[str, ...]:
    """Return the names of the columns.

    Raises:
        InputError: It is not such a file.
        MissingExtraError: pyarrow is not installed.
    """
    with _open(file) as table:
        return tuple(table.schema_arrow.names)


def parquet_size(file: Path, on_disk: int) -> int:
    """Return how many bytes the cells have, about, without compression.

    Args:
        file: The file.
        on_disk: Its bytes.

    Raises:
        InputError: It is not such a file.
        MissingExtraError: pyarrow is not installed.
    """
    with _open(file) as table:
        groups = map(table.metadata.row_group, range(table.metadata.num_row_groups))
        held = sum(int(group.total_byte_size) for group in groups)
    return max(on_disk, held)


def read_parquet(file: Path) -> Iterator[Row]:
    """Read rows, some thousands at a time.

    Raises:
        InputError: It is not such a file, or damaged.
        MissingExtraError: pyarrow is not installed.
    """
    with _open(file) as table:
        number = 0
        try:
            for batch in table.iter_batches(batch_size=4096):
                for cells in batch.to_pylist():
                    number += 1
                    yield Row(file, number, cells, "row")
        except (
            OSError,
            ValueError,  # of dates that Python does not have
            OverflowError,
            require("pyarrow", "train").ArrowException,
        ) as error:
            reason = _in_one_line(error)
            raise InputError(f"Cannot read {file} after row {number}: {reason}") from None
