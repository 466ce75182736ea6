"""MobileBERT in plain numpy: the oracle of every backend, and the backend without PyTorch.

Reads like the paper (Sun et al. 2020, section 3) and computes in the dtype of the weights.

Dimensions: B batch, S sequence, E embedding_size, H hidden_size, K width inside a layer,
F intermediate_size, N heads, D head size, V vocabulary, M requested positions.
Weights are named as `mobilebert.weights` lists them.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.activations import numpy_activation
from mobilebert.config import MobileBertConfig
from mobilebert.errors import InputError
from mobilebert.tasks import Reads, TaskSpec, resolve_task

__all__ = ["PadNeighbor", "encode", "forward"]

Array = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

# What torch.nn.LayerNorm takes when no epsilon is given. transformers gives none to the norms of
# the embeddings and of `layer.output`, and published layer_norm models were made that way.
TORCH_DEFAULT_EPS = 1e-5


class PadNeighbor(StrEnum):
    """What a padding neighbour contributes to the trigram."""

    ZERO = "zero"  # nothing, as if the text stood alone
    PAD_EMBEDDING = "pad_embedding"  # the padding token's embedding, as in transformers

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise InputError(f"pad_neighbor must be {' or '.join(cls)}, not {value!r}.")


class _Weights:
    """The tensors under a name prefix, with the two layers everything is made of."""

    def __init__(
        self, tensors: Mapping[str, Array], config: MobileBertConfig, prefix: str = ""
    ) -> None:
        self.tensors, self.config, self.prefix = tensors, config, prefix

    def under(self, name: str) -> "_Weights":
        return _Weights(self.tensors, self.config, f"{self.prefix}{name}.")

    def __getitem__(self, name: str) -> Array:
        return self.tensors[self.prefix + name]

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self.tensors

    def linear(self, name: str, x: Array) -> Array:
        weight, bias = self[f"{name}.weight"], self[f"{name}.bias"]
        rows = x.reshape(-1, x.shape[-1])  # one large product instead of B small ones
        product: Array = (rows @ weight.T + bias).reshape(*x.shape[:-1], weight.shape[0])
        return product

    def norm(self, name: str, x: Array, eps: float) -> Array:
        weight, bias = self[f"{name}.weight"], self[f"{name}.bias"]
        if self.config.normalization_type == "no_norm":
            return np.asarray(x * weight + bias)
        return layer_norm(x, weight, bias, eps)


def layer_norm(x: Array, weight: Array, bias: Array, eps: float) -> Array:
    """Normalise the last axis to mean 0 and variance 1, then scale and shift."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + x.dtype.type(eps)) * weight + bias)


def softmax(x: Array) -> Array:
    """Softmax over the last axis, stable for huge values."""
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def trigram(words: Array, mask: IntArray | None) -> Array:
    """Put next, current and previous word side by side, [B, S, E] -> [B, S, 3E].

    The order is that of Google's code. Beyond the ends stand zeros; with `mask` a neighbour that
    is padding counts as zeros too.
    """
    neighbours = words if mask is None else words * mask[:, :, None].astype(words.dtype)
    following, previous = np.zeros_like(words), np.zeros_like(words)
    following[:, :-1] = neighbours[:, 1:]
    previous[:, 1:] = neighbours[:, :-1]
    return np.concatenate([following, words, previous], axis=-1)


def _embed(
    weights: _Weights, words: Array, types: IntArray, positions: IntArray, mask: IntArray | None
) -> Array:
    config = weights.config
    if config.trigram_input:
        words = trigram(words, mask)  # [B, S, 3E]
    if config.trigram_input or config.embedding_size != config.hidden_size:
        words = weights.linear("embedding_transformation", words)  # [B, S, H]
    summed = words + weights["position_embeddings.weight"][positions]
    summed = summed + weights["token_type_embeddings.weight"][types]
    return weights.norm("LayerNorm", summed, TORCH_DEFAULT_EPS)


