"""A published encoder of BERT's family, such as a sentence encoder: it teaches with its states.

Devlin et al. 2019 (arXiv:1810.04805): each part's output is added to what it read, and normalised.
Modules are named as in checkpoints of ``BertModel``.

Dimensions: B sequences, S tokens of the longest, T tokens of all, W width, N heads.
"""

import os
from collections.abc import Iterable
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilebert.checkpoint.names import modern_name
from mobilebert.checkpoint.reading import read_weights
from mobilebert.checkpoint.torch_file import torch_from_stored
from mobilebert.errors import CheckpointError, InputError
from mobilebert.files import read_json
from mobilebert.hub import resolve_file
from mobilebert.pretraining.encoder_facts import EncoderFacts
from mobilebert.torch.activations import torch_activation
from mobilebert.torch.packed import PackedBatch

__all__ = ["PublishedEncoder"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class PublishedEncoder(nn.Module):
    """An encoder whose weights rest.

    Args:
        config: Its config.json.
        depth: How many layers are run, the lowest ones.

    Attributes:
        facts: What it is.

    Raises:
        InputError: It is no BERT, or has fewer layers.
        ConfigError: Its activation is unknown.
    """

    def __init__(self, config: dict[str, Any], depth: int | None = None) -> None:
        super().__init__()
        facts = EncoderFacts.read(config)
        layers = facts.num_hidden_layers
        depth = layers if depth is None else depth
        if not 1 <= depth <= layers:
            raise InputError(f"The encoder has {layers} layers; layer {depth} is none of them.")
        self.facts = facts
        self.embeddings = _Embeddings(facts)
        chosen = (_Layer(facts) for _ in range(depth))
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(chosen)})
        self.requires_grad_(False).eval()

    @classmethod
    def load(cls, name: str | os.PathLike[str], depth: int | None = None) -> Self:
        """Load a checkpoint.

        Args:
            name: Directory or Hub name.
            depth: How many layers are run, the lowest ones; all by default.

        Raises:
            CheckpointError: It cannot be read, lacks weights, or has some that are no numbers.
            InputError: It is no BERT, or has fewer layers.
            ConfigError: Its activation is unknown.
        """
        file = resolve_file(name, "config.json")
        assert file is not None  # it is required
        config = read_json(file)
        with torch.device("meta"):
            encoder = cls(config, depth)
        source = read_weights(name)
        found = {modern_name(n).removeprefix("bert."): x for n, x in source.tensors.items()}
        weights = {}
        for key, wanted in encoder.state_dict().items():
            stored = found.get(key)
            if stored is None or tuple(stored.shape) != tuple(wanted.shape):
                has = "lacks it" if stored is None else f"has {tuple(stored.shape)}"
                raise CheckpointError(
                    f"An encoder as {file} describes it has {key} of {tuple(wanted.shape)}, and "
                    f"{source.path} {has}: give a checkpoint of BertModel."
                )
            weights[key] = torch_from_stored(stored).to(torch.float32)
            if not torch.isfinite(weights[key]).all():
                raise CheckpointError(f"{source.path} has weights that are no numbers, in {key}.")
        encoder.load_state_dict(weights, assign=True)
        return encoder.requires_grad_(False)

    def forward(self, batch: PackedBatch) -> Tensor:
        """Return the states of the highest layer that is run, [T, W].

        Sequences of similar length go through all layers together, as the model's own attend.
        """
        embedded = self.embeddings(batch)
        states = torch.empty_like(embedded)
        lengths = np.asarray(batch.lengths)
        starts, layout = np.cumsum(lengths) - lengths, batch.layout(1)
        done = 0
        for group in layout.groups:
            members = list(layout.order[done : done + group.count])
            rows, real = _grid(starts[members], lengths[members])
            grid = torch.from_numpy(rows).to(batch.ids.device)
            mask = None if real.all() else torch.from_numpy(real).to(batch.ids.device)
            found = embedded[grid]
            for layer in cast(Iterable[_Layer], self.get_submodule("encoder.layer")):
                found = layer(found, mask)
            if mask is not None:
                grid, found = grid[mask], found[mask]
            states[grid] = found
            done += group.count
        return states


class _Embeddings(nn.Module):
    """Words, places and segments."""

    def __init__(self, facts: EncoderFacts) -> None:
        super().__init__()
        width = facts.hidden_size
        self.word_embeddings = nn.Embedding(facts.vocab_size, width)
        self.position_embeddings = nn.Embedding(facts.max_position_embeddings, width)
        self.token_type_embeddings = nn.Embedding(facts.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, facts.layer_norm_eps)

    def forward(self, batch: PackedBatch) -> Tensor:
        """Return [T, W]."""
        words = self.word_embeddings(batch.ids)
        words = words + self.position_embeddings(batch.positions)
        words = words + self.token_type_embeddings(batch.types)
        states: Tensor = self.LayerNorm(words)
        return states


class _Layer(nn.Module):
    """A layer; its parts have the names of checkpoints."""

    def __init__(self, facts: EncoderFacts) -> None:
        super().__init__()
        width, inner = facts.hidden_size, facts.intermediate_size
        self._heads = facts.num_attention_heads
        self._activation = torch_activation(facts.hidden_act)
        parts = {name: nn.Linear(width, width) for name in ("query", "key", "value")}
        self.attention = nn.ModuleDict(
            {"self": nn.ModuleDict(parts), "output": _Output(width, facts)}
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, inner)})
        self.output = _Output(inner, facts)

    def forward(self, states: Tensor, mask: Tensor | None) -> Tensor:
        """[B, S, W] -> [B, S, W]; the mask tells tokens from padding, [B, S]."""
        queries, keys, values = (
            self.get_submodule(f"attention.self.{name}")(states)
            .unflatten(-1, (self._heads, -1))
            .transpose(1, 2)
            for name in ("query", "key", "value")
        )
        shown = None if mask is None else mask[:, None, None]
        mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=shown)
        states = self.attention["output"](mixed.transpose(1, 2).flatten(2), states)
        inner = self._activation(self.intermediate["dense"](states))
        result: Tensor = self.output(inner, states)
        return result


class _Output(nn.Module):
    """A product that is added to what the part has read, and normalised."""

    def __init__(self, width: int, facts: EncoderFacts) -> None:
        super().__init__()
        self.dense = nn.Linear(width, facts.hidden_size)
        self.LayerNorm = nn.LayerNorm(facts.hidden_size, facts.layer_norm_eps)

    def forward(self, inner: Tensor, states: Tensor) -> Tensor:
        added: Tensor = self.LayerNorm(self.dense(inner) + states)
        return added


def _grid(starts: IntArray, lengths: IntArray) -> tuple[IntArray, BoolArray]:
    """Return the row of each place of [B, S], and which places hold tokens."""
    within = np.arange(lengths.max())
    real = within < lengths[:, None]
    return np.where(real, starts[:, None] + within, 0), real
