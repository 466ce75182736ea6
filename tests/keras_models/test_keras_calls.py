"""The ways to call the Keras classes, eagerly and in graphs."""

import gc
import logging
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

import mobilebert
from assertions import assert_close
from keras_models.comparison import run_torch, usual
from mobilebert.errors import ArgumentError
from mobilebert.keras import inputs
from mobilebert.keras.attention import MobileBertAttention
from mobilebert.keras.outputs import OUTPUT_CLASSES
from mobilebert.tasks import TASKS
from parity.labels import TASK_FIELDS
from tf_models import SHALLOW, batch_for, build, tf_names
from tolerances import KERAS_FLOAT32

LABELS = np.arange(3) % 2


@pytest.fixture(scope="module")
def classifier():
    return build("sequence_classification", **SHALLOW)


@pytest.fixture(scope="module")
def batch(classifier):
    return batch_for(classifier)


def test_input_forms_agree(classifier, batch):
    model, wanted = classifier, classifier(**batch).logits
    tensors = {name: tf.constant(x, tf.int32) for name, x in batch.items()}
    forms = {
        "tensors by name": lambda: model(**tensors),
        "in order": lambda: model(*tensors.values()),
        "list": lambda: model(list(tensors.values())),
        "tuple": lambda: model(tuple(batch.values())),
        "list with a gap": lambda: model([*batch.values(), None, None]),
        "table": lambda: model(tensors),
        "table of arrays": lambda: model(batch),
        "table of lists": lambda: model({name: x.tolist() for name, x in batch.items()}),
        "table by name": lambda: model(input_ids=tensors),
        "list by name": lambda: model(input_ids=list(tensors.values())),
        "BatchEncoding": lambda: model(mobilebert.BatchEncoding(batch)),
        "labels in the table": lambda: model({**batch, "labels": LABELS}),
        "int64": lambda: model({name: tf.constant(x, tf.int64) for name, x in batch.items()}),
        "training given": lambda: model(tensors, training=False),
        "call": lambda: model.call(**tensors),
    }
    for name, call in forms.items():
        assert_close(call().logits, wanted, KERAS_FLOAT32, name)
    alone = model(input_ids=batch["input_ids"]).logits
    numbers = [[np.int64(x) for x in row] for row in batch["input_ids"]]
    for ids in (batch["input_ids"], batch["input_ids"].tolist(), tensors["input_ids"], numbers):
        assert_close(model(ids).logits, alone, KERAS_FLOAT32, "ids alone")
    assert_close(model(batch["input_ids"][:1].tolist()).logits, alone[:1], KERAS_FLOAT32)


def test_input_forms_agree_in_graphs(classifier, batch):
    wanted = classifier(batch).logits
    tensors = {name: tf.constant(x, tf.int32) for name, x in batch.items()}

    @tf.function
    def all_forms(table):
        ids, mask, types = (table[name] for name in batch)
        return [
            classifier(**table),
            classifier(ids, mask, types),
            classifier([ids, mask, types]),
            classifier(table),
            classifier(input_ids=table),
        ]

    for output in all_forms(tensors):
        assert_close(output.logits, wanted, KERAS_FLOAT32)
    # The model itself as a graph, arrays outside it.
    assert_close(tf.function(classifier)(tensors).logits, wanted, KERAS_FLOAT32)


@pytest.mark.parametrize("task", TASKS)
def test_flags_act_in_both_modes(task):
    model = build(task, **SHALLOW)
    batch = {name: tf.constant(x) for name, x in batch_for(model).items()}

    @tf.function(reduce_retracing=True)
    def graph():
        everything = model(batch, output_hidden_states=True, output_attentions=True)
        return everything, model(batch, return_dict=False)

    emits = list(TASKS[task].emits)
    for whole, parts in (
        graph(),
        (
            model(batch, output_hidden_states=True, output_attentions=True),
            model(batch, return_dict=False),
        ),
    ):
        assert isinstance(whole, OUTPUT_CLASSES[TASKS[task].output_name])
        assert list(whole) == [*emits, "hidden_states", "attentions"]
        assert [len(whole[name]) for name in ("hidden_states", "attentions")] == [2, 1]
        assert type(parts) is tuple
        assert len(parts) == len(emits)
        for found, name in zip(parts, emits, strict=True):
            assert_close(found, whole[name], KERAS_FLOAT32, name)


