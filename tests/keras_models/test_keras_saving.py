"""Keras's own files, programs for serving, and what Keras asks of a model."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from assertions import assert_close
from mobilebert.keras import TFMobileBertMainLayer, TFMobileBertModel
from mobilebert.keras.outputs import TFSequenceClassifierOutput
from mobilebert.tasks import TASKS
from parity.labels import TASK_FIELDS
from tf_models import SHALLOW, batch_for, build
from tolerances import KERAS_FLOAT32

# Keras itself reads variables in a way numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def model_of(task, **fields):
    return build(task, **(SHALLOW | TASK_FIELDS.get(task, {}) | fields))


def model_like(model):
    again = type(model).from_config(json.loads(json.dumps(model.get_config())))
    again.set_weights(model.get_weights())
    return again


def assert_same_results(found, wanted):
    for name in wanted:
        assert_close(found[name], wanted[name], KERAS_FLOAT32, name)


@pytest.mark.parametrize("task", TASKS)
def test_saved_models_serve_any_batch_and_length(task, tmp_path):
    model = model_of(task)
    model.export(tmp_path, verbose=False)
    loaded = tf.saved_model.load(tmp_path)
    served = loaded.signatures["serving_default"]
    signature = served.structured_input_signature[1]
    assert set(signature) == {"input_ids", "attention_mask", "token_type_ids"}
    assert {spec.dtype for spec in signature.values()} == {tf.int32}
    whole = batch_for(model, rows=4, length=20)
    for rows, length in ((4, 20), (2, 7)):
        part = {n: tf.constant(x[:rows, ..., :length], tf.int32) for n, x in whole.items()}
        wanted = model(part)
        assert_same_results(served(**part), wanted)
        assert_same_results(loaded.serve(part), wanted)


def test_saved_models_refuse_ids_outside_the_vocabulary(tmp_path):
    model = model_of("feature_extraction")
    model.export(tmp_path, verbose=False)
    served = tf.saved_model.load(tmp_path).signatures["serving_default"]
    batch = {n: tf.constant(x, tf.int32) for n, x in batch_for(model).items()}
    with pytest.raises(tf.errors.InvalidArgumentError, match="input_ids holds an id outside"):
        served(**{**batch, "input_ids": batch["input_ids"] + 97})


@pytest.mark.filterwarnings(r"ignore:\s*Warning. tf.lite.Interpreter is deprecated:UserWarning")
@pytest.mark.parametrize("task", ["masked_lm", "question_answering", "multiple_choice"])
def test_saved_models_become_litert_models_of_built_in_operations(task, tmp_path):
    model = model_of(task)
    model.export(tmp_path, verbose=False)
    converted = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path)).convert()
    served = tf.lite.Interpreter(model_content=converted).get_signature_runner()
    whole = batch_for(model, rows=4, length=20)
    for rows, length in ((4, 20), (2, 7)):
        part = {n: x[:rows, ..., :length].astype(np.int32) for n, x in whole.items()}
        assert_same_results(served(**part), model(part))


@pytest.mark.parametrize("task", TASKS)
def test_keras_files_restore_every_class(task, tmp_path):
    model = model_of(task)
    model.pad_neighbor = "zero"
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again) is type(model)
    assert again.config.to_dict() == model.config.to_dict()
    assert again.pad_neighbor == "zero"
    batch = batch_for(model)
    assert_same_results(again(batch), model(batch))
    with pytest.raises(AssertionError):  # the twin
        assert_same_results(again(batch, pad_neighbor="pad_embedding"), model(batch))


def test_keras_files_restore_an_encoder_without_pooler(tmp_path):
    model = TFMobileBertModel(model_of("feature_extraction").config, add_pooling_layer=False)
    model.save(tmp_path / "model.keras")
    batch = batch_for(model)
    for again in (keras.saving.load_model(tmp_path / "model.keras"), model_like(model)):
        assert again.mobilebert.pooler is None
        assert again(batch).pooler_output is None
        assert_same_results(again(batch), {"last_hidden_state": model(batch).last_hidden_state})


def test_keras_files_restore_training(tmp_path):
    model = model_of("sequence_classification", hidden_dropout_prob=0.0)
    batch, labels = batch_for(model), np.arange(3)
    model.compile("adam", run_eagerly=True)
    model.fit(batch, labels, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    losses = [one.fit(batch, labels, verbose=0).history["loss"] for one in (model, again)]
    assert_close(losses[1], losses[0], KERAS_FLOAT32)
    # The optimizer's moments too: without them the step would have been another.
    assert_same_results(again(batch), model(batch))


def test_weights_files(tmp_path):
    model = model_of("masked_lm")
    model.save_weights(tmp_path / "model.weights.h5")
    again = type(model)(model.config)
    again.load_weights(tmp_path / "model.weights.h5")
    batch = batch_for(model)
    assert_same_results(again(batch), model(batch))


@pytest.mark.parametrize("task", TASKS)
def test_configurations_build_the_same_model(task):
    model = model_of(task)
    model.pad_neighbor = "zero"
    config = json.loads(json.dumps(model.get_config()))
    for again in (type(model).from_config(config), keras.models.clone_model(model)):
        assert again.config.to_dict() == model.config.to_dict()
        assert again.pad_neighbor == "zero"
        again.set_weights(model.get_weights())
        batch = batch_for(model)
        assert_same_results(again(batch), model(batch))


def test_summary():
    lines = []
    model = model_of("sequence_classification")
    model.summary(print_fn=lines.append, expand_nested=True)
    text = "\n".join(map(str, lines))
    assert "TFMobileBertMainLayer" in text
    assert f"{model.num_parameters():,}" in text


def test_functional_models_are_saved(tmp_path):
    model = model_of("sequence_classification")
    ids = keras.Input((None,), dtype="int32")
    whole = keras.Model(ids, keras.ops.softmax(model(ids).logits))
    whole.save(tmp_path / "whole.keras")
    again = keras.saving.load_model(tmp_path / "whole.keras")
    batch = batch_for(model)["input_ids"]
    assert_close(again(batch), whole(batch), KERAS_FLOAT32)
    assert isinstance(model(batch), TFSequenceClassifierOutput)


@pytest.mark.parametrize("pooled", [False, True])
def test_functional_models_of_the_main_layer_are_saved(tmp_path, pooled):
    config = model_of("feature_extraction", output_hidden_states=True).config
    layer = TFMobileBertMainLayer(config, pooled, pad_neighbor="zero", name="words")
    ids, mask = (keras.Input((None,), dtype="int32") for _ in range(2))
    output = layer(ids, attention_mask=mask)
    last = output.pooler_output if pooled else output.last_hidden_state
    whole = keras.Model([ids, mask], keras.layers.Dense(2)(last))
    whole.save(tmp_path / "whole.keras")
    again = keras.saving.load_model(tmp_path / "whole.keras")
    found = again.get_layer("words")
    assert found.config.to_dict() == config.to_dict()
    assert (found.pooler is not None, found.pad_neighbor) == (pooled, "zero")
    batch = batch_for(model_of("feature_extraction"))
    given = [batch["input_ids"], batch["attention_mask"]]
    assert_close(again(given), whole(given), KERAS_FLOAT32)


@pytest.mark.parametrize("kind", ["model", "layer"])
def test_what_is_frozen_in_a_functional_model_stays_so(tmp_path, kind):
    model = model_of("feature_extraction")
    part = model if kind == "model" else TFMobileBertMainLayer(model.config)
    part.trainable = False
    ids = keras.Input((None,), dtype="int32")
    whole = keras.Model(ids, keras.layers.Dense(2)(part(ids).last_hidden_state))
    whole.save(tmp_path / "whole.keras")
    again = keras.saving.load_model(tmp_path / "whole.keras")
    assert len(again.trainable_variables) == len(whole.trainable_variables) == 2
    assert not type(part)(model.config, trainable=False).trainable_variables
