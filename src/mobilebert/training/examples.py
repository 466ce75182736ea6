"""Examples: the sequences a model learns from, with what it should say about them."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
import numpy.typing as npt

from mobilebert.pipelines.encoding import ModelInput
from mobilebert.training.growing_columns import GrowingColumns

__all__ = ["MEMORY_LIMIT", "Example", "ExampleSet", "NewExample"]

IntArray = npt.NDArray[np.integer[Any]]
Array = npt.NDArray[Any]

# Bytes of examples kept in memory where there is a directory for more.
MEMORY_LIMIT = 128 * 2**20

_COLUMNS = {
    "ids": "int32",
    "types": "int32",
    "sequence_lengths": "int32",
    "lengths": "int32",
    "sequences": "int32",
    "target_lengths": "int32",
    "items": "int64",
    "windows": "int32",
}


@dataclass(frozen=True, slots=True)
class NewExample:
    """An example as encoders make it.

    Attributes:
        rows: Its sequences: one, or one for each choice.
        target: As in `Example`.
        item: As in `Example`.
        window: As in `Example`.
    """

    rows: Sequence[ModelInput]
    target: Sequence[float]
    item: int
    window: int = 0


@dataclass(frozen=True, slots=True)
class Example:
    """One example.

    Attributes:
        ids: Token ids with special tokens, its sequences one after the other, int32 [T].
        types: Segment ids, int32 [T].
        sequences: Length of each of its sequences, int32: one of [T], or one for each choice.
        target: What is wanted: the class [1], the choice [1], the tag of each token or -100 [T],
            first and last token of the answer [2], all int32; which labels hold [labels] or the
            number [1], float32; nothing for masked words, which are drawn anew each time.
        item: Number of the item it was made from, counting from 0.
        window: Which window of the item it is, counting from 0.
    """

    ids: IntArray
    types: IntArray
    sequences: IntArray
    target: Array
    item: int
    window: int


class ExampleSet(Sequence[Example]):
    """Many examples in a few flat arrays, in memory or mapped from files.

    Args:
        columns: The arrays, as `build` makes them.

    Attributes:
        lengths: Tokens of each example, int32 [N].
        items: Number of each example's item, int64 [N].
    """

    def __init__(self, columns: dict[str, Array]) -> None:
        self._columns = columns
        self.lengths: npt.NDArray[np.int32] = columns["lengths"]
        self.items: npt.NDArray[np.int64] = columns["items"]
        self._tokens = _starts(columns["lengths"])
        self._sequences = _starts(columns["sequences"])
        self._targets = _starts(columns["target_lengths"])

    @classmethod
    def build(
        cls,
        examples: Iterable[NewExample],
        *,
        float_targets: bool = False,
        directory: Path | None = None,
        memory_limit: int = MEMORY_LIMIT,
    ) -> Self:
        """Collect examples.

        Args:
            examples: The examples, read once.
            float_targets: Whether targets are float32 rather than int32.
            directory: Where .npy files are written when there are many; None keeps all in memory.
            memory_limit: Bytes kept in memory before everything goes to files.

        Raises:
            CheckpointError: A file cannot be written.
        """
        dtypes = _COLUMNS | {"targets": "float32" if float_targets else "int32"}
        with GrowingColumns(dtypes, directory, memory_limit) as columns:
            for number, example in enumerate(examples):
                _add(columns, example)
                if number % 256 == 0:
                    columns.spill()
        return cls(columns.arrays())

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, index: int) -> Example: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...

    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        """Return one example, or several."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        tokens = _part(self._tokens, number)
        return Example(
            self._columns["ids"][tokens],
            self._columns["types"][tokens],
            self._columns["sequence_lengths"][_part(self._sequences, number)],
            self._columns["targets"][_part(self._targets, number)],
            int(self.items[number]),
            int(self._columns["windows"][number]),
        )

    def digest(self) -> str:
        """Return a digest of all examples."""
        digest = hashlib.sha256()
        for name, column in sorted(self._columns.items()):
            digest.update(f"{name} {column.dtype} {column.shape}".encode())
            digest.update(np.ascontiguousarray(column).data)
        return digest.hexdigest()

    @property
    def targets(self) -> Array:
        """The targets of all examples one after the other, int32 or float32."""
        return self._columns["targets"]


def _add(columns: GrowingColumns, example: NewExample) -> None:
    lengths = [len(row.ids) for row in example.rows]
    for row in example.rows:
        columns.extend("ids", row.ids)
        columns.extend("types", row.types)
    columns.extend("sequence_lengths", lengths)
    columns.extend("lengths", (sum(lengths),))
    columns.extend("sequences", (len(lengths),))
    columns.extend("targets", example.target)
    columns.extend("target_lengths", (len(example.target),))
    columns.extend("items", (example.item,))
    columns.extend("windows", (example.window,))


def _starts(lengths: Array) -> npt.NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def _part(starts: npt.NDArray[np.int64], number: int) -> slice:
    return slice(int(starts[number]), int(starts[number + 1]))
