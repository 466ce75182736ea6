"""Which weights of a loaded model came from no checkpoint and have not been trained since."""

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mobilebert.checkpoint.new_weights import UntrainedNames

__all__ = ["NewWeights"]


class NewWeights(UntrainedNames):
    """Names of newly initialised weights; a weight that is written to leaves the sequence.

    An optimizer step or `load_state_dict` counts PyTorch's version of a tensor up.

    Args:
        weights: Name -> parameter.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self._weights = {name: (weight, weight._version) for name, weight in weights.items()}

    def _names(self) -> tuple[str, ...]:
        return tuple(
            name for name, (weight, seen) in self._weights.items() if weight._version == seen
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> "NewWeights":
        # Copied parameters count their versions from 0 again.
        return NewWeights({n: copy.deepcopy(self._weights[n][0], memo) for n in self._names()})

    def __reduce__(self) -> tuple[Any, ...]:
        return NewWeights, ({name: self._weights[name][0] for name in self._names()},)
