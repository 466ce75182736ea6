"""What is checked and prepared before the encoder runs: ids, lengths, masks.

Values are looked at only where that is free: for tensors in main memory, outside of tracing,
compilation and export. On an accelerator a look would make every call wait for the device.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mobilebert.backend import check_batch, check_shapes
from mobilebert.config import MobileBertConfig
from mobilebert.errors import InputError
from mobilebert.logging import get_logger
from mobilebert.torch.embeddings import table_rows
from mobilebert.weights import heads_of_layer, kept_heads

__all__ = [
    "additive_attention_mask",
    "check_inputs",
    "check_tensors",
    "flatten_choices",
    "head_mask_by_layer",
    "is_jit_traced",
    "is_readable",
    "is_traced",
    "warn_about_padding",
    "without_absorption",
]

logger = get_logger(__name__)


def is_traced() -> bool:
    """Tell whether this call is being recorded rather than run."""
    return torch.compiler.is_compiling() or is_jit_traced()


def is_jit_traced() -> bool:
    """Tell whether `torch.jit.trace` is recording this call."""
    return torch._C._get_tracing_state() is not None


def is_readable(tensor: Tensor) -> bool:
    """Tell whether looking at values is free and gives no wrong program."""
    # Tensor subclasses (fake, sharded, quantized) may have no values to look at.
    plain = type(tensor) is Tensor and tensor.device.type == "cpu" and not is_traced()
    return plain and _has_storage(tensor)


def _has_storage(tensor: Tensor) -> bool:
    """Tell whether a tensor is none of those that stand for others inside `torch.func`."""
    try:
        tensor.data_ptr()
    except RuntimeError:
        return False
    return True


def check_tensors(named: Mapping[str, object]) -> None:
    """Refuse lists and arrays.

    Args:
        named: Inputs and labels by name, None for those that are not given.

    Raises:
        InputError: One is neither a tensor nor None.
    """
    for name, given in named.items():
        if given is not None and not isinstance(given, Tensor):
            raise InputError(
                f"{name} must be a PyTorch tensor, not {type(given).__name__}; a tokenizer "
                "returns tensors with return_tensors='pt'."
            )


def check_inputs(
    config: MobileBertConfig,
    embeddings: nn.Module,
    input_ids: Tensor | None,
    inputs_embeds: Tensor | None,
    token_type_ids: Tensor | None,
    position_ids: Tensor | None,
) -> Tensor:
    """Check that the inputs describe sequences this model can read.

    Args:
        config: The model's configuration.
        embeddings: Holds the tables, which the user may have replaced.
        input_ids: Token ids, [B, S]; or `inputs_embeds`.
        inputs_embeds: Rows in place of the word table's, [B, S, E].
        token_type_ids: Segment ids, [B, S].
        position_ids: Positions, [B, S], [1, S] or [S].

    Returns:
        The one of `input_ids` and `inputs_embeds` that was given.

    Raises:
        InputError: Both or none of them, a wrong shape or type, an id outside its table, a
            sequence that is too long.
    """
    if input_ids is not None and inputs_embeds is not None:
        raise InputError("You cannot specify both input_ids and inputs_embeds at the same time.")
    given = input_ids if input_ids is not None else inputs_embeds
    if given is None:
        raise InputError("You have to specify either input_ids or inputs_embeds.")
    if is_traced():
        return given
    inputs = {
        "input_ids": input_ids,
        "inputs_embeds": inputs_embeds,
        "token_type_ids": token_type_ids,
        "position_ids": position_ids,
    }
    present = {name: tensor for name, tensor in inputs.items() if tensor is not None}
    check_shapes(config, {name: tuple(tensor.shape) for name, tensor in present.items()})
    arrays: dict[str, Any] = {}
    for name, tensor in present.items():
        if name == "inputs_embeds":
            continue
        if tensor.is_floating_point() or tensor.dtype == torch.bool:
            raise InputError(f"{name} must hold integers, not {tensor.dtype}.")
        if is_readable(tensor):
            arrays[name] = tensor.numpy()
    if position_ids is None:
        # Where there are no ids to look at, zeros stand in for their number.
        arrays.setdefault("input_ids", np.broadcast_to(np.int64(0), (1, given.shape[1])))
    check_batch(config, arrays, table_rows(embeddings))
    return given


@cache
def _warn_once(message: str) -> None:
    logger.warning(message)


def warn_about_padding(
    config: MobileBertConfig, input_ids: Tensor, attention_mask: Tensor | None
) -> None:
    """Warn once when ids seem to be padded and no attention mask is given.

    The first and the last id of each sequence are looked at.
    """
    pad = config.pad_token_id
    if attention_mask is not None or pad is None or not is_readable(input_ids):
        return
    if input_ids.numel() and bool((input_ids[:, [0, -1]] == pad).any()):
        _warn_once(
            f"input_ids start or end with the padding token (id {pad}), but there is no "
            "attention_mask: padding is read as text. Pass the tokenizer's attention_mask."
        )


def additive_attention_mask(
    attention_mask: Tensor, input_shape: tuple[int, ...], dtype: torch.dtype
) -> Tensor:
    """Turn a mask of ones and zeros into what is added to attention scores.

    Args:
        attention_mask: 1 where attention is allowed, [B, S] or [B, S, S]; values between 0 and 1
            scale linearly.
        input_shape: (B, S) of the input.
        dtype: Of the result; its lowest number stands for "not allowed". A row without a single
            1 therefore attends to all positions alike, without NaN.

    Returns:
        The addend, [B, 1, 1 or S, S].

    Raises:
        InputError: Another shape.
    """
    dimensions = attention_mask.dim()
    fits = dimensions in (2, 3)
    if fits and not is_traced():
        batch, length = input_shape
        rows, *others = attention_mask.shape
        fits = rows in (1, batch) and all(size == length for size in others)
    if not fits:
        raise InputError(
            f"Wrong shape for input_ids (shape {tuple(input_shape)}) or attention_mask "
            f"(shape {tuple(attention_mask.shape)}): the mask must be [batch, sequence] or "
            "[batch, sequence, sequence]."
        )
    wide = attention_mask[:, None, None, :] if dimensions == 2 else attention_mask[:, None]
    return (1.0 - wide.to(dtype)) * torch.finfo(dtype).min


def without_absorption(attention_mask: Tensor) -> tuple[Tensor, Tensor]:
    """Spell an additive mask so that fused attention has right gradients everywhere.

    A row that may attend to nothing holds the lowest number everywhere. Adding it absorbs the
    scores, which makes the row uniform, and absorbs the logarithm that the kernels keep for their
    backward pass, which makes its gradients wrong by a factor of S. A mask of zeros with queries
    of zero is uniform too, without that.

    Args:
        attention_mask: From `additive_attention_mask`.

    Returns:
        The mask to add, and the factor on queries, [B, 1, 1 or S, 1].
    """
    highest = attention_mask.amax(dim=-1, keepdim=True)
    return attention_mask - highest, (highest == 0).to(attention_mask.dtype)


def head_mask_by_layer(
    head_mask: Tensor | None, config: MobileBertConfig, dtype: torch.dtype
) -> list[Tensor | None]:
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
    if head_mask.shape == (heads,):
        spread = head_mask[None, None, :, None, None].expand(layers, -1, -1, -1, -1)
    elif head_mask.shape == (layers, heads):
        spread = head_mask[:, None, :, None, None]
    elif head_mask.dim() == 5 and head_mask.shape[::2][:2] == (layers, heads):
        spread = head_mask
    else:
        raise InputError(
            f"head_mask must be [heads={heads}] or [layers={layers}, heads={heads}], "
            f"not of shape {tuple(head_mask.shape)}."
        )
    return [
        factors[:, kept_heads(config, layer)] if heads_of_layer(config, layer) < heads else factors
        for layer, factors in enumerate(spread.to(dtype).unbind(0))
    ]


# How many trailing axes stay when the axis of choices joins the batch.
_KEPT_AXES = {
    "input_ids": 1,
    "token_type_ids": 1,
    "position_ids": 1,
    "inputs_embeds": 2,
}


def flatten_choices(inputs: dict[str, Tensor | None]) -> tuple[dict[str, Tensor | None], int]:
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
    if given.dim() != _KEPT_AXES[main] + 2:
        axes = "batch, choices, sequence" + (", embedding_size" if main != "input_ids" else "")
        raise InputError(f"{main} must be [{axes}], not of shape {tuple(given.shape)}.")
    flat = dict(inputs)
    for name, tensor in inputs.items():
        if tensor is not None and name in _KEPT_AXES:
            flat[name] = tensor.reshape(-1, *tensor.shape[-_KEPT_AXES[name] :])
    mask = inputs["attention_mask"]
    if mask is not None:
        flat["attention_mask"] = mask.reshape(-1, *mask.shape[-(2 if mask.dim() == 4 else 1) :])
    return flat, given.shape[1]
