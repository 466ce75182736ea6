"""Exact rewrites that leave the engine less to compute.

Each takes the tensors of a model by canonical name and returns new ones; nothing is changed in
place. The first four leave the model's function as it is, so the reference still runs the result.
The last two move a factor to a place where only the folded program (`program.py`) looks for it:
the weight of a residual norm becomes the factor on the residual, and attention scores come out in
units of log 2.

The algebra, for a NoNorm `y -> w * y + b` behind `W x + c + r` (residual r, or none):
`w * (W x + c + r) + b == (w * W) x + (w * c + b) + w * r`.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.config import MobileBertConfig
from mobilebert.tasks import TaskSpec

__all__ = [
    "REWRITES",
    "drop_key_biases",
    "fold_embedding_norm",
    "fold_entry_norms",
    "fold_residual_norms",
    "fold_value_biases",
    "scale_queries",
]

Array = npt.NDArray[np.floating[Any]]
Tensors = dict[str, Array]


def _layers(config: MobileBertConfig, task: TaskSpec) -> list[str]:
    return [f"{task.prefix}encoder.layer.{number}." for number in range(config.num_hidden_layers)]


def _fold_norm(tensors: Tensors, dense: str, norm: str, *, keeps_weight: bool) -> None:
    """Move a norm's factor and shift into the dense layer before it."""
    factor, shift = tensors[f"{norm}.weight"], tensors[f"{norm}.bias"]
    tensors[f"{dense}.weight"] = tensors[f"{dense}.weight"] * factor[:, None]
    tensors[f"{dense}.bias"] = tensors[f"{dense}.bias"] * factor + shift
    tensors[f"{norm}.bias"] = np.zeros_like(shift)
    if not keeps_weight:
        tensors[f"{norm}.weight"] = np.ones_like(factor)


def fold_embedding_norm(
    tensors: Mapping[str, Array], config: MobileBertConfig, task: TaskSpec
) -> Tensors:
    """Fold the NoNorm of the embeddings into the tables and the transformation.

    Where there is no transformation the word table itself is scaled; a vocabulary head tied to it
    must read the old one.
    """
    folded = dict(tensors)
    if config.normalization_type != "no_norm":
        return folded
    prefix = f"{task.prefix}embeddings."
    factor = tensors[f"{prefix}LayerNorm.weight"]
    for table in ("position_embeddings.weight", "token_type_embeddings.weight"):
        folded[prefix + table] = tensors[prefix + table] * factor
    if config.trigram_input or config.embedding_size != config.hidden_size:
        transformation = f"{prefix}embedding_transformation"
        _fold_norm(folded, transformation, f"{prefix}LayerNorm", keeps_weight=False)
        return folded
    words = f"{prefix}word_embeddings.weight"
    folded[words] = tensors[words] * factor
    positions = f"{prefix}position_embeddings.weight"
    folded[positions] = folded[positions] + tensors[f"{prefix}LayerNorm.bias"]
    folded[f"{prefix}LayerNorm.weight"] = np.ones_like(factor)
    folded[f"{prefix}LayerNorm.bias"] = np.zeros_like(factor)
    return folded


def fold_entry_norms(
    tensors: Mapping[str, Array], config: MobileBertConfig, task: TaskSpec
) -> Tensors:
    """Fold the NoNorms of the bottlenecks that enter a layer; they have no residual."""
    folded = dict(tensors)
    if config.normalization_type != "no_norm" or not config.use_bottleneck:
        return folded
    names = ["input"] + ["attention"] * bool(config.key_query_shared_bottleneck)
    for layer in _layers(config, task):
        for name in names:
            entry = f"{layer}bottleneck.{name}"
            _fold_norm(folded, f"{entry}.dense", f"{entry}.LayerNorm", keeps_weight=False)
    return folded


def drop_key_biases(
    tensors: Mapping[str, Array], config: MobileBertConfig, task: TaskSpec
) -> Tensors:
    """Set the key biases to zero: they add one number to a whole row of scores."""
    folded = dict(tensors)
    for layer in _layers(config, task):
        name = f"{layer}attention.self.key.bias"
        folded[name] = np.zeros_like(tensors[name])
    return folded


def fold_value_biases(
    tensors: Mapping[str, Array], config: MobileBertConfig, task: TaskSpec
) -> Tensors:
    """Move the value biases behind attention, whose rows sum to 1."""
    folded = dict(tensors)
    for layer in _layers(config, task):
        value, output = f"{layer}attention.self.value.bias", f"{layer}attention.output.dense"
        weight = tensors[f"{output}.weight"]
        # In float64 and without BLAS: the same number on every machine, so that a pack can be
        # compared with its weights.
        moved = np.einsum("oi,i->o", weight, tensors[value], dtype=np.float64).astype(weight.dtype)
        folded[f"{output}.bias"] = tensors[f"{output}.bias"] + moved
        folded[value] = np.zeros_like(tensors[value])
    return folded


def fold_residual_norms(
    tensors: Mapping[str, Array], config: MobileBertConfig, task: TaskSpec
) -> Tensors:
    """Fold the NoNorms behind residual sums; what is left is a factor on the residual."""
    folded = dict(tensors)
    if config.normalization_type != "no_norm":
        return folded
    for layer in _layers(config, task):
        names = ["attention.output", "output"]
        names += [f"ffn.{number}.output" for number in range(config.num_feedforward_networks - 1)]
        if config.use_bottleneck:
            names.append("output.bottleneck")
        for name in names:
            norm = f"{layer}{name}.LayerNorm"
            _fold_norm(folded, f"{layer}{name}.dense", norm, keeps_weight=True)
    return folded


def scale_queries(
    tensors: Mapping[str, Array], config: MobileBertConfig, task: TaskSpec
) -> Tensors:
    """Put the softmax's scale, and log2(e) so that it may use powers of two, into the queries."""
    folded = dict(tensors)
    head_size = config.true_hidden_size // config.num_attention_heads
    factor = math.log2(math.e) / math.sqrt(head_size)
    for layer in _layers(config, task):
        for part in ("weight", "bias"):
            name = f"{layer}attention.self.query.{part}"
            folded[name] = tensors[name] * tensors[name].dtype.type(factor)
    return folded


Rewrite = Callable[[Mapping[str, Array], MobileBertConfig, TaskSpec], Tensors]

# In the order they are applied.
REWRITES: tuple[Rewrite, ...] = (
    fold_embedding_norm,
    fold_entry_norms,
    drop_key_biases,
    fold_value_biases,
    fold_residual_norms,
    scale_queries,
)
