"""The Keras and the PyTorch model of the same weights, called alike, with their gradients."""

import numpy as np
import tensorflow as tf
import torch

from assertions import assert_close, relative_error
from mobilebert.keras.variables import variables
from mobilebert.weights import WeightKind
from parity.inputs import inputs_for
from parity.labels import CASES, TASK_FIELDS, USUAL
from tf_models import pair, tf_names
from tolerances import KERAS_FLOAT32

__all__ = [
    "EVERYTHING",
    "Run",
    "assert_same",
    "batch_of",
    "flat",
    "gradient_errors",
    "keras_run",
    "run_torch",
    "torch_run",
    "usual",
]

EVERYTHING = {"output_hidden_states": True, "output_attentions": True}

# Outputs, loss (None without labels) and gradients by canonical name.
Run = tuple[dict, float | None, dict]


def batch_of(config, task, kind="padded_pairs"):
    """Draw one kind of input, floating-point arrays in float32."""
    drawn = inputs_for(kind, config, task)
    return {n: x.astype(np.float32) if x.dtype.kind == "f" else x for n, x in drawn.items()}


def usual(task, variant="mobilebert", case=None, **fields):
    """Return both models, their inputs, and the labels of a case (the task's usual one)."""
    _, case_fields, labels = CASES[case or USUAL[task]] if case or task in USUAL else (0, {}, {})
    ours, theirs = pair(task, variant, **(TASK_FIELDS.get(task, {}) | case_fields | fields))
    labels = {n: x.astype(np.float32) if x.dtype.kind == "f" else x for n, x in labels.items()}
    return ours, theirs, batch_of(ours.config, task), labels


def as_torch(arrays):
    return {name: torch.as_tensor(x) for name, x in arrays.items()}


def run_torch(model, batch, **options):
    with torch.no_grad():
        return model(**as_torch(batch), **options)


def flat(output):
    """Every tensor of an output by name; states and attentions with their number."""
    found = {}
    for name, value in output.items():
        single = value if isinstance(value, tuple) else (value,)
        arrays = [x.detach() if isinstance(x, torch.Tensor) else x for x in single]
        found |= {f"{name} {number}": np.asarray(x) for number, x in enumerate(arrays)}
    return found


def assert_same(found, wanted, bound=KERAS_FLOAT32):
    """Compare two outputs, names and order included."""
    found, wanted = flat(found), flat(wanted)
    assert list(found) == list(wanted)
    for name in wanted:
        assert_close(found[name], wanted[name], bound, name)


def _weights(output, names):
    """Random factors that make one number of outputs that have no loss."""
    rng = np.random.default_rng(3)
    return {n: (rng.standard_normal(output[n].shape) / 30).astype(np.float32) for n in names}


def torch_run(model, batch, labels, **options) -> Run:
    """Call a PyTorch model and differentiate its loss, or a number made of its outputs."""
    output = model(**as_torch(batch), **as_torch(labels), **options)
    number = output.loss if labels else None
    if number is None:
        factors = _weights(output, model.task.emits)
        number = sum((output[n] * torch.as_tensor(x)).sum() for n, x in factors.items())
    model.zero_grad()
    number.backward()
    slopes = {
        name: np.zeros(tuple(p.shape)) if p.grad is None else p.grad.numpy()
        for name, p in model.named_parameters()
    }
    return output, number.item() if labels else None, slopes


def keras_run(model, batch, labels, **options) -> Run:
    """Do the same with a Keras model."""
    with tf.GradientTape() as tape:
        output = model(**batch, **tf_names(model.task.name, labels), **options)
        number = output.loss if labels else None
        if number is None:
            factors = _weights(output, model.task.emits)
            number = sum(tf.reduce_sum(output[n] * x) for n, x in factors.items())
    named = variables(model, model.weight_specs())
    found = tape.gradient(number, [variable.value for _, variable in named.values()])
    slopes = {}
    for (name, (spec, variable)), slope in zip(named.items(), found, strict=True):
        array = np.zeros(variable.shape) if slope is None else tf.convert_to_tensor(slope).numpy()
        slopes[name] = array.T if spec.kind is WeightKind.LINEAR_WEIGHT else array
    return output, float(number) if labels else None, slopes


def gradient_errors(found, wanted):
    """Return the error of every gradient; see `KERAS_FLOAT32` for what it is relative to."""
    assert found.keys() == wanted.keys()
    largest = max(float(np.abs(x).max(initial=0)) for x in wanted.values())
    errors = {}
    for name, slope in wanted.items():
        scale = max(float(np.abs(slope).max(initial=0)), largest / 10)
        errors[name] = relative_error(found[name] / scale, slope / scale)
    return errors
