"""Between Python lists and the arrays of numpy, PyTorch and TensorFlow.

A framework is imported only when its tensors are asked for; given tensors are recognised by what
they can do.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from mobilebert.errors import InputError
from mobilebert.extras import require
from mobilebert.text.options import TensorType

__all__ = ["as_tensor", "tensor_type_of", "to_python"]


def to_python(value: Any) -> Any:
    """Turn ids in any form (number, list, array or tensor of any library) into Python ints.

    Args:
        value: A number, an array, or lists and dictionaries of these.

    Returns:
        The same structure of plain Python objects.

    Raises:
        InputError: A tensor without values, of a graph that is being recorded.
    """
    if isinstance(value, (int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [to_python(item) for item in value]
    if hasattr(value, "items"):
        return {key: to_python(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # numpy arrays and scalars, torch tensors, arrays of JAX
        return value.tolist()
    if hasattr(value, "to_list"):  # ragged tensors
        return value.to_list()
    if hasattr(value, "numpy"):  # tf tensors and variables
        return np.asarray(value.numpy()).tolist()
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        raise InputError(
            f"{type(value).__name__} has no values here: it belongs to a graph that is being "
            "recorded. Give the tokenizer what the function or model returns."
        )
    return value


def tensor_type_of(value: Any) -> TensorType | None:
    """Return the library an array belongs to, or None for anything else."""
    if isinstance(value, (np.ndarray, np.generic)):
        return TensorType.NUMPY
    root = type(value).__module__.partition(".")[0]
    if root == "torch" and hasattr(value, "detach"):
        return TensorType.PYTORCH
    if root == "tensorflow" and hasattr(value, "numpy"):
        return TensorType.TENSORFLOW
    return None


def as_tensor(value: Any, kind: TensorType) -> Any:
    """Make an array of nested lists.

    Args:
        value: Numbers in nested lists, or an array (of the same library: returned as it is).
        kind: The library.

    Returns:
        What has an element type, an array or tensor, keeps it. Plain whole numbers are int64 in
        numpy and PyTorch and int32 in TensorFlow, plain fractions float64 in numpy and else
        float32 (PyTorch's default type). For PyTorch, whose models take no ids of uint16, uint32
        and uint64, these are plain whole numbers. Rows of different lengths give a numpy array of
        objects.

    Raises:
        MissingExtraError: The library is not installed.
        InputError: Rows have different lengths (PyTorch, TensorFlow).
    """
    if tensor_type_of(value) is kind:
        return value
    return _CONVERTERS[kind](value)


def _as_numpy(value: Any) -> Any:
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], (list, tuple)):
        rows = [np.asarray(row) for row in value]
        if len({len(row) for row in rows}) > 1:
            ragged = np.empty(len(rows), dtype=object)
            ragged[:] = rows
            return ragged
    array = np.asarray(value)
    # An empty list has no type of its own; these arrays hold ids.
    return array.astype(np.int64) if array.size == 0 else array


def _as_torch(value: Any) -> Any:
    torch: Any = require("torch", "torch", 'return_tensors="pt"')
    try:
        array = np.asarray(to_python(value))
        own = _element_type(value)
        if own in _FOREIGN_TO_TORCH:
            own = None
        if own is None and array.size == 0:
            own = "int64"
        tensor = torch.from_numpy(array)
    except (ValueError, TypeError) as error:
        raise InputError(_UNEVEN.format(error)) from None
    default = torch.get_default_dtype() if tensor.is_floating_point() else tensor.dtype
    return tensor.to(getattr(torch, own or "", default))


def _as_tensorflow(value: Any) -> Any:
    tensorflow: Any = require("tensorflow", "tensorflow", 'return_tensors="tf"')
    try:
        array = np.asarray(to_python(value))
    except ValueError as error:
        raise InputError(_UNEVEN.format(error)) from None
    whole = array.size == 0 or array.dtype.kind in "iu"
    plain = "int32" if whole else "float32" if array.dtype.kind == "f" else None
    return tensorflow.constant(array, dtype=_element_type(value) or plain)


def _element_type(value: Any) -> str | None:
    """Name the type that an array or tensor, or a list of such, has; None for plain numbers."""
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    dtype = getattr(value, "dtype", None)
    name = str(getattr(dtype, "name", dtype)).removeprefix("torch.")
    return name if name.startswith(("bool", "int", "uint", "float", "bfloat")) else None


# PyTorch stores them, and computes next to nothing in them.
_FOREIGN_TO_TORCH = ("uint16", "uint32", "uint64")

_UNEVEN = (
    "Unable to create a tensor of rows with different lengths ({}). Use padding=True and "
    "truncation=True so that all have the same length."
)

_CONVERTERS: dict[TensorType, Callable[[Any], Any]] = {
    TensorType.NUMPY: _as_numpy,
    TensorType.PYTORCH: _as_torch,
    TensorType.TENSORFLOW: _as_tensorflow,
}
