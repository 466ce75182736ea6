"""The folded model: what the engine computes, as plain arrays without names of checkpoints.

`interpreter.py` runs it in numpy, `csrc/encoder.cc` natively; both read it step by step.

Dimensions: V vocabulary, E embedding_size, H hidden_size (the stream), K width inside a layer,
F intermediate_size, N heads, D head size.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from mobilebert.activations import NATIVE_ACTIVATIONS, canonical_activation, is_native
from mobilebert.config import MobileBertConfig
from mobilebert.engine.fold import REWRITES
from mobilebert.errors import InputError
from mobilebert.reference import TORCH_DEFAULT_EPS
from mobilebert.tasks import Reads, TaskSpec
from mobilebert.weights import AttentionInput, heads_of_layer

__all__ = [
    "Embedding",
    "ExtendedLinear",
    "FeedForward",
    "Layer",
    "Linear",
    "Norm",
    "Program",
    "build_program",
    "reads_first_only",
    "unfolded_tables",
]

Array = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Norm:
    """A layer normalisation over the last axis.

    Attributes:
        weight: Factor behind it, [width].
        bias: Shift behind it, [width].
        eps: Added to the variance.
    """

    weight: Array
    bias: Array
    eps: float


@dataclass(frozen=True)
class Linear:
    """`norm(weight @ x + bias + residual_scale * residual)`.

    Attributes:
        weight: [out, in].
        bias: [out].
        residual_scale: Factor on the residual, [out]; None where nothing is added.
        norm: A layer normalisation behind it, or None.
    """

    weight: Array
    bias: Array
    residual_scale: Array | None = None
    norm: Norm | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """How many outputs and inputs there are."""
        out, depth = self.weight.shape
        return out, depth

    def rows(self, start: int, end: int) -> Array:
        """Return what the outputs from `start` to before `end` are multiplied with."""
        return self.weight[start:end]

    def multiply(self, x: Array) -> Array:
        """Return `weight @ x` for rows, [rows, in] -> [rows, out]."""
        return x @ self.weight.T


@dataclass(frozen=True, kw_only=True)
class ExtendedLinear(Linear):
    """A `Linear` with more inputs: two matrices beside each other, which are never one in memory.

    Attributes:
        extension: [out, more].
    """

    extension: Array

    @property
    def shape(self) -> tuple[int, int]:
        """How many outputs and inputs there are."""
        return len(self.weight), self.weight.shape[1] + self.extension.shape[1]

    def rows(self, start: int, end: int) -> Array:
        """Return what the outputs from `start` to before `end` are multiplied with."""
        return np.concatenate([self.weight[start:end], self.extension[start:end]], axis=1)

    def multiply(self, x: Array) -> Array:
        """Return `[weight, extension] @ x` for rows, [rows, in] -> [rows, out]."""
        width = self.weight.shape[1]
        return x[:, :width] @ self.weight.T + x[:, width:] @ self.extension.T


# A dense layer, here and as `packing.py` lays it out.
LinearT = TypeVar("LinearT")


@dataclass(frozen=True)
class FeedForward(Generic[LinearT]):
    """`outer(activation(inner(x)))` with residual x; K -> F -> K."""

    inner: LinearT
    outer: LinearT


@dataclass(frozen=True)
class Layer(Generic[LinearT]):
    """One layer of the encoder.

    Attributes:
        heads: N, after pruning.
        reads: What attention reads; HIDDEN where there is no bottleneck.
        input_bottleneck: H -> K; None in models without bottleneck.
        attention_bottleneck: H -> K, what queries and keys read; None where they read another.
        query: -> N * D; its products with keys are scores in units of log 2.
        key: -> N * D.
        value: -> N * D.
        attention_output: N * D -> K, with the bottleneck's output (or the stream) as residual.
        feed_forward: The stacked networks.
        output_bottleneck: K -> H, with the stream as residual; None without bottleneck.
    """

    heads: int
    reads: AttentionInput
    input_bottleneck: LinearT | None
    attention_bottleneck: LinearT | None
    query: LinearT
    key: LinearT
    value: LinearT
    attention_output: LinearT
    feed_forward: tuple[FeedForward[LinearT], ...]
    output_bottleneck: LinearT | None


@dataclass(frozen=True)
class Embedding:
    """Words, positions and segments to the stream.

    Attributes:
        words: [V, E].
        positions: [P, H].
        types: [T, H].
        trigram: Whether next, current and previous word stand side by side.
        transformation: 3E (or E) -> H, with positions + types as residual; None where E is H.
        norm: Of a model without transformation, or None.
    """

    words: Array
    positions: Array
    types: Array
    trigram: bool
    transformation: Linear | None
    norm: Norm | None


@dataclass(frozen=True)
class Program:
    """A model.

    Attributes:
        task: The row of the task table.
        activation: Name of the activation of the feed-forward networks.
        head_size: D.
        embedding: From ids to the stream.
        layers: The encoder.
        pooler: Dense layer before tanh; None where the pooler is the raw first position.
        transform: Dense layer, activation and norm before the vocabulary, or None.
        vocabulary: H -> V, or None.
        projection: The head's dense layer, or None.
    """

    task: TaskSpec
    activation: str
    head_size: int
    embedding: Embedding
    layers: tuple[Layer[Linear], ...]
    pooler: Linear | None
    transform: Linear | None
    vocabulary: Linear | None
    projection: Linear | None


class _Folded:
    """The folded tensors under a prefix."""

    def __init__(
        self, tensors: Mapping[str, Array], config: MobileBertConfig, prefix: str = ""
    ) -> None:
        self.tensors, self.config, self.prefix = tensors, config, prefix

    def under(self, name: str) -> "_Folded":
        return _Folded(self.tensors, self.config, f"{self.prefix}{name}.")

    def __getitem__(self, name: str) -> Array:
        return self.tensors[self.prefix + name]

    def linear(self, name: str) -> Linear:
        return Linear(self[f"{name}.weight"], self[f"{name}.bias"])

    def layer_norm(self, name: str, eps: float) -> Norm | None:
        """The norm where it is one; a folded NoNorm is gone."""
        if self.config.normalization_type == "no_norm":
            return None
        return Norm(self[f"{name}.weight"], self[f"{name}.bias"], eps)

    def entry(self, name: str) -> Linear:
        dense = self.linear(f"{name}.dense")
        norm = self.layer_norm(f"{name}.LayerNorm", self.config.layer_norm_eps)
        return Linear(dense.weight, dense.bias, norm=norm)

    def residual(self, name: str, eps: float) -> Linear:
        dense = self.linear(f"{name}.dense")
        norm = self.layer_norm(f"{name}.LayerNorm", eps)
        scale = self[f"{name}.LayerNorm.weight"]
        return Linear(
            dense.weight, dense.bias, scale if norm is None else np.ones_like(scale), norm
        )


def _embedding(weights: _Folded, tables: _Folded) -> Embedding:
    config = weights.config
    transforms = _transforms(config)
    norm = weights.layer_norm("LayerNorm", TORCH_DEFAULT_EPS)
    transformation = None
    if transforms:
        dense = weights.linear("embedding_transformation")
        transformation = Linear(dense.weight, dense.bias, np.ones_like(dense.bias), norm)
    return Embedding(
        words=(tables if transforms else weights)["word_embeddings.weight"],
        positions=weights["position_embeddings.weight"],
        types=weights["token_type_embeddings.weight"],
        trigram=config.trigram_input,
        transformation=transformation,
        norm=None if transforms else norm,
    )


def _layer(weights: _Folded, number: int) -> Layer[Linear]:
    config, eps = weights.config, weights.config.layer_norm_eps
    bottleneck = config.use_bottleneck
    reads = AttentionInput.of(config) if bottleneck else AttentionInput.HIDDEN
    stacked = [weights.under(f"ffn.{j}") for j in range(config.num_feedforward_networks - 1)]
    feed_forward = [
        FeedForward(network.linear("intermediate.dense"), network.residual("output", eps))
        for network in stacked
    ]
    last = weights.residual("output", TORCH_DEFAULT_EPS)
    feed_forward.append(FeedForward(weights.linear("intermediate.dense"), last))
    shared = reads is AttentionInput.SHARED_BOTTLENECK
    attention = weights.under("attention")
    return Layer(
        heads=heads_of_layer(config, number),
        reads=reads,
        input_bottleneck=weights.entry("bottleneck.input") if bottleneck else None,
        attention_bottleneck=weights.entry("bottleneck.attention") if shared else None,
        query=attention.linear("self.query"),
        key=attention.linear("self.key"),
        value=attention.linear("self.value"),
        attention_output=attention.residual("output", eps),
        feed_forward=tuple(feed_forward),
        output_bottleneck=weights.residual("output.bottleneck", eps) if bottleneck else None,
    )


def _vocabulary(weights: _Folded, words: Array) -> tuple[Linear, Linear]:
    """The head's two dense layers; the second multiplies with the word table and its extension."""
    dense, norm = weights.linear("transform.dense"), weights.under("transform.LayerNorm")
    transform = Linear(
        dense.weight,
        dense.bias,
        norm=Norm(norm["weight"], norm["bias"], weights.config.layer_norm_eps),
    )
    extension = weights["dense.weight"].T
    return transform, ExtendedLinear(words, weights["bias"], extension=extension)


