"""Tuning with Keras comes to what tuning with PyTorch comes to."""

import dataclasses
import importlib.util
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

import mobilebert
from assertions import assert_close, relative_error
from mobilebert.keras.variables import read, variables
from parity.inputs import inputs_for
from tf_models import pair
from tolerances import ACCURACY, FLOAT32

REVIEWS = Path(__file__).parents[1] / "data/reviews"
BENCHMARK = Path(__file__).parents[2] / "benchmarks/keras_polarity.py"


@pytest.fixture(scope="module")
def polarity():
    """The benchmark, which does this on as many sentences as one likes."""
    spec = importlib.util.spec_from_file_location("keras_polarity", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_the_bundled_model_learns_reviews_as_in_pytorch(polarity):
    # With 5e-4 a rounding of 1e-7 grows tenfold a step, and what is learned is chance.
    settings = polarity.Settings(
        train=64, test=200, epochs=4, batch_size=16, length=32, learning_rate=1.5e-4
    )
    wanted, outcomes = polarity.compare(REVIEWS, settings)
    found, peer = outcomes["Keras"], outcomes["PyTorch"]
    assert len(found.losses) == len(peer.losses) == 16
    assert_close(found.losses[:5], peer.losses[:5], FLOAT32, "losses of the first steps")
    for outcome in (found, peer):
        assert np.mean(outcome.losses[-4:]) < np.mean(outcome.losses[:4]) - 0.05
    accuracies = [float(np.mean(outcome.classes == wanted)) for outcome in (found, peer)]
    assert abs(accuracies[0] - accuracies[1]) <= ACCURACY
    # The twin: another setting is seen.
    other = dataclasses.replace(settings, train=48, epochs=1, learning_rate=4e-4)
    tokenizer = mobilebert.AutoTokenizer.from_pretrained(mobilebert.hub.BUNDLED_MODEL)
    train, test = polarity.divide(polarity.read_sentences(REVIEWS), settings, tokenizer)
    seen = polarity.run_with_torch(train[: other.train], test[:16], other, tokenizer).losses
    assert relative_error(seen, peer.losses[: len(seen)]) > 10 * FLOAT32


@pytest.mark.parametrize("task", ["sequence_classification", "masked_lm"])
def test_a_step_of_adam_moves_every_variable_as_in_pytorch(task):
    """Words occur twice, segments often: their gradients have to be summed before the square."""
    ours, theirs = pair(task)
    batch = inputs_for("padded_pairs", ours.config, task)
    batch["input_ids"] = np.where(batch["attention_mask"] == 1, batch["input_ids"] % 5 + 1, 0)
    labels = batch["input_ids"] if task == "masked_lm" else np.array([0, 1, 1])
    rate, beta, epsilon = 1e-2, 0.999, 1e-4
    theirs(**{n: torch.as_tensor(x) for n, x in batch.items()}, labels=torch.as_tensor(labels))[
        0
    ].backward()
    # Keras adds epsilon before it corrects the squares' bias, PyTorch after it.
    torch.optim.Adam(theirs.parameters(), lr=rate, eps=epsilon / (1 - beta) ** 0.5).step()
    own = [variable for _, variable in variables(ours, ours.weight_specs()).values()]
    with tf.GradientTape() as tape:
        loss = ours(**batch, labels=labels).loss
    gradients = tape.gradient(loss, [variable.value for variable in own])
    assert not any(isinstance(gradient, tf.IndexedSlices) for gradient in gradients)
    moved = [(g, v) for g, v in zip(gradients, own, strict=True) if g is not None]
    keras.optimizers.Adam(rate, beta_2=beta, epsilon=epsilon).apply_gradients(moved)
    wanted = theirs.state_dict()
    for name, found in read(ours, ours.weight_specs()).items():
        assert_close(found, wanted[name].numpy(), FLOAT32, name)
