"""Small PyTorch models with redrawn weights, and what they are called with."""

import torch
from torch.overrides import TorchFunctionMode

from mobilebert.tasks import TASKS
from mobilebert.torch import MODEL_CLASSES
from mobilebert.weights import weight_specs
from models import random_batch, random_tensors, small_config

__all__ = ["Calls", "batch_for", "build", "fill"]


def fill(model, tensors):
    """Put tensors into a model; tied ones may be absent."""
    specs = weight_specs(model.config, model.task)
    whole = {row.name: tensors[row.tied_to or row.name] for row in specs}
    model.load_state_dict({name: torch.as_tensor(array) for name, array in whole.items()})
    return model


def build(task="feature_extraction", variant="mobilebert", dtype=torch.float32, **fields):
    """Build a model in evaluation mode, every parameter drawn at random."""
    config = small_config(variant, **fields)
    model = MODEL_CLASSES[task](config)
    return fill(model, random_tensors(config, task)).to(dtype).eval()


def batch_for(model, rows=3, length=11, seed=0):
    """Draw padded inputs, as keywords."""
    choices = 4 if TASKS[model.task.name].choices else 0
    arrays = random_batch(model.config, rows, length, seed, choices)
    names = ("input_ids", "attention_mask", "token_type_ids")
    return {name: torch.from_numpy(x) for name, x in zip(names, arrays, strict=True)}


class Calls(TorchFunctionMode):
    """Counts the functions of PyTorch that are called, by name, with the shapes they return."""

    def __init__(self):
        super().__init__()
        self.shapes = {}

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", str(func))
        self.shapes.setdefault(name, []).append(getattr(result, "shape", None))
        return result

    def count(self, name):
        return len(self.shapes.get(name, ()))
