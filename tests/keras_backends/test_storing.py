"""Checkpoints and Keras's own files, written and read on whatever Keras runs."""

import keras
import numpy as np
import pytest

import mobilebert
from assertions import assert_close
from mobilebert.keras.variables import read
from mobilebert.tasks import TASKS
from small_keras import batch_for, build
from tolerances import FLOAT32

CLASSES = np.arange(8) % 2
SHALLOW = {"num_hidden_layers": 1, "num_feedforward_networks": 2}


@pytest.mark.parametrize("task", TASKS)
def test_checkpoints_are_read_as_they_were_written(task, tmp_path):
    model = build(task, **SHALLOW)
    model.save_pretrained(tmp_path)
    again, report = type(model).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values())
    wanted, found = (read(one, one.weight_specs()) for one in (model, again))
    assert list(found) == list(wanted)
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)


def test_new_weights_are_drawn_and_named(tmp_path):
    build(**SHALLOW).save_pretrained(tmp_path)
    model = mobilebert.TFMobileBertForTokenClassification.from_pretrained(tmp_path, num_labels=4)
    assert model.newly_initialized_weights == ("classifier.weight", "classifier.bias")
    fresh = mobilebert.TFAutoModelForMaskedLM.from_config(build().config)
    words = read(fresh, fresh.weight_specs())["mobilebert.embeddings.word_embeddings.weight"]
    assert 0.015 < words.std() < 0.02  # truncated at two deviations of 0.02
    assert not words[0].any()


# Keras itself reads variables in a way numpy 2 deprecates.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_training_goes_on_from_keras_files(tmp_path):
    model = build("sequence_classification", num_labels=5, **SHALLOW)
    batch = batch_for(model, rows=8)
    model.pad_neighbor = "zero"
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    model.fit(batch, CLASSES, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again) is type(model)
    assert again.config.to_dict() == model.config.to_dict()
    assert again.pad_neighbor == "zero"
    assert_close(again(batch).logits, model(batch).logits, FLOAT32)
    # The optimizer's moments are in the file too: without them the next step would differ.
    losses = [
        one.fit(batch, CLASSES, epochs=2, verbose=0).history["loss"] for one in (model, again)
    ]
    assert_close(losses[1], losses[0], FLOAT32)
    assert_close(again(batch).logits, model(batch).logits, FLOAT32)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_weights_alone_are_restored(tmp_path):
    model, other = (build("masked_lm", seed=seed, **SHALLOW) for seed in (0, 1))
    ids = np.ones((1, 3), int)
    assert np.abs(model(ids).logits - other(ids).logits).max() > 0.1
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    assert_close(other(ids).logits, model(ids).logits, FLOAT32)