def _attention(
    weights: _Weights, inputs: tuple[Array, Array], mask: Array, head_mask: Array | None
) -> tuple[Array, Array]:
    query_key, value_input = inputs
    head_size = weights.config.true_hidden_size // weights.config.num_attention_heads

    def heads(name: str, x: Array) -> Array:
        projected = weights.linear(f"self.{name}", x)  # [B, S, N*D]
        return projected.reshape(*projected.shape[:2], -1, head_size).transpose(0, 2, 1, 3)

    query, key = heads("query", query_key), heads("key", query_key)  # [B, N, S, D]
    scale = query.dtype.type(head_size**-0.5)
    attention_scores = (query * scale) @ key.transpose(0, 1, 3, 2) + mask  # [B, N, S, S]
    probabilities = softmax(attention_scores)
    if head_mask is not None:
        probabilities = probabilities * head_mask[:, None, None]
    context = probabilities @ heads("value", value_input)  # [B, N, S, D]
    merged = context.transpose(0, 2, 1, 3).reshape(*query_key.shape[:2], -1)  # [B, S, N*D]
    return weights.linear("output.dense", merged), probabilities


def _feed_forward(weights: _Weights, x: Array, eps: float) -> Array:
    activation = numpy_activation(weights.config.hidden_act)
    inner = activation(weights.linear("intermediate.dense", x))  # [B, S, F]
    return weights.norm("output.LayerNorm", weights.linear("output.dense", inner) + x, eps)


def _layer(
    weights: _Weights, hidden: Array, mask: Array, head_mask: Array | None
) -> tuple[Array, Array]:
    config, eps = weights.config, weights.config.layer_norm_eps

    def bottleneck(name: str, x: Array) -> Array:
        narrow = weights.linear(f"{name}.dense", x)
        return weights.norm(f"{name}.LayerNorm", narrow, eps)

    narrow = bottleneck("bottleneck.input", hidden) if config.use_bottleneck else hidden
    if config.use_bottleneck and config.use_bottleneck_attention:
        inputs = (narrow, narrow)
    elif config.use_bottleneck and config.key_query_shared_bottleneck:
        inputs = (bottleneck("bottleneck.attention", hidden), hidden)
    else:
        inputs = (hidden, hidden)
    attended, probabilities = _attention(weights.under("attention"), inputs, mask, head_mask)
    narrow = weights.norm("attention.output.LayerNorm", attended + narrow, eps)  # [B, S, K]
    for number in range(config.num_feedforward_networks - 1):
        narrow = _feed_forward(weights.under(f"ffn.{number}"), narrow, eps)
    narrow = _feed_forward(weights, narrow, TORCH_DEFAULT_EPS)
    if not config.use_bottleneck:
        return narrow, probabilities
    wide = weights.linear("output.bottleneck.dense", narrow) + hidden  # [B, S, H]
    return weights.norm("output.bottleneck.LayerNorm", wide, eps), probabilities


def _additive_mask(mask: IntArray, dtype: np.dtype[Any]) -> Array:
    """0 where attention is allowed, the lowest number elsewhere, [B, 1, S or 1, S]."""
    wide = mask[:, None, None, :] if mask.ndim == 2 else mask[:, None, :, :]
    blocked = (1 - wide.astype(dtype)) * np.finfo(dtype).min
    return np.asarray(blocked, dtype=dtype)


def encode(
    tensors: Mapping[str, Array],
    config: MobileBertConfig,
    input_ids: IntArray,
    attention_mask: IntArray | None = None,
    token_type_ids: IntArray | None = None,
    position_ids: IntArray | None = None,
    head_mask: Array | None = None,
    *,
    prefix: str = "",
    pad_neighbor: PadNeighbor | str = PadNeighbor.ZERO,
) -> tuple[list[Array], list[Array]]:
    """Run the encoder.

    Args:
        tensors: Weights by canonical name.
        config: The configuration.
        input_ids: Token ids, [B, S].
        attention_mask: 1 for tokens and 0 for padding, [B, S] or [B, S, S].
        token_type_ids: Segment ids, [B, S].
        position_ids: Positions, [B, S] or [1, S].
        head_mask: Factor on each head's attention probabilities, [layers, N].
        prefix: What the weight names start with.
        pad_neighbor: What a padding neighbour contributes to the trigram; needs a 2-D mask.

    Returns:
        The hidden states (embeddings and every layer, [B, S, H]) and the attention probabilities
        of every layer ([B, N, S, S]).
    """
    weights = _Weights(tensors, config, prefix)
    mask = np.ones_like(input_ids) if attention_mask is None else attention_mask
    types = np.zeros_like(input_ids) if token_type_ids is None else token_type_ids
    positions = np.arange(input_ids.shape[1])[None] if position_ids is None else position_ids
    embeddings = weights.under("embeddings")
    words = embeddings["word_embeddings.weight"][input_ids]  # [B, S, E]
    zeroed = mask if PadNeighbor(pad_neighbor) is PadNeighbor.ZERO and mask.ndim == 2 else None
    hidden_states = [_embed(embeddings, words, types, positions, zeroed)]
    additive = _additive_mask(mask, words.dtype)
    attentions = []
    for number in range(config.num_hidden_layers):
        layer = weights.under(f"encoder.layer.{number}")
        factors = None if head_mask is None else head_mask[number]
        hidden, probabilities = _layer(layer, hidden_states[-1], additive, factors)
        hidden_states.append(hidden)
        attentions.append(probabilities)
    return hidden_states, attentions


