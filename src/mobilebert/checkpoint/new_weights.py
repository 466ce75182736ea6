"""Which weights of a loaded model came from no checkpoint and have not been trained since."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import overload

__all__ = ["UntrainedNames"]


class UntrainedNames(Sequence[str]):
    """Names of newly initialised weights; a weight that is written to leaves the sequence.

    Pipelines refuse a model with new weights, and must not refuse it after training. How a
    framework tells that a weight was written to is its own.
    """

    @abstractmethod
    def _names(self) -> tuple[str, ...]:
        """Return the names that are left."""

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        return self._names()[index]

    def __len__(self) -> int:
        return len(self._names())

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._names() == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # changes with training

    def __repr__(self) -> str:
        return repr(self._names())
