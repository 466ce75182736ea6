"""The engine behind the backend seam."""

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from mobilebert.backend import FloatArray, IntArray, TokenBatch, wants_cpu
from mobilebert.checkpoint.reading import STANDARD_FORMATS
from mobilebert.config import MobileBertConfig
from mobilebert.engine.engine import DTYPES, Engine
from mobilebert.engine.native import choose_isa, isa_dtypes
from mobilebert.engine.packed_checkpoint import Inspect
from mobilebert.errors import InputError
from mobilebert.reference import PadNeighbor
from mobilebert.tasks import TaskSpec

__all__ = ["EngineBackend"]


class _DtypesHere:
    """The element types of the instruction set that would run now; read from the class."""

    def __get__(self, instance: object, owner: type) -> tuple[str, ...]:
        # Asked for by name, a backend that was not compiled says so itself.
        return isa_dtypes()[choose_isa()] if isa_dtypes() else DTYPES


def _check_device(device: Any) -> None:
    if not wants_cpu(device):
        raise InputError(f"The engine runs on the CPU only, not on {device!r}.")


class EngineBackend:
    """Runs a model on the native engine.

    Args:
        weights: Tensors by canonical name.
        config: The model's configuration.
        task: A row or name of the task table.
        device: None or the CPU.
        dtype: As for `Engine`; None is "auto".
        pad_neighbor: What a padding neighbour contributes to the trigram.

    Raises:
        InputError: Another device or dtype; the engine was not compiled.
        WeightsError: Weights are missing, have another shape or are not finite.
    """

    name = "engine"
    dtypes: ClassVar[_DtypesHere] = _DtypesHere()
    formats: ClassVar[tuple[str, ...]] = STANDARD_FORMATS

    def __init__(
        self,
        weights: Mapping[str, npt.NDArray[Any]],
        config: MobileBertConfig,
        task: str | TaskSpec,
        *,
        device: Any = None,
        dtype: str | None = None,
        pad_neighbor: PadNeighbor | str = PadNeighbor.ZERO,
    ) -> None:
        _check_device(device)
        self._start(Engine(weights, config, task, dtype=dtype or "auto", pad_neighbor=pad_neighbor))

    @classmethod
    def from_checkpoint(
        cls,
        name_or_path: str | os.PathLike[str],
        task: TaskSpec,
        *,
        inspect: Inspect,
        device: Any = None,
        dtype: str | None = None,
        **options: Any,
    ) -> Self:
        """Load a checkpoint: mapped from its pack, where there is one.

        Args:
            name_or_path: As for `load_checkpoint`.
            task: The row of the task table.
            inspect: Is told what the checkpoint lacks and has too much; may refuse it.
            device: As for the class.
            dtype: As for the class.
            **options: As for `load_checkpoint`.
        """
        _check_device(device)
        backend = cls.__new__(cls)
        backend._start(
            Engine.from_checkpoint(
                name_or_path, task, inspect=inspect, dtype=dtype or "auto", **options
            )
        )
        return backend

    @classmethod
    def from_model(cls, model: Any, *, device: Any = None, dtype: str | None = None) -> Self:
        """Take the weights of one of this library's PyTorch models.

        Args:
            model: The model; later changes of it do not reach the engine.
            device: As for the class.
            dtype: As for the class.
        """
        _check_device(device)
        backend = cls.__new__(cls)
        backend._start(Engine.from_model(model, dtype=dtype or "auto"))
        return backend

    def _start(self, engine: Engine) -> None:
        self.engine = engine
        self.config = engine.config
        self.task = engine.task
        self.pad_neighbor = engine.pad_neighbor

    def run(self, batch: TokenBatch, positions: IntArray | None = None) -> dict[str, FloatArray]:
        """Compute the task's outputs; see `mobilebert.backend.Backend.run`.

        Raises:
            InputError: An id or the length does not fit the model.
        """
        outputs = self.engine(
            batch.input_ids, batch.attention_mask, batch.token_type_ids, positions=positions
        )
        return {name: np.asarray(outputs[name]) for name in self.task.emits}
