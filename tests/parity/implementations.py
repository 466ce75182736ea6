"""transformers 4.56.2 (the peer) and our PyTorch classes with the same random tensors.

Models are built once for each (variant, task, dtype) and shared by all tests; whoever changes one
must take a copy.
"""

import copy
import functools
import warnings

import numpy as np
import torch
import transformers

import mobilebert
from mobilebert.tasks import TASKS
from mobilebert.weights import weight_specs
from models import random_tensors, small_config
from parity.labels import TASK_FIELDS

__all__ = [
    "TASK_FIELDS",
    "config_for",
    "flat_outputs",
    "fresh_models",
    "gradients",
    "load",
    "our_model",
    "peer_config",
    "peer_model",
    "scalar",
    "tensors_for",
    "torch_inputs",
]


def config_for(variant, task, **overrides):
    """Build the small configuration of a variant, with the labels the task is tested with."""
    return small_config(variant, **(TASK_FIELDS.get(task, {}) | overrides))


@functools.cache
def tensors_for(variant, task):
    """Draw the tensors that all implementations of one (variant, task) get.

    They are float64 with values that float32 can hold: models of both dtypes have the same weights.
    """
    drawn = random_tensors(config_for(variant, task), task, seed=7, dtype=np.float32)
    return {name: x.astype(np.float64) for name, x in drawn.items()}


def peer_config(config):
    """Translate our configuration through the form both write to config.json."""
    return transformers.MobileBertConfig.from_dict(config.to_dict())


def load(model, tensors, config, task):
    """Put tensors into a model (ours or the peer's); its names must be those of the table."""
    tied = {row.name: row.tied_to for row in weight_specs(config, task)}
    whole = {name: tensors[source or name] for name, source in tied.items()}
    model.load_state_dict({name: torch.from_numpy(x) for name, x in whole.items()}, strict=True)
    return model


def _peer(config, task):
    with warnings.catch_warnings():
        # With embedding_size == hidden_size the peer's vocabulary extension has no elements.
        warnings.filterwarnings("ignore", "Initializing zero-element tensors")
        return getattr(transformers, TASKS[task].class_name)(peer_config(config))


def _ours(config, task):
    return getattr(mobilebert, TASKS[task].class_name)(config)


@functools.cache
def peer_model(variant, task, dtype=torch.float64):
    """Build the peer's model of a variant and task, in evaluation mode."""
    config = config_for(variant, task)
    model = _peer(config, task).to(dtype)
    return load(model, tensors_for(variant, task), config, task).eval()


@functools.cache
def our_model(variant, task, attention="eager", dtype=torch.float64):
    """Build our model of a variant and task, in evaluation mode."""
    config = config_for(variant, task, attn_implementation=attention)
    model = _ours(config, task).to(dtype)
    return load(model, tensors_for(variant, task), config, task).eval()


def fresh_models(task, variant="mobilebert", attention="eager", **fields):
    """Build the peer's model and ours with some fields changed, for a test to change them.

    Where the fields make a tensor smaller, its first rows are taken.
    """
    config = config_for(variant, task, attn_implementation=attention, **fields)
    whole = tensors_for(variant, task)
    tensors = {
        spec.name: whole[spec.name][tuple(map(slice, spec.shape))]
        for spec in weight_specs(config, task)
        if spec.tied_to is None
    }
    models = (_peer(config, task).double(), _ours(config, task).double())
    return tuple(load(model, tensors, config, task).eval() for model in models)


def torch_inputs(inputs, dtype=torch.float64):
    """Turn named arrays into fresh tensors; floating ones get the dtype."""
    tensors = {name: torch.from_numpy(copy.deepcopy(x)) for name, x in inputs.items()}
    return {k: x.to(dtype) if x.is_floating_point() else x for k, x in tensors.items()}


def flat_outputs(output):
    """Name every tensor of an output object: logits, hidden_states.0, attentions.1, ..."""
    flat = {}
    for name, value in output.items():
        if isinstance(value, tuple):
            flat |= {f"{name}.{number}": x for number, x in enumerate(value)}
        else:
            flat[name] = value
    return flat


def scalar(outputs, seed=3):
    """Weigh every element of every output with a random number and add them up."""
    rng = np.random.default_rng(seed)
    total = 0.0
    for name in sorted(outputs):
        weights = torch.from_numpy(rng.standard_normal(outputs[name].shape))
        total = total + (outputs[name].double() * weights).sum()
    return total


def gradients(model, loss):
    """Differentiate by every parameter; a parameter that plays no part has a gradient of zeros."""
    named = dict(model.named_parameters())
    learning = {name: parameter for name, parameter in named.items() if parameter.requires_grad}
    found = torch.autograd.grad(loss, list(learning.values()), allow_unused=True)
    by_name = dict(zip(learning, found, strict=True))
    return {
        name: torch.zeros_like(parameter) if by_name.get(name) is None else by_name[name]
        for name, parameter in named.items()
    }
