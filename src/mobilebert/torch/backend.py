"""The PyTorch models behind the backend seam."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mobilebert.backend import (
    FloatArray,
    IntArray,
    TokenBatch,
    check_batch,
    check_weights,
    wants_cpu,
)
from mobilebert.checkpoint.reading import STANDARD_FORMATS
from mobilebert.config import MobileBertConfig
from mobilebert.errors import InputError
from mobilebert.logging import get_logger
from mobilebert.reference import PadNeighbor
from mobilebert.tasks import TaskSpec, resolve_task
from mobilebert.torch.embeddings import table_rows
from mobilebert.torch.models import MODEL_CLASSES
from mobilebert.torch.pretrained import MobileBertPreTrainedModel, dtype_of
from mobilebert.torch.task_model import TaskModel
from mobilebert.weights import weight_specs

__all__ = ["TorchBackend", "device_of"]

logger = get_logger(__name__)


def device_of(device: Any) -> torch.device:
    """Return a device from what users write.

    Args:
        device: None or -1 for the CPU, a number for that accelerator, a name, a torch.device. If
            there is no such accelerator, the CPU, with a warning.

    Raises:
        InputError: The name is no device.
    """
    if wants_cpu(device):
        return torch.device("cpu")
    if isinstance(device, int) and device < -1:
        raise InputError(f"{device} is no device; write -1 for the CPU, or 0, 1, ... .")
    accelerator = torch.accelerator.current_accelerator() if _has_accelerator() else None
    if isinstance(device, int):
        kind = "cuda" if accelerator is None else accelerator.type
        wanted = torch.device(kind, device)
    else:
        try:
            wanted = torch.device(device)
        except (RuntimeError, TypeError):
            raise InputError(
                f"{device!r} is no device; write cpu, cuda, cuda:1 or a number."
            ) from None
    if wanted.type in ("cpu", "meta"):
        return wanted
    there = accelerator is not None and accelerator.type == wanted.type
    if not there or (wanted.index or 0) >= torch.accelerator.device_count():
        logger.warning("There is no device %s here; running on the CPU.", wanted)
        return torch.device("cpu")
    return wanted


def _has_accelerator() -> bool:
    return bool(torch.accelerator.is_available())


class TorchBackend:
    """Runs a model with PyTorch.

    Args:
        weights: Tensors by canonical name; converted to `dtype`. Tied ones may be absent.
        config: The model's configuration.
        task: A row or name of the task table.
        device: None for the CPU, a number, a name or a torch.device.
        dtype: float32 (default), float64, bfloat16 or float16, by name or as torch.dtype.
        pad_neighbor: What a padding neighbour contributes to the trigram.

    Raises:
        InputError: Another device or dtype.
        WeightsError: Tensors are missing or have another shape.
    """

    name = "torch"
    dtypes: ClassVar[tuple[str, ...]] = ("float32", "float64", "bfloat16", "float16")
    formats: ClassVar[tuple[str, ...]] = STANDARD_FORMATS

    def __init__(
        self,
        weights: Mapping[str, npt.NDArray[Any]],
        config: MobileBertConfig,
        task: str | TaskSpec,
        *,
        device: Any = None,
        dtype: torch.dtype | str | None = None,
        pad_neighbor: PadNeighbor | str = PadNeighbor.ZERO,
    ) -> None:
        row = resolve_task(task)
        model = _model_with(weights, config, row, dtype_of(dtype) or torch.float32)
        self._set(model.to(device_of(device)), pad_neighbor)

    @classmethod
    def from_model(
        cls,
        model: MobileBertPreTrainedModel,
        *,
        device: Any = None,
        dtype: torch.dtype | str | None = None,
        pad_neighbor: PadNeighbor | str = PadNeighbor.ZERO,
    ) -> Self:
        """Put a model object behind the seam; it is put into evaluation mode.

        Args:
            model: One of this library's PyTorch models.
            device: Where to move it; it stays where it is by default.
            dtype: What to convert it to; as it is by default.
            pad_neighbor: What a padding neighbour contributes to the trigram, here; the model's
                own setting stays.
        """
        if not isinstance(model, MobileBertPreTrainedModel):
            raise InputError(f"A MobileBERT model is needed, not a {type(model).__name__}.")
        backend = cls.__new__(cls)
        if device is not None:
            model.to(device_of(device))
        if dtype is not None:
            model.to(dtype_of(dtype))
        backend._set(model, pad_neighbor)
        return backend

    def _set(self, model: MobileBertPreTrainedModel, pad_neighbor: PadNeighbor | str) -> None:
        self.model = model.eval()
        self.config = model.config
        self.task = model.task
        self.pad_neighbor = PadNeighbor(pad_neighbor)

    def run(self, batch: TokenBatch, positions: IntArray | None = None) -> dict[str, FloatArray]:
        """Compute the task's outputs; see `mobilebert.backend.Backend.run`.

        Raises:
            InputError: An id or the length does not fit the model.
        """
        arrays = {"input_ids": batch.input_ids, "token_type_ids": batch.token_type_ids}
        check_batch(self.config, arrays, table_rows(self.model.base_model.embeddings))
        arrays["attention_mask"] = batch.attention_mask
        device = self.model.device
        inputs = {name: torch.from_numpy(x).to(device) for name, x in arrays.items()}
        with torch.inference_mode():
            if positions is not None and isinstance(self.model, TaskModel):
                outputs = self._at(self.model, inputs, torch.from_numpy(positions).to(device))
            else:
                outputs = self.model(
                    **inputs,
                    output_attentions=False,
                    output_hidden_states=False,
                    return_dict=True,
                    pad_neighbor=self.pad_neighbor,
                )
        # An encoder without pooler emits less than its task says.
        return {name: _array(outputs[name]) for name in self.task.emits if name in outputs}

    def _at(
        self, model: TaskModel[Any], inputs: dict[str, Tensor], positions: Tensor
    ) -> dict[str, Tensor]:
        """Score only some positions: the vocabulary is most of a masked language model's work."""
        encoded = model.mobilebert(
            **inputs,
            output_attentions=False,
            output_hidden_states=False,
            return_dict=True,
            pad_neighbor=self.pad_neighbor,
        )
        wanted = encoded.last_hidden_state[positions[:, 0], positions[:, 1]]  # [M, H]
        scores = model.logits(wanted, encoded.pooler_output)
        return dict(zip(self.task.emits, scores, strict=True))


def _array(tensor: Tensor) -> FloatArray:
    """Return a tensor as numpy, which has no bfloat16."""
    narrow = tensor.dtype in (torch.bfloat16, torch.float16)
    array: FloatArray = (tensor.float() if narrow else tensor).cpu().numpy()
    return array


def _model_with(
    weights: Mapping[str, npt.NDArray[Any]],
    config: MobileBertConfig,
    task: TaskSpec,
    dtype: torch.dtype,
) -> MobileBertPreTrainedModel:
    """Build a task's model around existing weights; nothing is initialised."""
    specs = weight_specs(config, task)
    check_weights(specs, weights)
    tensors = {
        spec.name: torch.from_numpy(np.ascontiguousarray(weights[source])).to(dtype)
        for spec in specs
        if (source := spec.name if spec.name in weights else spec.tied_to) is not None
        and source in weights
    }
    with torch.device("meta"):
        model = MODEL_CLASSES[task.name](config)
    model.load_state_dict(tensors, strict=True, assign=True)
    model.tie_weights()
    return model
