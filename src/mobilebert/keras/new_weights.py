"""Which weights of a loaded model came from no checkpoint and have not been trained since."""

import zlib
from collections.abc import Iterable
from typing import Any

from mobilebert.checkpoint.new_weights import UntrainedNames
from mobilebert.keras.variables import read

__all__ = ["NewWeights"]


class NewWeights(UntrainedNames):
    """Names of newly initialised weights; a layer that is written to leaves the sequence.

    Keras counts no versions of a variable, so its numbers are compared with a checksum of those it
    began with. Weights of one layer go together: a bias may be trained and keep its numbers.

    Args:
        model: The model.
        names: Canonical names of the weights.
    """

    def __init__(self, model: Any, names: Iterable[str]) -> None:
        self._model = model
        self._seen: dict[str, int] = {}
        self._seen = self._checksums(tuple(names))

    def _checksums(self, names: Iterable[str]) -> dict[str, int]:
        specs = [spec for spec in self._model.weight_specs() if spec.name in names]
        return {name: zlib.crc32(x.tobytes()) for name, x in read(self._model, specs).items()}

    def _names(self) -> tuple[str, ...]:
        if not self._seen:
            return ()
        found = self._checksums(self._seen)
        written = {_layer(name) for name, seen in self._seen.items() if found[name] != seen}
        return tuple(name for name in self._seen if _layer(name) not in written)


def _layer(name: str) -> str:
    return name.rpartition(".")[0]
