"""The ways to call a Keras model, brought to one: every argument by name, every array a tensor."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import keras
import numpy as np
from keras import ops

from mobilebert.errors import ArgumentError, InputError, MobileBertError

__all__ = ["as_tensor", "in_any_form", "named_arguments", "plain_errors"]

Call = TypeVar("Call", bound=Callable[..., Any])

# Arguments of `call` that are no arrays.
FLAGS = (
    "output_attentions",
    "output_hidden_states",
    "return_dict",
    "training",
    "pad_neighbor",
)

# Tensors of TensorFlow that are no arrays.
_UNEVEN = ("RaggedTensor", "SparseTensor")


@contextmanager
def plain_errors() -> Iterator[None]:
    """Let our own errors reach the user as they are.

    Keras appends all arguments to an error, and `tf.function` replaces it by one with a listing.
    """
    try:
        yield
    except MobileBertError as error:
        vars(error).update(_keras_call_info_injected=True, ag_pass_through=True)
        vars(error).pop("ag_error_metadata", None)  # set where the failing function was converted
        raise


def in_any_form(call: Call) -> Call:
    """Let `call` itself take a table or a list of inputs, as where a model is called.

    Code that records a model for serving often calls this method and not the model.
    """
    names = tuple(inspect.signature(call).parameters)[1:]

    @functools.wraps(call)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        first = args[0] if args else kwargs.get("input_ids")
        with plain_errors():
            if isinstance(first, (Mapping, list, tuple)):
                return call(self, **named_arguments(names, args, kwargs))
            return call(self, *args, **kwargs)

    return cast(Call, called)


@plain_errors()
def named_arguments(
    names: Sequence[str], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments of a call by name.

    Args:
        names: The parameters of `call`, in order.
        args: Positional arguments: arguments in order, or first a table by name or a list or
            tuple in order.
        kwargs: Arguments by name; `input_ids` may hold such a table or list too.

    Raises:
        ArgumentError: An argument is unknown or is given twice.
        InputError: Something that is no array.
    """
    keywords = dict(kwargs)
    first = args[0] if args else keywords.get("input_ids")
    if isinstance(first, Mapping):
        named, rest = dict(first), args[1:]
        if not args:
            del keywords["input_ids"]
    elif isinstance(first, (list, tuple)) and not _is_nested_numbers(first):
        named, rest = dict(zip(names, first, strict=False)), args[1:]
        if len(first) > len(names):
            raise ArgumentError(f"At most {len(names)} inputs are known, not {len(first)}.")
        if not args:
            del keywords["input_ids"]
    else:
        named, rest = dict(zip(names, args, strict=False)), args[len(names) :]
    if rest:
        raise ArgumentError(
            "The inputs are given as one table or list and as further positional arguments; give "
            "the others by name."
        )
    if twice := sorted(named.keys() & keywords.keys()):
        raise ArgumentError(f"{', '.join(twice)} is given twice.")
    named |= keywords
    if unknown := [str(name) for name in named if name not in names]:
        raise ArgumentError(f"Unknown input {', '.join(unknown)}; known are {', '.join(names)}.")
    return {
        name: value if name in FLAGS else as_tensor(name, value) for name, value in named.items()
    }


def _is_nested_numbers(value: Any) -> bool:
    """Tell whether a list is an array spelled out, and no list of arrays."""
    while isinstance(value, (list, tuple)):
        if not value:
            return True
        value = value[0]
    return isinstance(value, (int, float, np.number))


def as_tensor(name: str, value: Any) -> Any:
    """Return an array as a tensor of 32 bits; tensors stay as they are.

    Raises:
        InputError: It is no array of numbers.
    """
    if type(value).__name__ in _UNEVEN:
        raise InputError(
            f"{name} is a {type(value).__name__}; rows of one length are needed: pad them "
            "(a RaggedTensor has to_tensor()) and give an attention_mask."
        )
    if value is None or ops.is_tensor(value) or isinstance(value, keras.KerasTensor):
        return value
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        array = np.asarray(None)
    if array.dtype.kind in "iu":
        small = not array.size or abs(int(array.max())) < 2**31 > abs(int(array.min()))
        return ops.convert_to_tensor(array, dtype="int32" if small else "int64")
    if array.dtype.kind == "f":
        return ops.convert_to_tensor(array, dtype=keras.config.floatx())
    if array.dtype.kind == "b":
        return ops.convert_to_tensor(array, dtype="bool")
    raise InputError(
        f"{name} must be an array of numbers with rows of one length, not a "
        f"{type(value).__name__}; a tokenizer returns them with padding=True, return_tensors='tf'."
    )
