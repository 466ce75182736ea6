"""What is checked and prepared before the encoder runs: ids, lengths, masks.

Values are checked in eager calls, and by assertion operations inside TensorFlow graphs. XLA and
JAX have no such operations: there an id outside its table reads some other row, or, where it is too
large for JAX, gives NaN.
"""

from functools import cache
from typing import Any

import keras
import ml_dtypes
import numpy as np
from keras import ops

from mobilebert.backend import check_batch, check_shapes
from mobilebert.config import MobileBertConfig
from mobilebert.errors import InputError
from mobilebert.logging import get_logger
from mobilebert.weights import heads_of_layer, kept_heads

__all__ = [
    "additive_attention_mask",
    "check_inputs",
    "checked_in_graph",
    "flatten_choices",
    "head_mask_by_layer",
    "is_readable",
    "static_shape",
    "warn_about_padding",
]

logger = get_logger(__name__)


def static_shape(tensor: Any) -> tuple[int | None, ...]:
    """Return the sizes that are known; None for an axis whose size is not."""
    # Where JAX follows any size, a size is a symbol.
    return tuple(size if isinstance(size, int) else None for size in tensor.shape)


def is_readable(tensor: Any) -> bool:
    """Tell whether a tensor has values now: this call runs, it is not recorded."""
    if isinstance(tensor, keras.KerasTensor):
        return False
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return bool(tf.executing_eagerly())
    if keras.backend.backend() == "jax":
        import jax

        return not isinstance(tensor, jax.core.Tracer)
    return True


def check_inputs(
    config: MobileBertConfig,
    input_ids: Any | None,
    inputs_embeds: Any | None,
    token_type_ids: Any | None,
    position_ids: Any | None,
) -> tuple[Any | None, Any | None, Any | None, Any | None]:
    """Check that the inputs describe sequences this model can read.

    Returns:
        The four inputs; in a TensorFlow graph nothing reads them before they are checked.

    Raises:
        InputError: Both or none of them, a wrong shape or type, an id outside its table, a
            sequence that is too long.
    """
    if input_ids is not None and inputs_embeds is not None:
        raise InputError("You cannot specify both input_ids and inputs_embeds at the same time.")
    given = input_ids if input_ids is not None else inputs_embeds
    if given is None:
        raise InputError("You have to specify either input_ids or inputs_embeds.")
    inputs = {
        "input_ids": input_ids,
        "inputs_embeds": inputs_embeds,
        "token_type_ids": token_type_ids,
        "position_ids": position_ids,
    }
    present = {name: tensor for name, tensor in inputs.items() if tensor is not None}
    check_shapes(config, {name: static_shape(tensor) for name, tensor in present.items()})
    arrays: dict[str, Any] = {}
    for name, tensor in present.items():
        if name == "inputs_embeds":
            continue
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        if "int" not in dtype:
            raise InputError(f"{name} must hold integers, not {dtype}.")
        if is_readable(tensor):
            arrays[name] = ops.convert_to_numpy(tensor)
        else:
            counted = name == "input_ids" and position_ids is None
            tensor = _checked_ids(config, name, tensor, counted)
            present[name] = _checked_sizes(name, tensor, given)
    length = static_shape(given)[1]
    if length is not None and position_ids is None:
        # Where there are no ids to look at, zeros stand in for their number.
        arrays.setdefault("input_ids", np.broadcast_to(np.int64(0), (1, length)))
    check_batch(config, arrays)
    checked = (present.get(name) for name in inputs)
    return next(checked), next(checked), next(checked), next(checked)


