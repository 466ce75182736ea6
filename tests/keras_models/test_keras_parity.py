"""The Keras classes against the PyTorch classes: outputs, losses, gradients of the same weights."""

import re

import numpy as np
import pytest
import tensorflow as tf

import mobilebert
from assertions import assert_close, relative_error
from keras_models.comparison import (
    EVERYTHING,
    assert_same,
    batch_of,
    flat,
    gradient_errors,
    keras_run,
    run_torch,
    torch_run,
    usual,
)
from mobilebert.keras.variables import variables
from mobilebert.reference import forward
from mobilebert.tasks import TASKS
from models import VARIANTS, random_tensors
from parity.inputs import kinds_for
from parity.labels import CASES
from tf_models import pair
from tolerances import BUNDLED_LOGITS, FLOAT32, KERAS_FLOAT32


def assert_equal(found, wanted):
    """Compare outputs, losses and gradients."""
    (outputs, loss, slopes), (wanted_outputs, wanted_loss, wanted_slopes) = found, wanted
    assert_same(outputs, wanted_outputs)
    if wanted_loss is not None:
        assert outputs.loss.shape == ()
        assert_close(loss, wanted_loss, KERAS_FLOAT32, "loss")
    errors = gradient_errors(slopes, wanted_slopes)
    worst = max(errors, key=errors.get)
    assert errors[worst] <= KERAS_FLOAT32, f"{worst}: {errors[worst]:.3g}"


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_outputs_losses_and_gradients_are_those_of_pytorch(variant, task):
    ours, theirs, batch, labels = usual(task, variant)
    wanted = torch_run(theirs, batch, labels, **EVERYTHING)
    assert_equal(keras_run(ours, batch, labels, **EVERYTHING), wanted)


@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_label(case):
    ours, theirs, batch, labels = usual(CASES[case][0], case=case)
    assert_equal(keras_run(ours, batch, labels), torch_run(theirs, batch, labels))
    assert ours.config.problem_type == theirs.config.problem_type


@pytest.mark.parametrize("variant", VARIANTS)
def test_pad_neighbor_means_what_it_does_in_pytorch_and_in_the_reference(variant):
    task = "feature_extraction"
    ours, theirs, batch, _ = usual(task, variant)
    tensors = random_tensors(ours.config, task, dtype=np.float32)
    tensors = {name: x.astype(np.float64) for name, x in tensors.items()}
    for choice in ("pad_embedding", "zero"):
        found = ours(**batch, pad_neighbor=choice)
        assert_same(found, run_torch(theirs, batch, pad_neighbor=choice))
        wanted = forward(tensors, ours.config, task, **batch, pad_neighbor=choice)
        for name, value in wanted.items():
            assert_close(found[name], value, FLOAT32, name)


@pytest.mark.parametrize("task", ["masked_lm", "multiple_choice"])
def test_every_kind_of_input(task):
    ours, theirs = pair(task)
    for kind in kinds_for(task):
        batch = batch_of(ours.config, task, kind)
        assert_same(ours(**batch, **EVERYTHING), run_torch(theirs, batch, **EVERYTHING))


# The twins: parity fails for a variable that is moved a little.

# Shifts all scores of a query alike, which softmax does not see; no gradient sees it either.
UNSEEN = "self.key.bias"
# What names of the encoder start with, in models with a head and alone.
ENCODER = ("mobilebert.", "embeddings.", "encoder.", "pooler.")


def moved_variables(model):
    """One variable of every row of the specification: layers have the same rows."""
    rows = {}
    for name, (_, variable) in variables(model, model.weight_specs()).items():
        rows.setdefault(re.sub(r"\.(layer|ffn)\.\d+", "", name), (name, variable))
    own = {n: x for n, x in rows.values() if not n.startswith(ENCODER)}
    # Every row under one task; elsewhere what the task brings, and one of the encoder.
    chosen = dict(rows.values()) if model.task.name == "pretraining" else own
    first = next(iter(rows.values()))
    return {n: x for n, x in (chosen | dict([first])).items() if not n.endswith(UNSEEN)}


def only_shifts(name, task):
    """Tell whether a variable adds one number to all scores: losses and gradients do not see it."""
    return name == "qa_outputs.bias" or (task, name) == ("multiple_choice", "classifier.bias")


@pytest.mark.parametrize("task", TASKS)
def test_a_moved_variable_is_noticed_in_outputs_losses_and_gradients(task):
    ours, theirs, batch, labels = usual(task)
    wanted_outputs, wanted_loss, wanted_slopes = torch_run(theirs, batch, labels)
    wanted = flat(wanted_outputs)
    rng = np.random.default_rng(1)
    for name, variable in moved_variables(ours).items():
        before = tf.convert_to_tensor(variable.value).numpy()
        variable.assign(before + 0.3 * rng.standard_normal(before.shape).astype(np.float32))
        outputs, loss, slopes = keras_run(ours, batch, labels)
        variable.assign(before)
        found = flat(outputs)
        errors = {"outputs": max(relative_error(found[n], wanted[n]) for n in wanted)}
        if not only_shifts(name, task):
            errors["gradients"] = max(gradient_errors(slopes, wanted_slopes).values())
            if labels:
                errors["loss"] = relative_error(loss, wanted_loss)
        assert min(errors.values()) > KERAS_FLOAT32, (name, errors)


def test_the_bundled_model_fills_a_mask_as_pytorch_does():
    name, text = "mobilebert-mini-uncased", "The capital of France is [MASK]."
    tokenizer = mobilebert.AutoTokenizer.from_pretrained(name)
    model = mobilebert.TFAutoModelForMaskedLM.from_pretrained(name)
    theirs = mobilebert.AutoModelForMaskedLM.from_pretrained(name)
    found = model(tokenizer(text, return_tensors="tf")).logits
    wanted = run_torch(theirs, tokenizer(text, return_tensors="np")).logits
    assert_close(found, wanted, BUNDLED_LOGITS)