def unfolded_tables(config: MobileBertConfig, task: TaskSpec) -> tuple[str, ...]:
    """Return the names of large tensors that a program has as they are given.

    They may be in any floating-point type, whatever the others are in.
    """
    head = ("cls.predictions.dense.weight", "cls.predictions.decoder.weight")
    if not _transforms(config):  # words are scaled, where norms are folded
        return head
    return (f"{task.prefix}embeddings.word_embeddings.weight", *head)


def _transforms(config: MobileBertConfig) -> bool:
    """Tell whether words go through a dense layer into the stream."""
    return bool(config.trigram_input) or config.embedding_size != config.hidden_size


def build_program(
    tensors: Mapping[str, Array], config: MobileBertConfig, task: TaskSpec
) -> Program:
    """Fold a model.

    Args:
        tensors: Its weights by canonical name, in one floating-point type.
        config: The configuration.
        task: The row of the task table.

    Raises:
        InputError: The activation has no native counterpart, such as a function of the user's.
    """
    if not is_native(config.hidden_act):
        found = "a function" if callable(config.hidden_act) else repr(config.hidden_act)
        raise InputError(
            f"The engine knows the activations {', '.join(NATIVE_ACTIVATIONS)}; this model has "
            f"{found} as hidden_act. Run it with backend='torch' or 'numpy'."
        )
    folded: Mapping[str, Array] = tensors
    for rewrite in REWRITES:
        folded = rewrite(folded, config, task)
    given, weights = _Folded(tensors, config), _Folded(folded, config)
    encoder = weights.under(task.prefix.rstrip(".")) if task.prefix else weights
    tables = given.under(f"{task.prefix}embeddings")
    transform = vocabulary = None
    if task.vocabulary:
        head = given.under("cls.predictions")
        tied = config.tie_word_embeddings
        words = tables["word_embeddings.weight"] if tied else head["decoder.weight"]
        transform, vocabulary = _vocabulary(head, words)
    pooled = task.pooler and config.classifier_activation
    return Program(
        task=task,
        activation=canonical_activation(config.hidden_act),
        head_size=config.true_hidden_size // config.num_attention_heads,
        embedding=_embedding(encoder.under("embeddings"), tables),
        layers=tuple(
            _layer(encoder.under(f"encoder.layer.{number}"), number)
            for number in range(config.num_hidden_layers)
        ),
        pooler=encoder.under("pooler").linear("dense") if pooled else None,
        transform=transform,
        vocabulary=vocabulary,
        projection=None if task.projection is None else given.linear(task.projection.name),
    )


def reads_first_only(task: TaskSpec) -> bool:
    """Tell whether a task reads nothing of the last layer but each text's first position."""
    projection = task.projection
    return not task.vocabulary and projection is not None and projection.reads is Reads.POOLED
