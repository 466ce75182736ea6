"""The folded program in numpy: the oracle of the native kernels, in any floating-point type."""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.activations import numpy_activation
from mobilebert.engine.program import Embedding, FeedForward, Layer, Linear, Norm, Program
from mobilebert.engine.ragged import RaggedBatch
from mobilebert.reference import layer_norm
from mobilebert.weights import AttentionInput

__all__ = ["apply_heads", "interpret"]

Array = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]


def _norm(norm: Norm | None, x: Array) -> Array:
    return x if norm is None else layer_norm(x, norm.weight, norm.bias, norm.eps)


def _linear(step: Linear, x: Array, residual: Array | None = None) -> Array:
    y = step.multiply(x) + step.bias
    if step.residual_scale is not None:
        assert residual is not None
        y = y + step.residual_scale * residual
    return _norm(step.norm, y)


def _embed(embedding: Embedding, batch: RaggedBatch) -> Array:
    def words(ids: IntArray) -> Array:
        rows = embedding.words[np.maximum(ids, 0)]
        return np.where(ids[:, None] < 0, 0, rows).astype(rows.dtype)

    x = words(batch.ids)
    if embedding.trigram:
        x = np.concatenate([words(batch.following), x, words(batch.previous)], axis=1)
    placed = embedding.positions[batch.positions] + embedding.types[batch.types]
    if embedding.transformation is not None:
        return _linear(embedding.transformation, x, placed)
    return _norm(embedding.norm, x + placed)


def _softmax2(scores: Array) -> Array:
    """Softmax of scores in units of log 2."""
    powers = np.exp2(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _attend(query: Array, key: Array, value: Array, heads: int, starts: IntArray) -> Array:
    context = np.empty_like(query)
    size = query.shape[1] // heads
    for first, end in pairwise(starts):
        for head in range(heads):
            text = slice(first, end), slice(head * size, (head + 1) * size)
            context[text] = _softmax2(query[text] @ key[text].T) @ value[text]
    return context


def _run_layer(layer: Layer[Linear], h: Array, starts: IntArray, activation: Any) -> Array:
    x = h if layer.input_bottleneck is None else _linear(layer.input_bottleneck, h)
    a = x if layer.reads is AttentionInput.BOTTLENECK else h
    if layer.attention_bottleneck is not None:
        a = _linear(layer.attention_bottleneck, h)
    read_by_values = x if layer.reads is AttentionInput.BOTTLENECK else h
    query, key = _linear(layer.query, a), _linear(layer.key, a)
    value = _linear(layer.value, read_by_values)
    context = _attend(query, key, value, layer.heads, starts)
    y = _linear(layer.attention_output, context, x)
    for network in layer.feed_forward:
        y = _feed_forward(network, y, activation)
    return y if layer.output_bottleneck is None else _linear(layer.output_bottleneck, y, h)


def _feed_forward(network: FeedForward[Linear], y: Array, activation: Any) -> Array:
    return _linear(network.outer, activation(_linear(network.inner, y)), y)


def interpret(program: Program, batch: RaggedBatch) -> list[Array]:
    """Run the encoder.

    Returns:
        The stream after the embeddings and after every layer, [T, H] each.
    """
    activation = numpy_activation(program.activation)
    states = [_embed(program.embedding, batch)]
    for layer in program.layers:
        states.append(_run_layer(layer, states[-1], batch.starts, activation))
    return states


def apply_heads(
    program: Program, stream: Array, first: IntArray, wanted: IntArray
) -> dict[str, Array]:
    """Run the heads.

    Args:
        program: The model.
        stream: The encoder's last state, [T, H].
        first: Row of each text's first token, [texts].
        wanted: Rows whose vocabulary logits are asked for, [M].

    Returns:
        ``pooled`` [texts, H], ``vocabulary`` [M, V], ``projection`` [texts or T, width]; those
        that the task has.
    """
    outputs: dict[str, Array] = {}
    pooled = stream[first]
    if program.task.pooler:
        if program.pooler is not None:
            pooled = np.tanh(_linear(program.pooler, pooled))
        outputs["pooled"] = pooled
    if program.transform is not None and program.vocabulary is not None:
        inner = numpy_activation(program.activation)(
            stream[wanted] @ program.transform.weight.T + program.transform.bias
        )
        outputs["vocabulary"] = _linear(program.vocabulary, _norm(program.transform.norm, inner))
    if program.projection is not None:
        outputs["projection"] = _linear(
            program.projection, pooled if program.task.pooler else stream
        )
    return outputs
