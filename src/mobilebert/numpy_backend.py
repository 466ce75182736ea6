"""The backend without PyTorch: the numpy reference behind the backend seam."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mobilebert.backend import (
    FloatArray,
    IntArray,
    TokenBatch,
    check_batch,
    check_dtype,
    wants_cpu,
)
from mobilebert.checkpoint.reading import STANDARD_FORMATS
from mobilebert.config import MobileBertConfig
from mobilebert.errors import InputError
from mobilebert.reference import PadNeighbor, forward
from mobilebert.tasks import TaskSpec, resolve_task

__all__ = ["NumpyBackend"]


class NumpyBackend:
    """Runs a model with numpy.

    Args:
        weights: Tensors by canonical name; converted to `dtype`.
        config: The model's configuration.
        task: A row or name of the task table.
        device: None or "cpu".
        dtype: float32 (default) or float64.
        pad_neighbor: What a padding neighbour contributes to the trigram.

    Raises:
        InputError: Another device or dtype.
    """

    name = "numpy"
    dtypes: ClassVar[tuple[str, ...]] = ("float32", "float64")
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
        if not wants_cpu(device):
            raise InputError(f"The numpy backend runs on the CPU only, not on {device!r}.")
        wanted = check_dtype(self.name, self.dtypes, dtype)
        self.config = config
        self.task = resolve_task(task)
        self.pad_neighbor = PadNeighbor(pad_neighbor)
        self._weights = {k: np.asarray(v, dtype=wanted) for k, v in weights.items()}

    def run(self, batch: TokenBatch, positions: IntArray | None = None) -> dict[str, FloatArray]:
        """Compute the task's outputs; see `mobilebert.backend.Backend.run`.

        Raises:
            InputError: An id or the length does not fit the model.
        """
        check_batch(
            self.config,
            {"input_ids": batch.input_ids, "token_type_ids": batch.token_type_ids},
        )
        return forward(
            self._weights,
            self.config,
            self.task,
            batch.input_ids,
            batch.attention_mask,
            batch.token_type_ids,
            positions=positions,
            pad_neighbor=self.pad_neighbor,
        )
