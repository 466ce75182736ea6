"""The weight specification: for a configuration, every tensor that must exist.

One list serves the loaders, the savers, initialisation, the random models of the tests and the
documentation. Canonical names are the state-dict names of transformers' MobileBERT.

Dimensions: V vocabulary, E embedding_size, H hidden_size, K true_hidden_size (width inside a
layer), F intermediate_size, D width of one attention head.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mobilebert.config import MobileBertConfig
from mobilebert.config_rules import pruned_heads
from mobilebert.errors import ConfigError
from mobilebert.tasks import Projection, TaskSpec, resolve_task

__all__ = [
    "AttentionInput",
    "Differences",
    "WeightInit",
    "WeightKind",
    "WeightSpec",
    "attention_input_widths",
    "differences",
    "heads_of_layer",
    "kept_heads",
    "parameter_count",
    "pruned_heads_of_layer",
    "weight_specs",
]


class WeightKind(StrEnum):
    """How a tensor is laid out and used."""

    EMBEDDING = "embedding"  # (rows, width)
    LINEAR_WEIGHT = "linear_weight"  # (out, in)
    LINEAR_BIAS = "linear_bias"  # (out,)
    NORM_WEIGHT = "norm_weight"  # (width,)
    NORM_BIAS = "norm_bias"  # (width,)
    VOCABULARY_EXTENSION = "vocabulary_extension"  # (H - E, V): already transposed, no bias
    VOCABULARY_BIAS = "vocabulary_bias"  # (V,)


class WeightInit(StrEnum):
    """What a tensor holds before training."""

    TRUNCATED_NORMAL = "truncated_normal"  # within 2 standard deviations of initializer_range
    ZEROS = "zeros"
    ONES = "ones"


_INITS = {
    WeightKind.EMBEDDING: WeightInit.TRUNCATED_NORMAL,
    WeightKind.LINEAR_WEIGHT: WeightInit.TRUNCATED_NORMAL,
    WeightKind.LINEAR_BIAS: WeightInit.ZEROS,
    WeightKind.NORM_WEIGHT: WeightInit.ONES,
    WeightKind.NORM_BIAS: WeightInit.ZEROS,
    WeightKind.VOCABULARY_EXTENSION: WeightInit.TRUNCATED_NORMAL,
    WeightKind.VOCABULARY_BIAS: WeightInit.ZEROS,
}


@dataclass(frozen=True)
class WeightSpec:
    """One tensor of a model.

    Attributes:
        name: Canonical name.
        kind: Layout and use.
        shape: Sizes of the axes.
        tied_to: Canonical name of the tensor it shares its memory with, or None. Tied tensors are
            not written to disk.
        zero_row: Row that starts as zeros (the padding token's embedding), or None.
    """

    name: str
    kind: WeightKind
    shape: tuple[int, ...]
    tied_to: str | None = None
    zero_row: int | None = None

    @property
    def init(self) -> WeightInit:
        """What the tensor holds before training."""
        return _INITS[self.kind]

    @property
    def size(self) -> int:
        """Number of elements."""
        size = 1
        for axis in self.shape:
            size *= axis
        return size


def heads_of_layer(config: MobileBertConfig, layer: int) -> int:
    """Return how many attention heads a layer has after pruning."""
    return int(config.num_attention_heads) - len(pruned_heads_of_layer(config, layer))


def pruned_heads_of_layer(config: MobileBertConfig, layer: int) -> set[int]:
    """Return the numbers of the heads a layer has lost, counted as in the unpruned layer."""
    return pruned_heads(config).get(layer, set())


def kept_heads(config: MobileBertConfig, layer: int) -> list[int]:
    """Return the heads a pruned layer still has, by their number in the unpruned model."""
    gone = pruned_heads_of_layer(config, layer)
    return [head for head in range(config.num_attention_heads) if head not in gone]


def _linear(name: str, width_in: int, width_out: int) -> Iterator[WeightSpec]:
    yield WeightSpec(f"{name}.weight", WeightKind.LINEAR_WEIGHT, (width_out, width_in))
    yield WeightSpec(f"{name}.bias", WeightKind.LINEAR_BIAS, (width_out,))


def _norm(name: str, width: int) -> Iterator[WeightSpec]:
    # The bias goes first, as transformers' NoNorm registers it.
    yield WeightSpec(f"{name}.bias", WeightKind.NORM_BIAS, (width,))
    yield WeightSpec(f"{name}.weight", WeightKind.NORM_WEIGHT, (width,))


def _linear_norm(name: str, width_in: int, width_out: int) -> Iterator[WeightSpec]:
    yield from _linear(f"{name}.dense", width_in, width_out)
    yield from _norm(f"{name}.LayerNorm", width_out)


def _embeddings(config: MobileBertConfig) -> Iterator[WeightSpec]:
    h, e = config.hidden_size, config.embedding_size
    tables = (
        ("word", config.vocab_size, e, config.pad_token_id),
        ("position", config.max_position_embeddings, h, None),
        ("token_type", config.type_vocab_size, h, None),
    )
    for name, rows, width, zero_row in tables:
        full = f"embeddings.{name}_embeddings.weight"
        yield WeightSpec(full, WeightKind.EMBEDDING, (rows, width), zero_row=zero_row)
    neighbours = 3 if config.trigram_input else 1
    yield from _linear("embeddings.embedding_transformation", neighbours * e, h)
    yield from _norm("embeddings.LayerNorm", h)


class AttentionInput(StrEnum):
    """What attention reads in a layer with bottleneck."""

    SHARED_BOTTLENECK = "shared_bottleneck"  # queries and keys a bottleneck, values the stream
    BOTTLENECK = "bottleneck"  # all three the input bottleneck
    HIDDEN = "hidden"  # all three the stream; the teacher

    @classmethod
    def of(cls, config: MobileBertConfig) -> "AttentionInput":
        """Return the choice that a configuration's two flags spell."""
        if config.use_bottleneck_attention:
            return cls.BOTTLENECK
        return cls.SHARED_BOTTLENECK if config.key_query_shared_bottleneck else cls.HIDDEN


def attention_input_widths(config: MobileBertConfig) -> tuple[int, int]:
    """Return the widths that queries/keys and values read.

    Paper section 3.1 and Google's ``transformer_model``: with the shared bottleneck, queries and
    keys read K and values read H; with bottleneck attention all read K; with neither all read H.
    """
    h, k = config.hidden_size, config.true_hidden_size
    if config.use_bottleneck and config.use_bottleneck_attention:
        return k, k
    if config.use_bottleneck and config.key_query_shared_bottleneck:
        return k, h
    return h, h


def _layer(config: MobileBertConfig, number: int) -> Iterator[WeightSpec]:
    h, k, f = config.hidden_size, config.true_hidden_size, config.intermediate_size
    layer = f"encoder.layer.{number}"
    query_key, value = attention_input_widths(config)
    heads = heads_of_layer(config, number) * (k // config.num_attention_heads)
    for name, width in (("query", query_key), ("key", query_key), ("value", value)):
        yield from _linear(f"{layer}.attention.self.{name}", width, heads)
    yield from _linear(f"{layer}.attention.output.dense", heads, k)
    yield from _norm(f"{layer}.attention.output.LayerNorm", k)
    yield from _linear(f"{layer}.intermediate.dense", k, f)
    yield from _linear_norm(f"{layer}.output", f, k)
    if config.use_bottleneck:
        yield from _linear_norm(f"{layer}.output.bottleneck", k, h)
        yield from _linear_norm(f"{layer}.bottleneck.input", h, k)
        # Also built, but not used, with bottleneck attention: checkpoints of transformers have it.
        if config.key_query_shared_bottleneck:
            yield from _linear_norm(f"{layer}.bottleneck.attention", h, k)
    for j in range(config.num_feedforward_networks - 1):
        yield from _linear(f"{layer}.ffn.{j}.intermediate.dense", k, f)
        yield from _linear_norm(f"{layer}.ffn.{j}.output", f, k)


def _encoder(config: MobileBertConfig, pooler: bool) -> Iterator[WeightSpec]:
    yield from _embeddings(config)
    for number in range(config.num_hidden_layers):
        yield from _layer(config, number)
    if pooler and config.classifier_activation:
        yield from _linear("pooler.dense", config.hidden_size, config.hidden_size)


def _vocabulary_head(config: MobileBertConfig, prefix: str) -> Iterator[WeightSpec]:
    v, h, e = config.vocab_size, config.hidden_size, config.embedding_size
    if e > h:
        raise ConfigError(
            f"The masked-language-model head needs embedding_size <= hidden_size, not {e} > {h}."
        )
    head = "cls.predictions"
    words = f"{prefix}embeddings.word_embeddings.weight" if config.tie_word_embeddings else None
    yield WeightSpec(f"{head}.bias", WeightKind.VOCABULARY_BIAS, (v,))
    yield from _linear(f"{head}.transform.dense", h, h)
    yield WeightSpec(f"{head}.transform.LayerNorm.weight", WeightKind.NORM_WEIGHT, (h,))
    yield WeightSpec(f"{head}.transform.LayerNorm.bias", WeightKind.NORM_BIAS, (h,))
    yield WeightSpec(f"{head}.dense.weight", WeightKind.VOCABULARY_EXTENSION, (h - e, v))
    yield WeightSpec(f"{head}.decoder.weight", WeightKind.EMBEDDING, (v, e), tied_to=words)
    bias = WeightKind.VOCABULARY_BIAS
    yield WeightSpec(f"{head}.decoder.bias", bias, (v,), tied_to=f"{head}.bias")


def _projection(config: MobileBertConfig, projection: Projection) -> Iterator[WeightSpec]:
    width = config.num_labels if projection.width == "num_labels" else projection.width
    yield from _linear(projection.name, config.hidden_size, width)


def weight_specs(
    config: MobileBertConfig,
    task: str | TaskSpec = "feature_extraction",
    *,
    add_pooling_layer: bool | None = None,
) -> tuple[WeightSpec, ...]:
    """List every tensor of a model, in the order of its state dict.

    Args:
        config: The configuration.
        task: A row or name of the task table; the bare encoder by default.
        add_pooling_layer: Whether the pooler is there; by default as the task says.

    Returns:
        The tensors. Names of the encoder have the task's prefix (``mobilebert.`` under a head).

    Raises:
        ConfigError: The configuration has no such model.
    """
    spec = resolve_task(task)
    pooler = spec.pooler if add_pooling_layer is None else add_pooling_layer
    rows = [
        WeightSpec(spec.prefix + row.name, row.kind, row.shape, zero_row=row.zero_row)
        for row in _encoder(config, pooler)
    ]
    if spec.vocabulary:
        rows.extend(_vocabulary_head(config, spec.prefix))
    if spec.projection is not None:
        rows.extend(_projection(config, spec.projection))
    return tuple(rows)


def parameter_count(config: MobileBertConfig, task: str | TaskSpec = "feature_extraction") -> int:
    """Count the trainable numbers of a model; tied tensors count once."""
    return sum(row.size for row in weight_specs(config, task) if row.tied_to is None)


@dataclass(frozen=True)
class Differences:
    """What a set of tensors lacks or has too much, against a specification.

    Attributes:
        missing: Names that should be there (tied ones are not asked for).
        unexpected: Names that should not.
        mismatched: (name, shape found, shape wanted).
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]


def differences(
    specs: tuple[WeightSpec, ...], shapes: Mapping[str, tuple[int, ...]]
) -> Differences:
    """Compare the tensors that are there with those that must be.

    Args:
        specs: What must exist.
        shapes: Canonical name -> shape of what exists.
    """
    wanted = {row.name: row for row in specs}
    return Differences(
        missing=tuple(row.name for row in specs if row.tied_to is None and row.name not in shapes),
        unexpected=tuple(name for name in shapes if name not in wanted),
        mismatched=tuple(
            (name, tuple(shape), wanted[name].shape)
            for name, shape in shapes.items()
            if name in wanted and tuple(shape) != wanted[name].shape
        ),
    )
