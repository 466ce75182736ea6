"""The forward pass of training: no padding, and no work for rows nobody reads.

Equal to the model's own forward with ``pad_neighbor="zero"``, gradients included.

Dimensions: B sequences, T tokens of all sequences together, H hidden_size, E embedding_size,
M wanted rows.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilebert.errors import ArgumentError, InputError
from mobilebert.torch.embeddings import MobileBertEmbeddings
from mobilebert.torch.encoder import MobileBertModel
from mobilebert.torch.layers import MobileBertLayer
from mobilebert.torch.packed_attention import AttentionOutput
from mobilebert.torch.packed_batch import AttentionLayout, PackedBatch, pack
from mobilebert.torch.packed_layers import add_normed, run_layer
from mobilebert.torch.packed_vocabulary import SoftTargets, masked_lm_loss, masked_lm_scores
from mobilebert.torch.precision import in_float32, outside_float16_autocast, widened
from mobilebert.torch.pretrained import MobileBertPreTrainedModel

__all__ = [
    "AttentionOutput",
    "PackedBatch",
    "PackedStates",
    "SoftTargets",
    "attention_squares",
    "encode_packed",
    "masked_lm_loss",
    "masked_lm_scores",
    "pack",
    "pooled_rows",
]


@dataclass(frozen=True)
class PackedStates:
    """What the encoder makes of a packed batch.

    Attributes:
        last_hidden_state: The rows of the last layer that was run, [T, H], or the wanted ones
            alone, [M, H].
        first: The row of each sequence's first token in a full state, [B].
        hidden_states: The embeddings and every layer's rows, if asked for; with `layers`, the rows
            of those alone, in ascending order.
        attentions: For every layer, or those asked for, what `AttentionOutput` says of each group
            of sequences; `attention_squares` sorts them by sequence.
    """

    last_hidden_state: Tensor
    first: Tensor
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[tuple[Tensor, ...], ...] | None = None


def encode_packed(
    model: MobileBertPreTrainedModel,
    batch: PackedBatch,
    *,
    rows: Tensor | None = None,
    depth: int | None = None,
    layers: Collection[int] | None = None,
    output_hidden_states: bool = False,
    output_attentions: AttentionOutput | str = AttentionOutput.NONE,
) -> PackedStates:
    """Encode a packed batch.

    Dropout is as in the model's own forward. Gradient checkpointing, which is for training there,
    acts wherever gradients are wanted: students may learn without dropout. In bfloat16 autocast
    the residual stream stays in float32.

    Args:
        model: The bare model or one with a head, which is not applied.
        batch: The sequences.
        rows: The rows that are wanted of the last state, [M]; the last layer computes little
            else. All by default.
        depth: How many layers are run, the lowest ones; all by default.
        layers: The layers, counted from 0, whose states and attentions are wanted; others are not
            kept. All, and the embeddings, by default.
        output_hidden_states: Whether states are wanted; the last is as `rows` say.
        output_attentions: What is wanted of the attentions.

    Raises:
        InputError: A number in the batch is outside its table, the model has fewer layers than
            `depth` or `layers` say, or there is no such output.
    """
    base: MobileBertModel = model.base_model
    _check(base, batch)
    wanted = _Wanted.of(len(base.encoder.layer), depth, layers, output_attentions)
    chosen = cast(Sequence[MobileBertLayer], base.encoder.layer[: wanted.depth])
    again = base.encoder.gradient_checkpointing_func if torch.is_grad_enabled() else None
    states: list[Tensor] = []
    attentions = []
    with outside_float16_autocast(batch.ids.device):
        stream = _embed(base.embeddings, batch)
        if layers is None:
            states.append(stream)
        for number, layer in enumerate(chosen):
            layout = batch.layout(layer.attention.self.num_attention_heads)
            some = rows if number == wanted.depth - 1 else None
            inputs = (layer, stream, layout, some, wanted.attention(number))
            stream, *shown = run_layer(*inputs) if again is None else again(run_layer, *inputs)
            if number in wanted.layers:
                attentions.append(tuple(shown))
                if output_hidden_states:
                    states.append(stream)
    return PackedStates(
        stream,
        batch.first,
        tuple(states) if output_hidden_states else None,
        None if wanted.attentions is AttentionOutput.NONE else tuple(attentions),
    )


def attention_squares(
    shown: Sequence[Tensor], batch: PackedBatch, layout: AttentionLayout
) -> tuple[Tensor, ...]:
    """Sort a layer's attentions by sequence.

    Args:
        shown: For each group, [count, N, length, length].
        batch: The sequences.
        layout: Of the layer's heads, ``batch.layout(heads)``.

    Returns:
        For each sequence of the batch, [N, S, S].
    """
    squares = [square for group in shown for square in group.unbind(0)]
    found = dict(zip(layout.order, squares, strict=True))
    return tuple(found[number][:, :length, :length] for number, length in enumerate(batch.lengths))


@dataclass(frozen=True)
class _Wanted:
    """What is run, and kept.

    Attributes:
        depth: Layers that are run.
        layers: Those of them whose states and attentions are wanted.
        attentions: What is wanted of attentions.
    """

    depth: int
    layers: frozenset[int]
    attentions: AttentionOutput

    @classmethod
    def of(
        cls, count: int, depth: int | None, layers: Collection[int] | None, attentions: str
    ) -> Self:
        deep = count if depth is None else depth
        if not 1 <= deep <= count:
            raise InputError(f"depth is {depth}; allowed are 1 to {count}, the model's layers.")
        kept = frozenset(range(deep) if layers is None else layers)
        if not kept <= set(range(deep)):
            outside = sorted(kept - set(range(deep)))
            raise InputError(f"layers holds {outside[0]}; allowed are 0 to {deep - 1}.")
        if attentions not in set(AttentionOutput):
            allowed = ", ".join(AttentionOutput)
            raise InputError(f"output_attentions is {attentions!r}; choose one of {allowed}.")
        return cls(deep, kept, AttentionOutput(attentions))

    def attention(self, layer: int) -> AttentionOutput:
        return self.attentions if layer in self.layers else AttentionOutput.NONE


def pooled_rows(model: MobileBertPreTrainedModel, first: Tensor) -> Tensor:
    """Pool the states of first tokens, [B, H] -> [B, H].

    Raises:
        ArgumentError: The model was built without a pooler.
    """
    pooler = model.base_model.pooler
    if pooler is None:
        raise ArgumentError(f"{type(model).__name__} has no pooler.")
    pooled: Tensor = in_float32(pooler, first.unsqueeze(1))
    return pooled


def _check(model: MobileBertModel, batch: PackedBatch) -> None:
    embeddings = model.embeddings
    tables = {
        "ids": (batch.ids, embeddings.word_embeddings),
        "types": (batch.types, embeddings.token_type_embeddings),
        "positions": (batch.positions, embeddings.position_embeddings),
    }
    if batch.ids.device.type != "cpu":
        return  # looking at the numbers would wait for the device
    for name, (numbers, table) in tables.items():
        least, most = (int(x) for x in torch.aminmax(numbers))
        if least < 0 or most >= table.num_embeddings:
            raise InputError(
                f"{name} must be from 0 to {table.num_embeddings - 1}, not "
                f"{least if least < 0 else most}."
            )


def _embed(embeddings: MobileBertEmbeddings, batch: PackedBatch) -> Tensor:
    """Make the residual stream of token ids, [T] -> [T, H]."""
    words = widened(embeddings.word_embeddings(batch.ids))
    added = widened(embeddings.position_embeddings(batch.positions))
    added = added + widened(embeddings.token_type_embeddings(batch.types))
    if embeddings.trigram_input:
        following, previous = batch.neighbours
        ended = torch.cat([words, words.new_zeros(1, words.shape[1])])  # the last row: no token
        sides = ended.index_select(0, following), ended.index_select(0, previous)
        words = torch.cat([sides[0], words, sides[1]], dim=1)  # [T, 3E]
    norm: nn.Module = embeddings.LayerNorm
    if embeddings.transforms:
        stream = add_normed(words, embeddings.embedding_transformation, norm, added)
    else:
        stream = in_float32(norm, words + added)
    dropout = embeddings.dropout
    return F.dropout(stream, dropout.p) if dropout.training and dropout.p else stream
