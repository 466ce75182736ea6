"""Small Keras models with redrawn weights, whatever Keras runs on; no other framework is needed."""

from mobilebert.keras import MODEL_CLASSES
from mobilebert.keras.initialization import variables_unset
from mobilebert.keras.variables import assign
from mobilebert.tasks import TASKS
from models import random_batch, random_tensors, small_config

__all__ = ["batch_for", "build"]


def build(task="feature_extraction", variant="mobilebert", seed=0, dtype=None, **fields):
    """Build a Keras model, every variable drawn at random."""
    config = small_config(variant, **fields)
    with variables_unset():
        model = MODEL_CLASSES[task](config, **({} if dtype is None else {"dtype": dtype}))
    assign(model, model.weight_specs(), random_tensors(config, task, seed))
    return model


def batch_for(model, rows=3, length=11, seed=0, choices=4):
    """Draw padded inputs, as keywords; with `choices` for each row where the task has them."""
    choices = choices if TASKS[model.task.name].choices else 0
    names = ("input_ids", "attention_mask", "token_type_ids")
    return dict(zip(names, random_batch(model.config, rows, length, seed, choices), strict=True))