def _pool(weights: _Weights, hidden: Array) -> Array:
    first = hidden[:, 0]
    return np.tanh(weights.linear("dense", first)) if "dense.weight" in weights else first


def _vocabulary_logits(weights: _Weights, words: Array, x: Array) -> Array:
    """The masked-language-model head on [..., H]; weight is (word table | extension) by width."""
    config = weights.config
    x = numpy_activation(config.hidden_act)(weights.linear("transform.dense", x))
    norm = weights.under("transform.LayerNorm")
    x = layer_norm(x, norm["weight"], norm["bias"], config.layer_norm_eps)
    split = config.embedding_size
    return x[..., :split] @ words.T + x[..., split:] @ weights["dense.weight"] + weights["bias"]


def forward(
    tensors: Mapping[str, Array],
    config: MobileBertConfig,
    task: str | TaskSpec,
    input_ids: IntArray,
    attention_mask: IntArray | None = None,
    token_type_ids: IntArray | None = None,
    *,
    positions: IntArray | None = None,
    **options: Any,
) -> dict[str, Array]:
    """Run a model for a task.

    Args:
        tensors: Weights by canonical name.
        config: The configuration.
        task: A row or name of the task table.
        input_ids: Token ids, [B, S]; for multiple choice [B, C, S], as all inputs.
        attention_mask: 1 for tokens and 0 for padding, [B, S].
        token_type_ids: Segment ids, [B, S].
        positions: (sequence, position) pairs whose vocabulary logits are wanted, [M, 2].
        **options: As for `encode`.

    Returns:
        One array for each name the task emits.
    """
    spec = resolve_task(task)
    choices = input_ids.shape[1] if spec.choices else 1
    flat = [
        None if x is None else x.reshape(-1, x.shape[-1]) if spec.choices else x
        for x in (input_ids, attention_mask, token_type_ids)
    ]
    assert flat[0] is not None
    hidden_states, _ = encode(
        tensors, config, flat[0], flat[1], flat[2], prefix=spec.prefix, **options
    )
    hidden = hidden_states[-1]
    weights = _Weights(tensors, config)
    outputs: list[Array] = []
    if spec.name == "feature_extraction":
        outputs.append(hidden)
    pooled = _pool(weights.under(f"{spec.prefix}pooler"), hidden) if spec.pooler else hidden
    if spec.name == "feature_extraction":
        outputs.append(pooled)
    if spec.vocabulary:
        wanted = hidden if positions is None else hidden[positions[:, 0], positions[:, 1]]
        head = weights.under("cls.predictions")
        tied = f"{spec.prefix}embeddings.word_embeddings.weight"
        words = tensors[tied] if config.tie_word_embeddings else head["decoder.weight"]
        outputs.append(_vocabulary_logits(head, words, wanted))
    if spec.projection is not None:
        reads = pooled if spec.projection.reads is Reads.POOLED else hidden
        logits = weights.linear(spec.projection.name, reads)
        if spec.choices:
            logits = logits.reshape(-1, choices)
        split = spec.projection.split
        outputs.extend(np.moveaxis(logits, -1, 0) if split else [logits])
    return dict(zip(spec.emits, outputs, strict=True))