def _checked_ids(config: MobileBertConfig, name: str, tensor: Any, counted: bool) -> Any:
    """Let a graph fail at ids outside their table and, where `counted`, at too many of them."""
    rows = {
        "input_ids": config.vocab_size,
        "token_type_ids": config.type_vocab_size,
        "position_ids": config.max_position_embeddings,
    }[name]
    message = f"{name} holds an id outside its table; allowed are 0 to {rows - 1}."
    checked = checked_in_graph(tensor, tensor, rows, message)
    if not counted:
        return checked
    positions = config.max_position_embeddings
    message = f"The sequence is longer than the {positions} positions of the model; shorten it."
    return checked_in_graph(checked, ops.shape(tensor)[-1], positions + 1, message)


def _checked_sizes(name: str, tensor: Any, given: Any) -> Any:
    """Let a graph that knows no sizes fail where ids do not go with the inputs, [B, S, ...]."""
    message = f"{name} must be [batch, sequence], as the inputs, or one row for all sequences."
    length, rows = ops.shape(given)[1], ops.shape(given)[0]
    for size, wanted in zip(reversed(ops.shape(tensor)), (length, rows), strict=False):
        tensor = checked_in_graph(tensor, _is_no_part(size, wanted), 1, message)
    return tensor


def _is_no_part(size: Any, wanted: Any) -> Any:
    """Zero where an axis has one entry, which serves all, or as many as wanted."""
    return (size - 1) * (size - wanted)


def checked_in_graph(tensor: Any, numbers: Any, limit: int, message: str) -> Any:
    """Let the TensorFlow graph that is being recorded fail where a number is not 0 to limit - 1.

    Args:
        tensor: What is not to be read before the check.
        numbers: What is checked.
        limit: One more than the largest number allowed.
        message: What to say.

    Returns:
        The tensor.
    """
    recorded = keras.backend.backend() == "tensorflow" and not isinstance(tensor, keras.KerasTensor)
    if not recorded or isinstance(numbers, int):
        return tensor
    import tensorflow as tf

    checks = (
        tf.debugging.assert_less(numbers, tf.cast(limit, numbers.dtype), message=message),
        tf.debugging.assert_non_negative(numbers, message=message),
    )
    with tf.control_dependencies(checks):
        return tf.identity(tensor)


@cache
def _warn_once(message: str) -> None:
    logger.warning(message)


def warn_about_padding(
    config: MobileBertConfig, input_ids: Any, attention_mask: Any | None
) -> None:
    """Warn once when ids seem to be padded and no attention mask is given.

    The first and the last id of each sequence are looked at, in eager calls.
    """
    pad = config.pad_token_id
    if attention_mask is not None or pad is None or not is_readable(input_ids):
        return
    if (ops.convert_to_numpy(input_ids)[:, [0, -1]] == pad).any():
        _warn_once(
            f"input_ids start or end with the padding token (id {pad}), but there is no "
            "attention_mask: padding is read as text. Pass the tokenizer's attention_mask."
        )


def _lowest(dtype: str) -> float:
    limits: Any = ml_dtypes.finfo  # knows bfloat16, which numpy does not
    return float(limits(dtype).min)


def _checked_mask_sizes(attention_mask: Any, given: Any) -> Any:
    """Let a graph that knows no sizes fail where a mask does not go with the inputs."""
    rows, *lengths = ops.shape(attention_mask)
    wanted, length = ops.shape(given)[:2]
    message = "attention_mask and input_ids have different numbers of rows."
    checked = checked_in_graph(attention_mask, _is_no_part(rows, wanted), 1, message)
    message = "attention_mask and input_ids have different lengths."
    for size in lengths:  # a mask of one column would spread over all positions
        checked = checked_in_graph(checked, size - length, 1, message)
    return checked


