"""`fit`, `evaluate` and `predict`."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import mobilebert
from assertions import assert_close
from keras_models.comparison import usual
from mobilebert.errors import InputError
from mobilebert.keras.outputs import OUTPUT_CLASSES, TFSequenceClassifierOutput
from mobilebert.tasks import TASKS
from tf_models import SHALLOW, batch_for, build, tf_names
from tolerances import KERAS_FLOAT32

LABELS = np.arange(8) % 2
CROSS_ENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def classifier(**fields):
    model = build("sequence_classification", **(SHALLOW | {"hidden_dropout_prob": 0.0} | fields))
    return model, batch_for(model, rows=8, length=20)


def test_labels_train_alike_wherever_they_stand():
    """In `y`, among the inputs, or in a dataset; by a graph (once) and operation by operation."""
    losses = {}
    for form in ("graph", "inputs", "pairs", "encoding"):
        model, batch = classifier()
        before = float(model(**batch, labels=LABELS).loss)
        whole = {**batch, "labels": LABELS}
        data = {
            "inputs": (tf.data.Dataset.from_tensor_slices(whole).batch(4),),
            "pairs": (tf.data.Dataset.from_tensor_slices((batch, LABELS)).batch(4),),
            "encoding": (mobilebert.BatchEncoding(whole),),
        }.get(form, (batch, LABELS))
        options = {} if isinstance(data[0], tf.data.Dataset) else {"batch_size": 4}
        model.compile(keras.optimizers.SGD(1e-3), run_eagerly=form != "graph")
        history = model.fit(*data, epochs=2, verbose=0, shuffle=False, **options).history["loss"]
        after = float(model(**batch, labels=LABELS).loss)
        assert after < before
        assert_close(model.evaluate(*data, verbose=0, **options), after, KERAS_FLOAT32)
        losses[form] = history
    for form, history in losses.items():
        assert_close(history, losses["graph"], KERAS_FLOAT32, form)


TUPLES = {"return_dict": False, "output_attentions": True}


@pytest.mark.parametrize(
    ("task", "fields"),
    [(task, {}) for task, row in TASKS.items() if row.labels]
    + [(task, TUPLES) for task in ("pretraining", "sequence_classification")],
)
def test_every_class_trains_by_its_own_loss(task, fields):
    model, _, batch, labels = usual(task, **SHALLOW, **fields)
    model.config.hidden_dropout_prob = 0.0
    named = tf_names(task, labels)
    wanted = float(model(**batch, **named, return_dict=True).loss)
    model.compile("sgd", run_eagerly=True)
    for data in (({**batch, **named}, None), (batch, labels), (batch, named)):
        assert_close(model.evaluate(*data, verbose=0), wanted, KERAS_FLOAT32)
    if len(labels) == 1:
        assert_close(model.evaluate(batch, labels["labels"], verbose=0), wanted, KERAS_FLOAT32)
    assert_close(model.train_on_batch({**batch, **named}), wanted, KERAS_FLOAT32)
    assert model.test_on_batch(batch, labels) < wanted
    found = model.predict({**batch, **named}, verbose=0)
    assert isinstance(found, OUTPUT_CLASSES[TASKS[task].output_name])
    extra = ["attentions"] if fields else []
    assert list(found) == [*TASKS[task].emits, *extra]


def test_keras_losses_and_metrics():
    model, batch = classifier()
    model.compile("sgd", loss=CROSS_ENTROPY, metrics=["accuracy"], run_eagerly=True)
    wanted = model(**batch, labels=LABELS)
    for data in ((batch, LABELS), ({**batch, "labels": LABELS},)):
        found, accuracy = model.evaluate(*data, verbose=0)
        assert_close(found, float(wanted.loss), KERAS_FLOAT32)
        assert accuracy == np.mean(np.argmax(wanted.logits, -1) == LABELS)
    history = model.fit(batch, LABELS, validation_data=(batch, LABELS), verbose=0).history
    assert set(history) == {"accuracy", "loss", "val_accuracy", "val_loss"}


@pytest.mark.parametrize("form", ["pair", "list", "weights", "inputs", "in order", "data set"])
def test_what_is_judged_by_may_be_a_tokenizers_result(form):
    model, batch = classifier()
    encoding, whole = mobilebert.BatchEncoding(batch), {**batch, "labels": LABELS}
    data = {
        "list": [encoding, LABELS],
        "weights": (encoding, LABELS, np.ones(len(LABELS), np.float32)),
        "inputs": mobilebert.BatchEncoding(whole),
        "data set": tf.data.Dataset.from_tensor_slices(whole).batch(4),
    }.get(form, (encoding, LABELS))
    loss = CROSS_ENTROPY if form == "weights" else None
    model.compile(keras.optimizers.SGD(0.0), loss=loss, run_eagerly=True)
    if form == "in order":
        found = model.fit(encoding, LABELS, 4, 2, 0, None, 0.0, data, False)
    else:
        found = model.fit(encoding, LABELS, verbose=0, epochs=2, validation_data=data)
    wanted = float(model(**whole).loss)
    for losses in (found.history["loss"], found.history["val_loss"]):
        assert_close(losses, [wanted, wanted], KERAS_FLOAT32)


def test_a_keras_loss_for_each_output():
    spans = build("question_answering", **SHALLOW)
    batch = batch_for(spans, rows=8, length=20)
    loss = {"start_logits": CROSS_ENTROPY, "end_logits": CROSS_ENTROPY}
    spans.compile("sgd", loss=loss, run_eagerly=True)
    for names in (("start_logits", "end_logits"), ("start_positions", "end_positions")):
        history = spans.fit(batch, dict.fromkeys(names, LABELS), verbose=0).history
        assert set(history) == {"start_logits_loss", "end_logits_loss", "loss"}


def test_weights_of_samples_need_a_keras_loss():
    model, batch = classifier()
    model.compile("sgd", loss=CROSS_ENTROPY, run_eagerly=True)
    weights = LABELS.astype(np.float32)
    wanted = model({n: x[1::2] for n, x in batch.items()}, labels=LABELS[1::2]).loss / 2
    found = model.evaluate(batch, LABELS, sample_weight=weights, verbose=0)
    assert_close(found, wanted, KERAS_FLOAT32)
    model.compile("sgd", run_eagerly=True)
    with pytest.raises(InputError, match=r"need a Keras loss: compile\(loss="):
        model.fit(batch, LABELS, sample_weight=weights, verbose=0)


def test_several_labels_after_classes():
    # The kind of problem follows the labels, also those in `y`.
    model, batch = classifier(num_labels=3)
    model(**batch, labels=LABELS)
    assert model.config.problem_type == "single_label_classification"
    model.compile("sgd", run_eagerly=True)
    several = np.eye(3, dtype=np.float32)[LABELS]
    model.fit(batch, several, verbose=0)
    assert model.config.problem_type == "multi_label_classification"


@pytest.mark.parametrize("name", ["auto", "auto_with_warning", "passthrough"])
def test_transformers_names_of_the_own_loss(name):
    model, batch = classifier()
    for arguments, keywords in ((("sgd", name), {}), ((), {"loss": name})):
        model.compile(*arguments, **keywords)
        assert_close(
            model.evaluate(batch, LABELS, verbose=0), own_loss(model, batch), KERAS_FLOAT32
        )


def own_loss(model, batch):
    return float(model(**batch, labels=LABELS).loss)


def test_regularisers_are_added():
    model, batch = classifier()
    plain = float(model(**batch, labels=LABELS).loss)
    model.classifier.kernel_regularizer = keras.regularizers.L2(1.0)
    model.classifier.kernel.regularizer = model.classifier.kernel_regularizer
    model.compile("sgd", run_eagerly=True)
    added = float(keras.ops.sum(keras.ops.square(model.classifier.kernel)))
    assert_close(model.evaluate(batch, LABELS, verbose=0), plain + added, KERAS_FLOAT32)


def test_frozen_variables_stay():
    model, batch = classifier()
    model.mobilebert.trainable = False
    before = model.mobilebert.embeddings.word_embeddings.embeddings.numpy()
    head = model.classifier.kernel.numpy()
    model.compile("sgd", run_eagerly=True)
    model.fit(batch, LABELS, verbose=0)
    assert np.array_equal(model.mobilebert.embeddings.word_embeddings.embeddings.numpy(), before)
    assert not np.array_equal(model.classifier.kernel.numpy(), head)


def test_a_table_without_numbers_does_not_train():
    """Keras would warn that it has no gradient."""
    fields = {"hidden_dropout_prob": 0.0, "embedding_size": 32}
    model = build("masked_lm", **SHALLOW, **fields)
    batch = batch_for(model, rows=8, length=20)
    names = [variable.path for variable in model.weights]
    model.compile("sgd", run_eagerly=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(batch, batch["input_ids"], verbose=0)
    extension = model.cls.predictions.dense.weight
    model.resize_token_embeddings(120)
    assert model.cls.predictions.dense.weight.shape == (0, 120)
    assert not model.cls.predictions.dense.weight.trainable
    assert not any(variable is extension for variable in model.weights)
    assert [variable.path for variable in model.weights] == names


def test_predict_joins_the_batches():
    model, batch = classifier(output_hidden_states=True)
    found = model.predict(mobilebert.BatchEncoding(batch), batch_size=3, verbose=0)
    wanted = model(**batch)
    assert isinstance(found, TFSequenceClassifierOutput)
    assert_close(found.logits, wanted.logits, KERAS_FLOAT32)
    assert [x.shape for x in found.hidden_states] == [(8, 20, 32)] * 2


def test_mixed_precision_trains():
    model, batch = classifier(dtype="mixed_bfloat16")
    model.compile("sgd", run_eagerly=True)
    history = model.fit(batch, LABELS, epochs=2, verbose=0).history["loss"]
    assert history[1] < history[0]
