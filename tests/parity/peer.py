"""transformers 4.56.2 as the oracle: its models with our random tensors, and their outputs.

Models are built once for each (variant, task, dtype) and shared by all tests; whoever changes one
must take a copy.
"""

import copy
import functools
import warnings

import numpy as np
import torch
import transformers

from models import random_tensors, small_config
from mobilebert.tasks import TASKS
from mobilebert.weights import weight_specs

__all__ = [
    "TASK_FIELDS",
    "config_for",
    "flat_outputs",
    "gradients",
    "load",
    "peer_config",
    "peer_model",
    "scalar",
    "tensors_for",
    "torch_inputs",
]

# Widths that differ from every other size of the small models.
TASK_FIELDS = {
    "sequence_classification": {"num_labels": 3},
    "token_classification": {"num_labels": 5},
}


def config_for(variant, task, **overrides):
    """Build the small configuration of a variant, with the labels the task is tested with."""
    return small_config(variant, **(TASK_FIELDS.get(task, {}) | overrides))


@functools.cache
def tensors_for(variant, task):
    """Draw the tensors that all implementations of one (variant, task) get, in float64."""
    return random_tensors(config_for(variant, task), task, seed=7, dtype=np.float64)


def peer_config(config):
    """Translate our configuration through the form both write to config.json."""
    return transformers.MobileBertConfig.from_dict(config.to_dict())


def load(model, tensors, config, task):
    """Put tensors into a model (ours or the peer's); its names must be those of the table."""
    tied = {row.name: row.tied_to for row in weight_specs(config, task)}
    whole = {name: tensors[source or name] for name, source in tied.items()}
    model.load_state_dict({name: torch.from_numpy(x) for name, x in whole.items()}, strict=True)
    return model


@functools.cache
def peer_model(variant, task, dtype=torch.float64):
    """Build the peer's model of a variant and task, in evaluation mode."""
    config = config_for(variant, task)
    with warnings.catch_warnings():
        # With embedding_size == hidden_size the peer's vocabulary extension has no elements.
        warnings.filterwarnings("ignore", "Initializing zero-element tensors")
        model = getattr(transformers, TASKS[task].class_name)(peer_config(config)).to(dtype)
    return load(model, tensors_for(variant, task), config, task).eval()


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
    names, parameters = zip(*model.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return {
        name: torch.zeros_like(parameter) if gradient is None else gradient
        for name, parameter, gradient in zip(names, parameters, found, strict=True)
    }
