"""Which weights of a loaded model came from no checkpoint and have not been trained since."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

from torch import Tensor

__all__ = ["NewWeights"]


class NewWeights(Sequence[str]):
    """Names of newly initialised weights; a weight that is written to leaves the sequence.

    An optimizer step or `load_state_dict` counts PyTorch's version of a tensor up. Pipelines
    refuse a model with new weights, and must not refuse it after training.

    Args:
        weights: Name -> parameter.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self._weights = {name: (weight, weight._version) for name, weight in weights.items()}

    def _names(self) -> tuple[str, ...]:
        return tuple(
            name for name, (weight, seen) in self._weights.items() if weight._version == seen
        )

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

    def __deepcopy__(self, memo: dict[int, Any]) -> "NewWeights":
        # Copied parameters count their versions from 0 again.
        return NewWeights({n: copy.deepcopy(self._weights[n][0], memo) for n in self._names()})

    def __reduce__(self) -> tuple[Any, ...]:
        return NewWeights, ({name: self._weights[name][0] for name in self._names()},)
