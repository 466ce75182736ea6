"""A published encoder of BERT's family, such as a sentence encoder: it teaches with its states.

Devlin et al. 2019 (arXiv:1810.04805): each part's output is added to what it read, and normalised.
Modules are named as in checkpoints of ``BertModel``.

Dimensions: B sequences, S tokens of the longest, T tokens of all, W width, N heads.
"""

import os
from collections.abc import Iterable
from typing import Any, Self, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilebert.checkpoint.reading import read_weights
from mobilebert.checkpoint.torch_file import torch_from_stored
from mobilebert.errors import CheckpointError, InputError
from mobilebert.files import read_json
from mobilebert.hub import resolve_file
from mobilebert.torch.activations import torch_activation
from mobilebert.torch.packed import PackedBatch

__all__ = ["PublishedEncoder"]

# What config.json has to say, and what BERT takes for what it may leave out.
_SIZES = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
_OTHER_SIZES = {
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
}
_EPSILON = 1e-12
# Weights of `BertModel` that stand beside its encoder.
_BEGINNINGS = ("embeddings.", "encoder.")


class PublishedEncoder(nn.Module):
    """An encoder whose weights rest.

    Args:
        config: Its config.json.
        depth: How many layers are run, the lowest ones.

    Raises:
        InputError: It is no BERT, or has fewer layers.
    """

    def __init__(self, config: dict[str, Any], depth: int | None = None) -> None:
        super().__init__()
        sizes = _read_sizes(config)
        layers = sizes["num_hidden_layers"]
        depth = layers if depth is None else depth
        if not 1 <= depth <= layers:
            raise InputError(f"The encoder has {layers} layers; layer {depth} is none of them.")
        self.width, self.longest = sizes["hidden_size"], sizes["max_position_embeddings"]
        norm = {"normalized_shape": self.width, "eps": config.get("layer_norm_eps", _EPSILON)}
        self.embeddings = _Embeddings(sizes, norm)
        activation = config.get("hidden_act", "gelu")
        chosen = (_Layer(sizes, norm, activation) for _ in range(depth))
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(chosen)})
        self.requires_grad_(False).eval()

    @classmethod
    def load(cls, name: str | os.PathLike[str], depth: int | None = None) -> Self:
        """Load a checkpoint.

        Args:
            name: Directory or Hub name.
            depth: How many layers are run, the lowest ones; all by default.

        Raises:
            CheckpointError: It cannot be read, or lacks weights.
            InputError: It is no BERT, or has fewer layers.
        """
        file = resolve_file(name, "config.json")
        assert file is not None  # it is required
        config = read_json(file)
        with torch.device("meta"):
            encoder = cls(config, depth)
        source = read_weights(name)
        found = {name.removeprefix("bert."): stored for name, stored in source.tensors.items()}
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
        encoder.load_state_dict(weights, assign=True)
        return encoder.requires_grad_(False)

    def forward(self, batch: PackedBatch) -> Tensor:
        """Return the states of the highest layer that is run, [T, W]."""
        grid, mask = _squared(batch)
        states = self.embeddings(batch, grid)
        for layer in cast(Iterable[_Layer], self.get_submodule("encoder.layer")):
            states = layer(states, mask)
        packed: Tensor = states.flatten(0, 1)
        return packed if mask is None else packed[mask.flatten()]


class _Embeddings(nn.Module):
    """Words, places and segments."""

    def __init__(self, sizes: dict[str, int], norm: dict[str, Any]) -> None:
        super().__init__()
        width = sizes["hidden_size"]
        self.word_embeddings = nn.Embedding(sizes["vocab_size"], width)
        self.position_embeddings = nn.Embedding(sizes["max_position_embeddings"], width)
        self.token_type_embeddings = nn.Embedding(sizes["type_vocab_size"], width)
        self.LayerNorm = nn.LayerNorm(**norm)

    def forward(self, batch: PackedBatch, grid: Tensor) -> Tensor:
        """Return [B, S, W]; what padding gets does not matter."""
        words = self.word_embeddings(batch.ids)
        words = words + self.position_embeddings(batch.positions)
        words = words + self.token_type_embeddings(batch.types)
        states: Tensor = self.LayerNorm(words)
        return states[grid]


class _Layer(nn.Module):
    """A layer; its parts have the names of checkpoints."""

    def __init__(self, sizes: dict[str, int], norm: dict[str, Any], activation: str) -> None:
        super().__init__()
        width, inner = sizes["hidden_size"], sizes["intermediate_size"]
        self._heads, self._activation = sizes["num_attention_heads"], torch_activation(activation)
        parts = {name: nn.Linear(width, width) for name in ("query", "key", "value")}
        self.attention = nn.ModuleDict(
            {"self": nn.ModuleDict(parts), "output": _Output(width, width, norm)}
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, inner)})
        self.output = _Output(inner, width, norm)

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

    def __init__(self, width: int, to: int, norm: dict[str, Any]) -> None:
        super().__init__()
        self.dense = nn.Linear(width, to)
        self.LayerNorm = nn.LayerNorm(**norm)

    def forward(self, inner: Tensor, states: Tensor) -> Tensor:
        added: Tensor = self.LayerNorm(self.dense(inner) + states)
        return added


def _squared(batch: PackedBatch) -> tuple[Tensor, Tensor | None]:
    """Return the row of each place of [B, S], and which places hold tokens; None if all do."""
    lengths = np.asarray(batch.lengths)
    starts = np.cumsum(lengths) - lengths
    within = np.arange(lengths.max())
    real = within < lengths[:, None]
    grid = torch.from_numpy(np.where(real, starts[:, None] + within, 0)).to(batch.ids.device)
    return grid, None if real.all() else torch.from_numpy(real).to(batch.ids.device)


def _read_sizes(config: dict[str, Any]) -> dict[str, int]:
    """Read the sizes in config.json.

    Raises:
        InputError: It is not that of a BERT, or a size is no number.
    """
    kind = config.get("model_type")
    positions = config.get("position_embedding_type", "absolute")
    if kind != "bert" or positions != "absolute":
        raise InputError(
            f"The encoder's config.json has model_type {kind!r} and {positions} positions; "
            "give a checkpoint of model_type 'bert' with absolute ones, such as "
            "sentence-transformers/all-MiniLM-L6-v2."
        )
    sizes = {name: config.get(name) for name in _SIZES}
    sizes |= {name: config.get(name, usual) for name, usual in _OTHER_SIZES.items()}
    for name, size in sizes.items():
        if type(size) is not int or size < 1:
            raise InputError(
                f"The encoder's config.json has {name} {size!r}; it has to be 1 or more."
            )
    whole = {name: int(size) for name, size in sizes.items()}  # type: ignore[arg-type]
    if whole["hidden_size"] % whole["num_attention_heads"]:
        raise InputError(
            f"The encoder's hidden_size {whole['hidden_size']} is no multiple of its "
            f"{whole['num_attention_heads']} heads."
        )
    return whole
