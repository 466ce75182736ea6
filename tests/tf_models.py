"""Small Keras models with redrawn weights, beside the PyTorch models of the same weights."""

import numpy as np
import torch

from mobilebert.keras import MODEL_CLASSES
from mobilebert.keras.initialization import variables_unset
from mobilebert.keras.variables import assign
from models import random_tensors, small_config
from torch_models import build as build_torch

__all__ = ["build", "pair", "tf_names", "torch_labels"]


def build(task="feature_extraction", variant="mobilebert", seed=0, dtype=None, **fields):
    """Build a Keras model, every variable drawn at random."""
    config = small_config(variant, **fields)
    with variables_unset():
        model = MODEL_CLASSES[task](config, **({} if dtype is None else {"dtype": dtype}))
    assign(model, model.weight_specs(), random_tensors(config, task, seed))
    return model


def pair(task="feature_extraction", variant="mobilebert", **fields):
    """Build the Keras and the PyTorch model of the same weights."""
    return build(task, variant, **fields), build_torch(task, variant, **fields)


def tf_names(task, labels):
    """Name labels as the Keras classes do."""
    if task != "next_sentence_prediction":
        return labels
    return {"next_sentence_label": labels["labels"]} if labels else labels


def torch_labels(labels):
    """Labels as PyTorch tensors, floating-point ones in float32."""
    return {
        name: torch.as_tensor(x.astype(np.float32) if x.dtype.kind == "f" else x)
        for name, x in labels.items()
    }
