"""The seam between text and arithmetic: a batch of token ids goes in, named arrays come out."""

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mobilebert.config import MobileBertConfig
from mobilebert.errors import InputError, WeightsError
from mobilebert.extras import is_installed, require_keras, require_torch
from mobilebert.tasks import TaskSpec
from mobilebert.weights import WeightSpec, differences

__all__ = [
    "BACKENDS",
    "Backend",
    "TokenBatch",
    "backend_class",
    "check_batch",
    "check_dtype",
    "check_shapes",
    "check_weights",
    "default_backend",
    "engine_is_compiled",
    "wants_cpu",
]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating[Any]]
Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class TokenBatch:
    """Token ids of several sequences, padded to one length.

    Attributes:
        input_ids: Token ids, [B, S].
        attention_mask: 1 for tokens, 0 for padding, [B, S].
        token_type_ids: Segment ids, [B, S].
    """

    input_ids: IntArray
    attention_mask: IntArray
    token_type_ids: IntArray

    @classmethod
    def from_rows(
        cls, rows: list[list[int]], types: list[list[int]] | None = None, pad_token_id: int = 0
    ) -> "TokenBatch":
        """Pad rows of ids on the right to the longest of them.

        Args:
            rows: Token ids of each sequence.
            types: Segment ids of each sequence; zeros by default.
            pad_token_id: Id written behind shorter sequences.
        """
        shape = (len(rows), max(map(len, rows), default=0))
        ids = np.full(shape, pad_token_id, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        segments = np.zeros(shape, dtype=np.int64)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row
            mask[number, : len(row)] = 1
            if types is not None:
                segments[number, : len(row)] = types[number]
        return cls(ids, mask, segments)


class Backend(Protocol):
    """Runs one model. Instances are safe to call from several threads at once.

    Attributes:
        name: Row of `BACKENDS`.
        config: The model's configuration.
        task: The model's row of the task table.
    """

    name: str
    config: MobileBertConfig
    task: TaskSpec

    def run(self, batch: TokenBatch, positions: IntArray | None = None) -> dict[str, FloatArray]:
        """Compute the task's outputs.

        Args:
            batch: B sequences of length S. What a sequence's outputs are does not depend on the
                other sequences or on padding.
            positions: For the masked-language-model head, the (sequence, position) pairs wanted,
                [M, 2]; all positions when None.

        Returns:
            One array per name of ``task.emits``: sequence outputs [B, S, width], pooled ones
            [B, width], vocabulary logits [M, V] with `positions`, else [B, S, V].
        """
        ...


# Name -> "module:Class" of every backend; nothing is imported until a backend is asked for.
# A class is made by Class(weights, config, task, device=..., dtype=...). It says which `dtypes` it
# knows, and in which `formats` its users have checkpoints, those that are preferred first. Classes
# of frameworks also have from_model(model, device=..., dtype=...); the engine's has
# from_checkpoint(name, task, ...), which reads the checkpoint only where it has not packed it yet.
BACKENDS: dict[str, str] = {
    "engine": "mobilebert.engine.backend:EngineBackend",
    "numpy": "mobilebert.numpy_backend:NumpyBackend",
    "torch": "mobilebert.torch.backend:TorchBackend",
    "keras": "mobilebert.keras.backend:KerasBackend",
}

# Backend -> what imports the framework it needs, or says how to install it.
_FRAMEWORKS: dict[str, Callable[[str], Any]] = {"torch": require_torch, "keras": require_keras}


def backend_class(name: str) -> Any:
    """Import the class of a backend.

    Raises:
        InputError: There is no such backend.
        MissingExtraError: Its library is not installed.
    """
    if name not in BACKENDS:
        raise InputError(f"Unknown backend {name!r}; choose one of auto, {', '.join(BACKENDS)}.")
    if name in _FRAMEWORKS:
        _FRAMEWORKS[name](f"backend={name!r}")
    module, _, attribute = BACKENDS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def engine_is_compiled() -> bool:
    """Tell whether the native part of the engine was built when the package was installed."""
    return is_installed("mobilebert.engine._native")


def default_backend(dtype: str | None = None) -> str:
    """Return the backend for the CPU where none is asked for: the engine, or else numpy.

    Args:
        dtype: Element type to compute in, if one is asked for; "auto" is none.

    Raises:
        InputError: Neither knows it.
    """
    if not engine_is_compiled():
        return "numpy"
    engine, numpy = (backend_class(name).dtypes for name in ("engine", "numpy"))
    if dtype in (None, "auto", *engine):
        return "engine"
    if dtype not in numpy:
        raise InputError(
            f"Here the engine computes in {' or '.join(engine)}, numpy in {' or '.join(numpy)}, "
            f"none in {dtype!r}; backend='torch' has more."
        )
    return "numpy"


def wants_cpu(device: Any) -> bool:
    """Tell whether a device is the CPU: None, "cpu" or -1, as transformers' pipelines take it."""
    return device is None or str(device) in ("cpu", "-1")


def check_dtype(backend: str, dtypes: Iterable[str], dtype: str | None) -> str:
    """Return the element type to compute in, float32 by default.

    Args:
        backend: Name of the backend, for the message.
        dtypes: Those it knows.
        dtype: The one that is wanted.

    Raises:
        InputError: The backend does not know it.
    """
    wanted = "float32" if dtype is None else dtype
    if wanted not in dtypes:
        raise InputError(
            f"The {backend} backend computes in {' or '.join(dtypes)}, not in {wanted!r}; "
            "backend='torch' has more."
        )
    return wanted


def check_weights(specs: tuple[WeightSpec, ...], weights: Mapping[str, npt.NDArray[Any]]) -> None:
    """Check that there is an array for every weight of a model but the tied ones.

    Raises:
        WeightsError: Arrays are missing or have another shape.
    """
    found = differences(specs, {name: tuple(array.shape) for name, array in weights.items()})
    if found.missing or found.mismatched:
        wrong = [*found.missing, *(name for name, _, _ in found.mismatched)]
        raise WeightsError(f"Tensors are missing or of another shape: {', '.join(wrong)}.")


_TABLES = {
    "input_ids": "vocabulary",
    "token_type_ids": "segment table",
    "position_ids": "position table",
}


def check_batch(
    config: MobileBertConfig,
    arrays: Mapping[str, npt.NDArray[Any]],
    rows_of: Mapping[str, int | None] | None = None,
) -> None:
    """Check ids and lengths against the embedding tables.

    Args:
        config: The model's configuration.
        arrays: ``input_ids``, ``token_type_ids`` and ``position_ids``, those that are given, each
            with the sequence on its last axis.
        rows_of: How many rows the table of each of these has, None where nobody knows; as the
            configuration says by default.

    Raises:
        InputError: An id is outside its table, or the sequence is longer than the position table
            and there are no `position_ids`, which count it otherwise.
    """
    sizes: dict[str, int | None] = {
        "input_ids": config.vocab_size,
        "token_type_ids": config.type_vocab_size,
        "position_ids": config.max_position_embeddings,
    }
    if rows_of is not None:
        sizes = {name: rows_of[name] for name in sizes}
    for name, array in arrays.items():
        rows = sizes[name]
        if rows is not None and array.size and not (0 <= array.min() and array.max() < rows):
            worst = array.max() if array.max() >= rows else array.min()
            raise InputError(
                f"{name} holds {worst}, but the model's {_TABLES[name]} has {rows} rows; "
                f"allowed are 0 to {rows - 1}."
            )
    counted = "input_ids" in arrays and "position_ids" not in arrays
    length = arrays["input_ids"].shape[-1] if counted else 0
    positions = sizes["position_ids"]
    if positions is not None and length > positions:
        raise InputError(
            f"The sequence has {length} tokens, but the model has {positions} positions; shorten "
            f"it or truncate (truncation=True, max_length={positions})."
        )


def check_shapes(config: MobileBertConfig, shapes: Mapping[str, Shape]) -> None:
    """Check the shapes of what a model is called with, before it flattens or adds anything.

    Args:
        config: The model's configuration.
        shapes: Of ``input_ids`` or ``inputs_embeds``, and of ``token_type_ids`` and
            ``position_ids``, those that are given; None for a size that is not known yet.

    Raises:
        InputError: Another rank, no token at all, or ids that do not go with the sequences.
    """
    embedded = "inputs_embeds" in shapes
    main = "inputs_embeds" if embedded else "input_ids"
    shape = shapes[main]
    width = config.embedding_size
    axes = f"batch, sequence, embedding_size={width}" if embedded else "batch, sequence"
    if len(shape) != 2 + embedded or (embedded and shape[-1] not in (None, width)):
        raise InputError(f"{main} must be [{axes}], not of shape {shape}.")
    if 0 in shape:
        raise InputError(f"{main} is empty, of shape {shape}; at least one token is needed.")
    for name in shapes.keys() & {"token_type_ids", "position_ids"}:
        # One row, or one number, serves all.
        sizes = shapes[name]
        pairs = zip(reversed(sizes), (shape[1], shape[0]), strict=False)
        fits = all(size in (1, None, wanted) or wanted is None for size, wanted in pairs)
        if not 1 <= len(sizes) <= 2 or not fits:
            raise InputError(
                f"{name} must be [batch, sequence], as {main} {shape[:2]}, or one row for all "
                f"sequences, not of shape {sizes}."
            )