def additive_attention_mask(attention_mask: Any, given: Any, dtype: str) -> Any:
    """Turn a mask of ones and zeros into what is added to attention scores.

    Args:
        attention_mask: 1 where attention is allowed, [B, S] or [B, S, S]; values between 0 and 1
            scale linearly.
        given: The input ids, [B, S], or embeddings, [B, S, E], that it goes with.
        dtype: Of the result; its lowest number stands for "not allowed". A row without a single
            1 therefore attends to all positions alike, without NaN.

    Returns:
        The addend, [B, 1, 1 or S, S].

    Raises:
        InputError: Another shape.
    """
    shape = static_shape(attention_mask)
    batch, length = input_shape = static_shape(given)[:2]
    rows, *others = shape or (0,)
    fits = len(shape) in (2, 3) and (None in (rows, batch) or rows in (1, batch))
    if not fits or any(None not in (size, length) and size != length for size in others):
        raise InputError(
            f"Wrong shape for input_ids (shape {input_shape}) or attention_mask "
            f"(shape {shape}): the mask must be [batch, sequence] or "
            "[batch, sequence, sequence]."
        )
    if None in input_shape + shape:
        attention_mask = _checked_mask_sizes(attention_mask, given)
    wide = ops.expand_dims(attention_mask, (1, 2) if len(shape) == 2 else 1)
    return (1.0 - ops.cast(wide, dtype)) * _lowest(dtype)


def head_mask_by_layer(
    head_mask: Any | None, config: MobileBertConfig, dtype: str
) -> list[Any | None]:
    """Spread a head mask over the layers.

    Args:
        head_mask: Factor on each head's attention probabilities, [heads] or [layers, heads], or
            already [layers, B or 1, heads, S or 1, S or 1].
        config: The configuration.
        dtype: Of the result.

    Returns:
        One factor for each layer, broadcastable to [B, heads, S, S], or None.

    Raises:
        InputError: Another shape.
    """
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    if head_mask is None:
        return [None] * layers
    shape = static_shape(head_mask)
    if shape == (heads,):
        by_layer = [head_mask[None, :, None, None]] * layers
    elif shape == (layers, heads):
        by_layer = [head_mask[number][None, :, None, None] for number in range(layers)]
    elif len(shape) == 5 and shape[0] == layers and shape[2] == heads:
        by_layer = [head_mask[number] for number in range(layers)]
    else:
        raise InputError(
            f"head_mask must be [heads={heads}] or [layers={layers}, heads={heads}], "
            f"not of shape {shape}."
        )
    return [
        ops.cast(
            ops.take(factors, kept_heads(config, layer), axis=1)
            if heads_of_layer(config, layer) < heads
            else factors,
            dtype,
        )
        for layer, factors in enumerate(by_layer)
    ]


# How many trailing axes stay when the axis of choices joins the batch.
_KEPT_AXES = {
    "input_ids": 1,
    "token_type_ids": 1,
    "position_ids": 1,
    "inputs_embeds": 2,
}


def _flat(tensor: Any, kept: int) -> Any:
    sizes = ops.shape(tensor)
    return ops.reshape(tensor, (-1, *sizes[len(sizes) - kept :]))


def flatten_choices(inputs: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Let the axis of choices join the batch, [B, C, S] -> [B * C, S].

    Args:
        inputs: Arguments of the encoder by name. A mask may be [B, C, S] or [B, C, S, S].

    Returns:
        The arguments with one axis less, and the number of choices C.

    Raises:
        InputError: The inputs have no axis of choices.
    """
    main = "input_ids" if inputs["input_ids"] is not None else "inputs_embeds"
    given = inputs[main]
    if given is None:
        raise InputError("You have to specify either input_ids or inputs_embeds.")
    if len(static_shape(given)) != _KEPT_AXES[main] + 2:
        axes = "batch, choices, sequence" + (", embedding_size" if main != "input_ids" else "")
        raise InputError(f"{main} must be [{axes}], not of shape {static_shape(given)}.")
    flat = dict(inputs)
    for name, tensor in inputs.items():
        if tensor is not None and name in _KEPT_AXES:
            flat[name] = _flat(tensor, _KEPT_AXES[name])
    mask = inputs["attention_mask"]
    if mask is not None:
        flat["attention_mask"] = _flat(mask, 2 if len(static_shape(mask)) == 4 else 1)
    return flat, ops.shape(given)[1]
