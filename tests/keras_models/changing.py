"""What tests of changed models share: inputs for any vocabulary, and what is compared."""

import numpy as np
import torch

from mobilebert.keras.variables import read
from mobilebert.tasks import TASKS
from mobilebert.weights import weight_specs
from models import random_batch

NAMES = ("input_ids", "attention_mask", "token_type_ids")
HEADS = [task for task, row in TASKS.items() if row.vocabulary]
SHALLOW = {"num_hidden_layers": 1, "num_feedforward_networks": 1}


def inputs(model, rows=3, words=60):
    """Padded inputs whose ids are in any vocabulary of the tests."""
    choices = 4 if model.task.choices else 0
    ids, mask, types = random_batch(model.config, rows, choices=choices)
    return {"input_ids": ids % words, "attention_mask": mask, "token_type_ids": types}


def run_torch(model, batch, **options):
    with torch.no_grad():
        return model(**{name: torch.as_tensor(x) for name, x in batch.items()}, **options)


def results(output):
    return {name: np.asarray(x) for name, x in output.items() if not isinstance(x, tuple)}


def shapes(model):
    return {name: x.shape for name, x in read(model, model.weight_specs()).items()}


def wanted_shapes(model):
    rows = weight_specs(model.config, model.task)
    return {row.name: row.shape for row in rows if row.tied_to is None}
