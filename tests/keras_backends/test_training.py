"""`fit`, `evaluate` and what they learn, on whatever Keras runs."""

import keras
import numpy as np
import pytest

from assertions import assert_close
from keras_backends.numpy_losses import LABELS, loss
from mobilebert.errors import InputError
from mobilebert.keras.variables import read
from mobilebert.reference import forward
from small_keras import batch_for, build
from tolerances import FLOAT32

CLASSES = np.arange(8) % 2
# Recording a training step takes time by the layer.
SHALLOW = {"num_hidden_layers": 1, "num_feedforward_networks": 2}


def classifier(**fields):
    model = build("sequence_classification", **(SHALLOW | fields))
    return model, batch_for(model, rows=8)


def test_fit_with_the_models_own_loss():
    """Labels in `y` and among the inputs train alike."""
    histories = []
    for form in ("y", "inputs"):
        model, batch = classifier()
        before = float(model(**batch, labels=CLASSES).loss)
        model.compile(optimizer=keras.optimizers.SGD(0.01))
        data = {"y": (batch, CLASSES), "inputs": ({**batch, "labels": CLASSES},)}[form]
        settings = {"verbose": 0, "batch_size": 4}
        histories.append(model.fit(*data, epochs=3, shuffle=False, **settings).history["loss"])
        after = float(model(**batch, labels=CLASSES).loss)
        assert after < before
        assert_close(model.evaluate(*data, **settings), after, FLOAT32)
    assert_close(histories[1], histories[0], FLOAT32)


def test_fit_with_keras_losses_and_metrics():
    model, batch = classifier()
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss=criterion, metrics=["accuracy"])
    wanted = model(**batch, labels=CLASSES)
    found, accuracy = model.evaluate(batch, CLASSES, verbose=0)
    assert_close(found, float(wanted.loss), FLOAT32)
    answers = keras.ops.convert_to_numpy(wanted.logits).argmax(-1)
    assert_close(accuracy, np.mean(answers == CLASSES), FLOAT32)
    history = model.fit(batch, CLASSES, epochs=3, verbose=0).history
    assert set(history) == {"accuracy", "loss"}
    assert history["loss"][-1] < history["loss"][0]


def test_fit_with_a_keras_loss_for_each_output():
    model = build("question_answering", **SHALLOW)
    batch, positions = batch_for(model, rows=8), {"start_logits": CLASSES, "end_logits": CLASSES}
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="sgd", loss=dict.fromkeys(positions, criterion))
    history = model.fit(batch, positions, verbose=0).history
    assert set(history) == {"start_logits_loss", "end_logits_loss", "loss"}


# A power of two: the variables lose no digits, and move far enough to show small gradients.
RATE = 1024.0


@pytest.mark.parametrize("case", ["pre-training", "choices", "span"])
def test_training_follows_the_slope_of_the_reference(case):
    """One step of plain gradient descent, along one direction in each tensor."""
    task, fields, labels, _ = LABELS[case]
    model = build(task, **(SHALLOW | fields))
    batch = batch_for(model)
    # The padding token is left out: looking it up trains no weight.
    batch["input_ids"] = np.maximum(batch["input_ids"], 1)
    before = {name: x.astype(np.float64) for name, x in read(model, model.weight_specs()).items()}

    def loss_at(tensors):
        outputs = forward(tensors, model.config, task, **batch, pad_neighbor="pad_embedding")
        return loss(case, outputs)

    model.compile(optimizer=keras.optimizers.SGD(RATE))
    assert_close(model.train_on_batch({**batch, **labels}), loss_at(before), FLOAT32)
    after = read(model, model.weight_specs())
    rng, step = np.random.default_rng(5), 1e-5
    found, wanted = {}, {}
    for name, value in before.items():
        direction = rng.standard_normal(value.shape)
        found[name] = ((value - after[name]) * direction).sum() / RATE
        ahead, behind = (
            loss_at(before | {name: value + sign * step * direction}) for sign in (1, -1)
        )
        wanted[name] = (ahead - behind) / (2 * step)
    assert_close(list(found.values()), list(wanted.values()), FLOAT32, ", ".join(found))
    moved = [name for name in wanted if abs(wanted[name]) > 1e-4]
    assert len(moved) > 0.8 * len(wanted)


def test_dropout_acts_in_training_only_and_follows_the_seed():
    histories = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        # Dropout of the head alone.
        model, batch = classifier(hidden_dropout_prob=0.0, classifier_dropout=0.5)
        model.compile(optimizer=keras.optimizers.SGD(0.0))
        histories.append([float(model.train_on_batch(batch, CLASSES)) for _ in range(3)])
    assert len(set(histories[0])) == 3
    assert histories[0] == histories[1]
    tested = [model.evaluate(batch, CLASSES, verbose=0) for _ in range(2)]
    assert tested[0] == tested[1]
    drawn = [float(model(batch, labels=CLASSES, training=True).loss) for _ in range(2)]
    assert drawn[0] != drawn[1]


def test_dropout_inside_the_encoder_acts_in_training():
    model, batch = classifier(hidden_dropout_prob=0.5, classifier_dropout=0.0)
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    assert len({float(model.train_on_batch(batch, CLASSES)) for _ in range(3)}) == 3


def test_mixed_bfloat16_trains():
    model, batch = classifier(dtype="mixed_bfloat16")
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    history = model.fit(batch, CLASSES, epochs=4, verbose=0).history["loss"]
    assert np.isfinite(history).all()
    assert history[-1] < history[0]


def test_fit_without_labels_is_refused():
    model, batch = classifier()
    model.compile(optimizer="adam")
    with pytest.raises(InputError, match="There is no loss: give labels"):
        model.fit(batch, verbose=0)


def test_unreduced_losses_need_sizes_that_may_vary(compiled):
    """JAX compiles for fixed sizes, and says so; TensorFlow does not."""
    model, batch = classifier(tf_legacy_loss=True)
    labels = np.where(CLASSES == 0, -100, CLASSES)
    assert model(**batch, labels=labels).loss.shape == (4,)
    tensors = {name: x.astype(np.int32) for name, x in batch.items()}

    def call():
        return compiled(lambda y: model(tensors, labels=y).loss)(labels.astype(np.int32))

    if keras.backend.backend() == "jax":
        with pytest.raises(InputError, match="tf_legacy_loss .* fixed sizes"):
            call()
    else:
        assert call().shape == (4,)
