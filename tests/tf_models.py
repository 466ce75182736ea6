"""Small Keras models beside the PyTorch models of the same weights."""

from small_keras import batch_for, build
from torch_models import build as build_torch

__all__ = ["SHALLOW", "batch_for", "build", "pair", "tf_names"]

# Recording a graph or a training step takes time by the layer.
SHALLOW = {"num_hidden_layers": 1, "num_feedforward_networks": 1}


def pair(task="feature_extraction", variant="mobilebert", **fields):
    """Build the Keras and the PyTorch model of the same weights."""
    return build(task, variant, **fields), build_torch(task, variant, **fields)


def tf_names(task, labels):
    """Name labels as the Keras classes do."""
    if task != "next_sentence_prediction":
        return labels
    return {"next_sentence_label": labels["labels"]} if labels else labels
