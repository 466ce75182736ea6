"""The Keras models behind the backend seam, on TensorFlow or JAX."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from mobilebert.backend import (
    FloatArray,
    IntArray,
    TokenBatch,
    check_batch,
    check_dtype,
    check_weights,
    wants_cpu,
)
from mobilebert.config import MobileBertConfig
from mobilebert.errors import InputError
from mobilebert.keras.encoder import TFMobileBertMainLayer
from mobilebert.keras.initialization import variables_unset
from mobilebert.keras.loading import FORMATS
from mobilebert.keras.models import MODEL_CLASSES
from mobilebert.keras.pretrained import TFMobileBertPreTrainedModel
from mobilebert.keras.programs import program_of
from mobilebert.keras.variables import assign
from mobilebert.logging import get_logger
from mobilebert.reference import PadNeighbor
from mobilebert.tasks import TASKS, TaskSpec, resolve_task
from mobilebert.weights import weight_specs

__all__ = ["KerasBackend", "device_of"]

logger = get_logger(__name__)

_CPU = "cpu:0"
# A device as Keras, TensorFlow or PyTorch spell it: gpu, GPU:1, /device:GPU:0, cuda:0.
_DEVICE = re.compile(r"/?(?:device:)?(cpu|gpu|cuda|tpu)(?::(\d+))?")


def device_of(device: Any) -> str:
    """Return a device as Keras names it, from what users write.

    Args:
        device: None or -1 for the CPU, a number for that accelerator, or a name. If there is no
            such accelerator, the CPU, with a warning.

    Raises:
        InputError: The name is no device.
    """
    if wants_cpu(device):
        return _CPU
    if isinstance(device, int):
        if device < -1:
            raise InputError(f"{device} is no device; write -1 for the CPU, or 0, 1, ... .")
        kind, number = keras.distribution.list_devices()[0].partition(":")[0], device
        kind = "gpu" if kind == "cpu" else kind  # what the warning says is missing
    else:
        found = _DEVICE.fullmatch(str(device).lower())
        if found is None:
            raise InputError(f"{device!r} is no device; write cpu, gpu, gpu:1 or a number.")
        kind, number = found[1].replace("cuda", "gpu"), int(found[2] or 0)
    wanted = f"{kind}:{number}"
    if wanted not in _devices(kind):
        logger.warning("There is no device %s here; running on the CPU.", wanted)
        return _CPU
    return wanted


def _devices(kind: str) -> list[str]:
    try:
        return list(keras.distribution.list_devices(kind))
    except RuntimeError:  # JAX has not heard of this kind
        return []


class KerasBackend:
    """Runs a model with Keras.

    Args:
        weights: Tensors by canonical name; converted to `dtype`. Tied ones may be absent.
        config: The model's configuration.
        task: A row or name of the task table.
        device: None for the CPU, a number or a name.
        dtype: float32 (default), float64 or bfloat16.
        pad_neighbor: What a padding neighbour contributes to the trigram.

    Raises:
        InputError: Another device or dtype.
        WeightsError: Tensors are missing or have another shape.
    """

    name = "keras"
    # No float16: hidden values of published models reach 2.5e7, and it ends at 65504.
    dtypes: ClassVar[tuple[str, ...]] = ("float32", "float64", "bfloat16")
    formats: ClassVar[tuple[str, ...]] = FORMATS[False]

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
        row = resolve_task(task)
        wanted = check_dtype(self.name, self.dtypes, dtype)
        if wanted == "float64" and not _has_float64():
            raise InputError(f"Keras does not compute in {wanted} here; JAX needs jax_enable_x64.")
        check_weights(weight_specs(config, row), weights)
        place = device_of(device)
        with variables_unset(), keras.device(place):
            model = MODEL_CLASSES[row.name](config, dtype=wanted)
            assign(model, model.weight_specs(), weights)
        self._set(model, row, place, pad_neighbor)

    @classmethod
    def from_model(
        cls,
        model: TFMobileBertPreTrainedModel | TFMobileBertMainLayer,
        *,
        device: Any = None,
        dtype: str | None = None,
        pad_neighbor: PadNeighbor | str = PadNeighbor.ZERO,
    ) -> Self:
        """Put a model object, or its encoder, behind the seam.

        Args:
            model: One of this library's Keras models.
            device: The one it was built on: Keras moves no variables.
            dtype: The one it was built with.
            pad_neighbor: What a padding neighbour contributes to the trigram, here; the model's
                own setting stays.

        Raises:
            InputError: Another object, device or dtype.
        """
        if not isinstance(model, (TFMobileBertPreTrainedModel, TFMobileBertMainLayer)):
            raise InputError(f"A MobileBERT model is needed, not a {type(model).__name__}.")
        policy = model.dtype_policy
        if dtype not in (None, policy.name, policy.compute_dtype):
            raise InputError(
                f"A Keras model keeps the dtype it was built with, {policy.name}, and does not "
                f"become {dtype}; build it with dtype=, or name the checkpoint's directory."
            )
        place = _place(model.variables[0])
        if device is not None and device_of(device) != place:
            raise InputError(
                f"A Keras model stays where it was built, on {place}, and does not move to "
                f"{device}; build it inside keras.device(...), or name the checkpoint's directory."
            )
        backend = cls.__new__(cls)
        row = getattr(model, "task", TASKS["feature_extraction"])
        backend._set(model, row, place, pad_neighbor)
        return backend

    def _set(self, model: Any, task: TaskSpec, place: str, pad_neighbor: PadNeighbor | str) -> None:
        self.model = model
        self.config = model.config
        self.task = task
        self.pad_neighbor = PadNeighbor(pad_neighbor)
        self._place = place
        # Only without a trace of padding may a program add some of its own.
        self._program = program_of(
            self._forward, model, task, pads=self.pad_neighbor is PadNeighbor.ZERO
        )

    def run(self, batch: TokenBatch, positions: IntArray | None = None) -> dict[str, FloatArray]:
        """Compute the task's outputs; see `mobilebert.backend.Backend.run`.

        Raises:
            InputError: An id or the length does not fit the model.
        """
        arrays = {"input_ids": batch.input_ids, "token_type_ids": batch.token_type_ids}
        check_batch(self.config, arrays)
        arrays["attention_mask"] = batch.attention_mask
        if positions is not None and self.task.vocabulary:
            arrays["positions"] = positions
        with keras.device(self._place):
            outputs = self._program({name: x.astype(np.int32) for name, x in arrays.items()})
        return {name: _array(tensor) for name, tensor in outputs.items()}

    def _forward(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Run on tensors, eagerly or where a program is recorded.

        Args:
            inputs: Arguments of the encoder, and ``positions`` [M, 2]: the vocabulary is most of a
                masked language model's work, so only those are scored.
        """
        given = dict(inputs)
        positions = given.pop("positions", None)
        flags = {
            "output_attentions": False,
            "output_hidden_states": False,
            "return_dict": True,
            "pad_neighbor": self.pad_neighbor,
        }
        if positions is None:
            outputs = self.model(**given, **flags)
            # An encoder without pooler emits less than its task says.
            return {name: outputs[name] for name in self.task.emits if name in outputs}
        encoded = self.model.mobilebert(**given, **flags)
        states = encoded.last_hidden_state
        rows = positions[:, 0] * ops.shape(states)[1] + positions[:, 1]
        flat = ops.reshape(states, (-1, self.config.hidden_size))
        wanted = ops.take(flat, rows, axis=0)  # [M, H]
        scores = self.model.logits(wanted, encoded.pooler_output)
        return dict(zip(self.task.emits, scores, strict=True))


def _has_float64() -> bool:
    if keras.backend.backend() != "jax":
        return True
    import jax

    return bool(jax.config.jax_enable_x64)


def _place(variable: Any) -> str:
    """Return the device of a variable as Keras names it."""
    value = variable.value
    if keras.backend.backend() == "jax":
        (device,) = value.devices()
        return f"{device.platform}:{device.id}"
    return ":".join(value.device.lower().split(":")[-2:])


def _array(tensor: Any) -> FloatArray:
    """Return a tensor as numpy, which has no bfloat16."""
    narrow = keras.backend.standardize_dtype(tensor.dtype) == "bfloat16"
    return np.asarray(ops.convert_to_numpy(ops.cast(tensor, "float32") if narrow else tensor))
