"""The inputs the implementations are compared on, one row for each way to call a model."""

import numpy as np

from mobilebert.tasks import TASKS
from models import random_batch

__all__ = ["CHOICES", "INPUTS", "LENGTH", "ROWS", "inputs_for", "kinds_for"]

ROWS, LENGTH, CHOICES = 3, 11, 3


def _padded_pairs(config, batch, rng):
    return batch


def _ids_only(config, batch, rng):
    return {"input_ids": batch["input_ids"]}


def _mask_per_query(config, batch, rng):
    rows, length = batch["input_ids"].shape
    mask = rng.integers(0, 2, size=(rows, length, length))
    mask[:, range(length), range(length)] = 1
    return batch | {"attention_mask": mask}


def _nothing_to_attend_to(config, batch, rng):
    # transformers then attends to all positions equally, padding included.
    mask = batch["attention_mask"].copy()
    mask[1] = 0
    return batch | {"attention_mask": mask}


def _fractional_mask(config, batch, rng):
    mask = batch["attention_mask"].astype(np.float64)
    mask[..., 2] = 0.5  # blocked like 0 beside ones ...
    mask[1] = 0.5  # ... and open where there is nothing higher
    return batch | {"attention_mask": mask}


def _left_padded(config, batch, rng):
    return {name: np.ascontiguousarray(x[..., ::-1]) for name, x in batch.items()}


def _position_ids(config, batch, rng):
    shape = batch["input_ids"].shape
    return batch | {"position_ids": rng.integers(0, config.max_position_embeddings, size=shape)}


def _positions_for_all(config, batch, rng):
    # One row of positions and segments serves every sequence.
    ids, mask, types = (batch[name] for name in ("input_ids", "attention_mask", "token_type_ids"))
    positions = rng.permutation(ids.shape[-1])
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "token_type_ids": types[:1],
        "position_ids": positions[None],
    }


def _inputs_embeds(config, batch, rng):
    batch = dict(batch)
    shape = (*batch.pop("input_ids").shape, config.embedding_size)
    return batch | {"inputs_embeds": rng.standard_normal(shape)}


def _head_mask(config, batch, rng):
    return batch | {"head_mask": rng.random(config.num_attention_heads)}


def _head_mask_per_layer(config, batch, rng):
    shape = (config.num_hidden_layers, config.num_attention_heads)
    return batch | {"head_mask": rng.integers(0, 2, size=shape).astype(np.float64)}


def _one_token(config, batch, rng):
    return {name: np.ascontiguousarray(x[..., :1]) for name, x in batch.items()}


INPUTS = {
    "padded_pairs": _padded_pairs,
    "ids_only": _ids_only,
    "mask_per_query": _mask_per_query,
    "nothing_to_attend_to": _nothing_to_attend_to,
    "fractional_mask": _fractional_mask,
    "left_padded": _left_padded,
    "position_ids": _position_ids,
    "positions_for_all": _positions_for_all,
    "inputs_embeds": _inputs_embeds,
    "head_mask": _head_mask,
    "head_mask_per_layer": _head_mask_per_layer,
    "one_token": _one_token,
}


def kinds_for(task, *, reference=False):
    """List the kinds of input a task takes; with `reference`, those the numpy code takes."""
    left_out = {"mask_per_query", "positions_for_all"} if TASKS[task].choices else set()
    if reference:
        # It reads ids, and under multiple choice flattens the three documented inputs only.
        left_out |= {"inputs_embeds"} | ({"position_ids"} if TASKS[task].choices else set())
    return tuple(kind for kind in INPUTS if kind not in left_out)


def inputs_for(kind, config, task, seed=11):
    """Draw the named arrays of one kind of input."""
    rng = np.random.default_rng(seed)
    choices = CHOICES if TASKS[task].choices else 0
    ids, mask, types = random_batch(config, ROWS, LENGTH, seed, choices)
    batch = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    return INPUTS[kind](config, batch, rng)
