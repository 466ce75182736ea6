"""Other precisions and compilation by XLA."""

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

from assertions import assert_close
from keras_models.comparison import usual
from mobilebert.keras import TFMobileBertMainLayer
from mobilebert.tasks import TASKS
from models import VARIANTS
from parity.labels import TASK_FIELDS
from tf_models import SHALLOW, batch_for, build, tf_names
from tolerances import BFLOAT16, FLOAT16_SCORE, KERAS_FLOAT32

# Bound on the outputs of the small models by the type they compute in.
BOUNDS = {"bfloat16": BFLOAT16, "float16": FLOAT16_SCORE}


@pytest.mark.parametrize(
    ("policy", "task"),
    [("mixed_bfloat16", task) for task in TASKS]
    + [(policy, "pretraining") for policy in ("mixed_float16", "bfloat16", "float16")],
)
def test_other_precisions_are_near(policy, task):
    fields = SHALLOW | TASK_FIELDS.get(task, {})
    plain, _, batch, labels = usual(task, **fields)
    model = build(task, dtype=policy, **fields)
    # One row may attend to nothing: the lowest number of float16 leaves no room below it.
    batch["attention_mask"][1] = 0
    stored = model.mobilebert.embeddings.word_embeddings.embeddings.dtype
    assert stored == ("float32" if "mixed" in policy else policy)
    wanted = plain(**batch, **tf_names(task, labels))
    found = model(**batch, **tf_names(task, labels))
    kind = policy.removeprefix("mixed_")
    for name in TASKS[task].emits:
        assert found[name].dtype == kind
        assert_close(tf.cast(found[name], "float32"), wanted[name], BOUNDS[kind], name)
    if labels:
        assert found.loss.dtype == "float32"
        assert_close(found.loss, wanted.loss, BOUNDS[kind], "loss")


@pytest.mark.parametrize("variant", VARIANTS)
def test_mixed_precision_of_every_variant_is_finite(variant):
    model = build("masked_lm", variant, dtype="mixed_bfloat16")
    assert np.isfinite(tf.cast(model(batch_for(model)).logits, "float32")).all()


# Keras itself reads variables in a way numpy 2 deprecates.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_the_main_layer_has_its_own_precision(tmp_path):
    config = build(**SHALLOW).config
    layer = TFMobileBertMainLayer(config, False, dtype="mixed_bfloat16", name="words")
    ids = keras.Input((None,), dtype="int32")
    whole = keras.Model(ids, layer(ids).last_hidden_state)
    whole.save(tmp_path / "whole.keras")
    for model in (whole, keras.saving.load_model(tmp_path / "whole.keras")):
        query = model.get_layer("words").encoder.layer[0].attention.self.query
        assert (query.compute_dtype, query.variable_dtype) == ("bfloat16", "float32")
    half = TFMobileBertMainLayer(config, dtype="bfloat16")
    assert {variable.dtype for variable in half.trainable_variables} == {"bfloat16"}
    assert keras.config.dtype_policy().name == "float32"


def test_float16_is_warned_about(caplog):
    with caplog.at_level(logging.WARNING, logger="mobilebert"):
        build(dtype="mixed_bfloat16", **SHALLOW)
        assert not caplog.records
        build(dtype="mixed_float16", **SHALLOW)
    assert "mixed_bfloat16" in caplog.text


@pytest.mark.parametrize("task", ["pretraining", "question_answering", "multiple_choice"])
def test_xla_agrees(task):
    model, _, batch, labels = usual(task, **(SHALLOW | TASK_FIELDS.get(task, {})))
    tensors = {name: tf.constant(x, tf.int32) for name, x in batch.items()}
    labels = tf_names(task, {name: tf.constant(x, tf.int32) for name, x in labels.items()})
    wanted = model(tensors, **labels)
    found = tf.function(model, jit_compile=True)(tensors, **labels)
    assert list(found) == list(wanted)
    for name in wanted:
        assert_close(found[name], wanted[name], KERAS_FLOAT32, name)