def test_the_configuration_sets_the_flags(batch):
    asked = {"output_hidden_states": True, "output_attentions": True, "return_dict": False}
    model = build("sequence_classification", **SHALLOW, **asked)
    logits, states, attentions = model(batch)
    assert (logits.shape, len(states), len(attentions)) == ((3, 2), 2, 1)
    output = model(batch, output_hidden_states=False, output_attentions=False, return_dict=True)
    assert list(output) == ["logits"]
    loss, logits = model(
        {**batch, "labels": LABELS}, output_hidden_states=False, output_attentions=False
    )
    assert (loss.shape, logits.shape) == ((), (3, 2))


def test_what_nobody_asked_for_is_freed(classifier, batch, monkeypatch):
    kept = []
    call = MobileBertAttention.call

    def spy(self, *args):
        context, probabilities = call(self, *args)
        kept.append(weakref.ref(probabilities))
        return context, probabilities

    monkeypatch.setattr(MobileBertAttention, "call", spy)
    output = classifier(batch)
    gc.collect()
    assert kept
    assert not any(reference() is not None for reference in kept)
    output = classifier(batch, output_attentions=True)
    assert kept[-1]() is output.attentions[0]


# Those that have one label for each text, not for each token.
OF_TEXTS = [
    task
    for task, row in TASKS.items()
    if row.labels and task not in ("masked_lm", "token_classification")
]


@pytest.mark.parametrize("task", OF_TEXTS)
def test_labels_without_axes_serve_a_batch_of_one(task):
    model = build(task, **SHALLOW, **TASK_FIELDS.get(task, {}))
    batch = batch_for(model, rows=1)
    names = [name for name in TASKS[task].labels if name != "labels" or task != "pretraining"]
    wanted = model(batch, **tf_names(task, {name: tf.constant([1]) for name in names})).loss
    for one in (tf.constant(1), 1, np.int64(1)):
        labels = tf_names(task, dict.fromkeys(names, one))
        assert_close(model(batch, **labels).loss, wanted, KERAS_FLOAT32)
        assert round(float(model({**batch, **labels}).loss), 2) == round(float(wanted), 2)


def test_both_names_of_the_next_sentence_label():
    model = build("next_sentence_prediction", **SHALLOW)
    batch = batch_for(model)
    named = [float(model(batch, **{n: LABELS}).loss) for n in ("labels", "next_sentence_label")]
    assert named[0] == named[1] > 0
    with pytest.raises(ArgumentError, match="give one"):
        model(batch, labels=LABELS, next_sentence_label=LABELS)


def test_dropout_acts_in_training_only():
    model = build("sequence_classification", **SHALLOW, hidden_dropout_prob=0.5)
    batch = batch_for(model)
    assert_close(model(batch).logits, model(batch, training=False).logits, KERAS_FLOAT32)
    drawn = [model(batch, training=True).logits for _ in range(2)]
    assert np.abs(drawn[0] - drawn[1]).max() > 0.01


def test_padding_without_a_mask_is_said_once(classifier, caplog):
    inputs._warn_once.cache_clear()
    ids = np.ones((2, 5), dtype=np.int32)
    with caplog.at_level(logging.WARNING, logger="mobilebert"):
        classifier(ids)
        ids[1, -1] = classifier.config.pad_token_id
        classifier(ids, attention_mask=np.ones_like(ids))
        assert not caplog.records
        classifier(ids)
        classifier(ids)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "attention_mask" in caplog.text


def test_a_model_is_a_layer_of_another_model(classifier, batch):
    names = list(batch)
    given = {name: keras.Input((None,), dtype="int32", name=name) for name in names}
    whole = keras.Model(given, keras.ops.softmax(classifier(given).logits))
    assert_close(whole(batch), tf.nn.softmax(classifier(batch).logits), KERAS_FLOAT32)
    ids = keras.Input((None,), dtype="int32")
    pooled = keras.Model(ids, build(**SHALLOW)(ids).pooler_output)
    assert pooled(batch["input_ids"]).shape == (3, 32)


def test_the_main_layer_encodes_alone(batch):
    model = build(**SHALLOW)
    found = model.mobilebert(**{name: tf.constant(x) for name, x in batch.items()})
    assert_close(found.last_hidden_state, model(batch).last_hidden_state, KERAS_FLOAT32)


def test_pruned_heads_are_left_out():
    fields = {"pruned_heads": {0: [1], 1: [0, 3]}}
    ours, theirs, batch, _ = usual("token_classification", **fields)
    mask = np.array([0.5, 1, 0.25, 2], dtype=np.float32)
    wanted = run_torch(theirs, {**batch, "head_mask": mask}).logits
    assert_close(ours(**batch, head_mask=mask).logits, wanted, KERAS_FLOAT32)
