"""Pipelines on Keras, whatever it runs on, answer as on numpy, and independently of the batch."""

import keras
import numpy as np
import pytest

import mobilebert
from assertions import assert_close
from mobilebert.backend import TokenBatch
from mobilebert.errors import InputError
from mobilebert.keras import programs
from mobilebert.keras.backend import KerasBackend
from mobilebert.numpy_backend import NumpyBackend
from mobilebert.pipelines import pipeline
from mobilebert.tasks import PIPELINE_TASKS, TASKS
from models import random_batch, random_tensors, small_config
from pipelines.random_checkpoints import OVERRIDES, write_checkpoint
from pipelines.test_batching import INPUTS, assert_same
from tolerances import FLOAT32, FLOAT64

ON_JAX = keras.backend.backend() == "jax"

# Recording and compiling take time by the layer.
SHALLOW = {"num_hidden_layers": 1, "num_feedforward_networks": 2}


@pytest.mark.parametrize("task", PIPELINE_TASKS)
def test_answers_are_those_of_numpy_in_any_batch(task, tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "EAGER_RUNS", 0)
    monkeypatch.setattr(programs, "SHORTEST", 64)  # one length, so few programs
    settings = SHALLOW | OVERRIDES.get(task, {})
    directory = write_checkpoint(tmp_path, PIPELINE_TASKS[task], **settings)
    inputs, options = INPUTS[task]
    answerer = pipeline(task, directory, backend="keras", **options)
    wanted = pipeline(task, directory, backend="numpy", **options)(inputs)
    assert_same(answerer(inputs), wanted)
    assert_same(answerer(inputs[::-1], batch_size=2), wanted[::-1])


def test_a_model_object_is_asked_where_it_is(tmp_path):
    directory = write_checkpoint(tmp_path, "sequence_classification", **SHALLOW)
    model = mobilebert.TFMobileBertForSequenceClassification.from_pretrained(directory)
    answerer = pipeline(model=model, top_k=None)
    before = answerer("a text")
    assert_same(before, pipeline(model=directory, top_k=None, dtype="float32")("a text"))
    bias = model.classifier.bias
    bias.assign(bias + np.array([0.0, 3.0, 0.0], np.float32))
    assert answerer("a text") != before
    vectors = pipeline("feature-extraction", model)("a text", return_tensors=True)
    assert keras.ops.is_tensor(vectors)


def batch_for(config, rows, length):
    return TokenBatch(*random_batch(config, rows, length))


@pytest.mark.parametrize("task", ["pretraining", "sequence_classification"])
def test_few_programs_serve_all_shapes(task, monkeypatch):
    """A batch may get rows and padding; its outputs are without."""
    monkeypatch.setattr(programs, "EAGER_RUNS", 0)
    recorded, forward = [], KerasBackend._forward
    monkeypatch.setattr(
        KerasBackend, "_forward", lambda *args: recorded.append(1) or forward(*args)
    )
    config = small_config(**SHALLOW, max_position_embeddings=21, num_labels=16)
    tensors = random_tensors(config, task)
    backend = KerasBackend(tensors, config, task)
    reference = NumpyBackend(tensors, config, task, dtype="float64")
    for rows, length in ((3, 7), (4, 16), (3, 21), (4, 18)):
        batch = batch_for(config, rows, length)
        positions = np.array([[0, length - 1], [2, 0], [1, 1]]) if TASKS[task].vocabulary else None
        wanted = reference.run(batch, positions)
        found = backend.run(batch, positions)
        for name, array in wanted.items():
            assert_close(found[name], array, FLOAT32, f"{name} of {rows} x {length}")
    assert len(recorded) == (2 if ON_JAX else 1)


def test_no_padding_is_added_where_it_would_be_seen():
    """With the padding token's row as neighbour the last token sees whether there is padding."""
    config = small_config(**SHALLOW)
    tensors = random_tensors(config)
    batch = batch_for(config, 1, 7)
    outputs = [
        kind(tensors, config, "feature_extraction", pad_neighbor="pad_embedding").run(batch)
        for kind in (KerasBackend, NumpyBackend)
    ]
    for name, array in outputs[1].items():
        assert_close(outputs[0][name], array, FLOAT32, name)


def test_float64():
    config = small_config(**SHALLOW)
    tensors = random_tensors(config)
    if ON_JAX:
        with pytest.raises(InputError, match="float64 here; JAX needs jax_enable_x64"):
            KerasBackend(tensors, config, "feature_extraction", dtype="float64")
        return
    batch = batch_for(config, 2, 7)
    found = KerasBackend(tensors, config, "feature_extraction", dtype="float64").run(batch)
    wanted = NumpyBackend(tensors, config, "feature_extraction", dtype="float64").run(batch)
    for name, array in wanted.items():
        assert_close(found[name], array, FLOAT64, name)


def test_the_device_is_the_one_that_is_there():
    config = small_config(**SHALLOW)
    backend = KerasBackend(random_tensors(config), config, "feature_extraction")
    for device in (None, "cpu", -1, "cpu:0"):
        assert KerasBackend.from_model(backend.model, device=device).run(batch_for(config, 1, 3))
