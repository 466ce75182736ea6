"""Ways to call, train, save and serve the Keras classes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

import mobilebert
from assertions import assert_close
from mobilebert.errors import ArgumentError, InputError
from mobilebert.keras.outputs import TFSequenceClassifierOutput
from models import random_batch
from tf_models import build
from tolerances import BFLOAT16, BUNDLED_LOGITS, FLOAT32
from torch_models import build as build_torch

NAMES = ("input_ids", "attention_mask", "token_type_ids")
LABELS = np.arange(8) % 2


def inputs(model, rows=8):
    return dict(zip(NAMES, random_batch(model.config, batch=rows, length=20), strict=True))


def classifier(**fields):
    # Recording a training step takes time by the layer.
    shallow = {"num_hidden_layers": 1, "num_feedforward_networks": 2}
    model = build("sequence_classification", **(shallow | fields))
    return model, inputs(model)


def test_input_forms_agree_eagerly_and_in_graphs():
    model, batch = classifier()
    wanted = model(**batch).logits
    tensors = {name: tf.constant(x, tf.int32) for name, x in batch.items()}
    encoded = mobilebert.BatchEncoding(batch)
    calls = {
        "keywords": lambda: model(**tensors),
        "positions": lambda: model(*tensors.values()),
        "list": lambda: model(list(tensors.values())),
        "tuple": lambda: model(tuple(tensors.values())),
        "table": lambda: model(tensors),
        "keyword table": lambda: model(input_ids=tensors),
        "training given": lambda: model(tensors, training=False),
    }
    for name, call in calls.items():
        assert_close(call().logits, wanted, FLOAT32, name)
        assert_close(tf.function(call)().logits, wanted, FLOAT32, f"{name} in a graph")
    assert_close(model(encoded).logits, wanted, FLOAT32, "BatchEncoding")
    alone = model(input_ids=batch["input_ids"]).logits
    for form in (batch["input_ids"], batch["input_ids"].tolist(), tensors["input_ids"]):
        assert_close(model(form).logits, alone, FLOAT32, "ids alone")


def test_flags_act_in_both_modes():
    model, batch = classifier()

    def call(**flags):
        return model(batch, **flags)

    for run in (call, tf.function(call)):
        output = run(output_hidden_states=True, output_attentions=True)
        assert isinstance(output, TFSequenceClassifierOutput)
        assert list(output) == ["logits", "hidden_states", "attentions"]
        assert [len(output[name]) for name in ("hidden_states", "attentions")] == [2, 1]
        assert [x.shape for x in run(return_dict=False)] == [(8, 2)]
        loss, logits = run(return_dict=False, labels=LABELS)
        assert (loss.shape, logits.shape) == ((), (8, 2))


def test_labels_without_axes_and_both_names_of_the_next_sentence_label():
    model, batch = classifier()
    one = {name: x[:1] for name, x in batch.items()}
    given = model(one, labels=tf.constant(1)).loss
    assert float(given) == float(model(one, labels=tf.constant([1])).loss)
    pairs = build("next_sentence_prediction")
    named = [
        float(pairs(one, **{name: tf.constant([1])}).loss)
        for name in ("labels", "next_sentence_label")
    ]
    assert named[0] == named[1] > 0
    with pytest.raises(ArgumentError, match="give one"):
        pairs(one, labels=tf.constant([1]), next_sentence_label=tf.constant([1]))


def test_legacy_losses_are_not_reduced():
    model = build("masked_lm")
    batch = inputs(model, 3)
    labels = np.where(batch["attention_mask"] == 1, batch["input_ids"], -100)
    mean = model(**batch, labels=labels).loss
    model.config.tf_legacy_loss = True
    each = model(**batch, labels=labels).loss
    assert each.shape == ((labels != -100).sum(),)
    assert_close(np.mean(each), float(mean), FLOAT32)


WRONG = {
    "nothing": (lambda m, b: m(attention_mask=b["attention_mask"]), "either input_ids"),
    "both": (lambda m, b: m(**b, inputs_embeds=np.zeros((8, 20, 16))), "cannot specify both"),
    "unknown name": (lambda m, b: m({**b, "words": 1}), "Unknown input words"),
    "given twice": (lambda m, b: m(b, attention_mask=b["attention_mask"]), "given twice"),
    "rank": (lambda m, b: m(b["input_ids"][0]), r"must be \[batch, sequence\]"),
    "ragged": (lambda m, b: m([[1, 2], [3]]), "rows of one length"),
    "floats": (lambda m, b: m(np.zeros((2, 3))), "must hold integers"),
    "id": (lambda m, b: m(b["input_ids"] + 97), "vocabulary has 97 rows"),
    "length": (lambda m, b: m(np.ones((1, 41), int)), "41 tokens"),
    "mask": (lambda m, b: m(b["input_ids"], np.ones((8, 3))), "Wrong shape"),
    "label": (lambda m, b: m(b, labels=LABELS + 9), "allowed are 0 to 1"),
    "number of labels": (lambda m, b: m(b, labels=LABELS[:3]), "one label is needed"),
    "head mask": (lambda m, b: m(b, head_mask=np.ones(3)), r"head_mask must be \[heads=4\]"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_clear_sentence(case):
    call, message = WRONG[case]
    with pytest.raises((InputError, ArgumentError), match=message) as caught:
        call(*classifier())
    assert "\n" not in str(caught.value)


def test_ids_out_of_range_fail_inside_graphs():
    model, batch = classifier()
    run = tf.function(model, input_signature=[tf.TensorSpec((None, None), tf.int32)])
    run(tf.constant(batch["input_ids"], tf.int32))
    with pytest.raises(tf.errors.InvalidArgumentError, match="allowed are 0 to 96"):
        run(tf.constant(batch["input_ids"] + 97, tf.int32))


def test_fit_with_the_models_own_loss():
    """Labels in `y`, among the inputs, or in a dataset train alike."""
    losses = []
    for form in ("y", "inputs", "dataset"):
        model, batch = classifier(hidden_dropout_prob=0.0)
        before = float(model(**batch, labels=LABELS).loss)
        model.compile(optimizer=keras.optimizers.Adam(1e-3))
        data = {
            "y": (batch, LABELS),
            "inputs": ({**batch, "labels": LABELS},),
            "dataset": (tf.data.Dataset.from_tensor_slices({**batch, "labels": LABELS}).batch(4),),
        }[form]
        size = {} if form == "dataset" else {"batch_size": 4}
        history = model.fit(*data, epochs=4, verbose=0, shuffle=False, **size).history["loss"]
        after = float(model(**batch, labels=LABELS).loss)
        assert after < before
        assert_close(model.evaluate(*data, verbose=0, **size), after, FLOAT32)
        losses.append(history)
    assert_close(losses[1], losses[0], FLOAT32)
    assert_close(losses[2], losses[0], FLOAT32)


def test_fit_with_keras_losses_and_metrics():
    model, batch = classifier()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    wanted = model(**batch, labels=LABELS)
    found, accuracy = model.evaluate(batch, LABELS, verbose=0)
    assert_close(found, float(wanted.loss), FLOAT32)
    assert accuracy == np.mean(np.argmax(wanted.logits, -1) == LABELS)
    assert set(model.fit(batch, LABELS, verbose=0).history) == {"accuracy", "loss"}
    spans = build("question_answering", num_hidden_layers=1)
    spans.compile(optimizer="adam", loss={"start_logits": loss, "end_logits": loss})
    history = spans.fit(batch, {"start_logits": LABELS, "end_logits": LABELS}, verbose=0).history
    assert set(history) == {"start_logits_loss", "end_logits_loss", "loss"}


def test_predict_joins_the_batches():
    model, batch = classifier()
    model.config.output_hidden_states = True
    found = model.predict(mobilebert.BatchEncoding(batch), batch_size=3, verbose=0)
    wanted = model(**batch)
    assert isinstance(found, TFSequenceClassifierOutput)
    assert_close(found.logits, wanted.logits, FLOAT32)
    assert [x.shape for x in found.hidden_states] == [(8, 20, 32)] * 2


def test_fit_without_labels_is_refused():
    model, batch = classifier()
    model.compile(optimizer="adam")
    with pytest.raises(InputError, match="There is no loss: give labels"):
        model.fit(batch, verbose=0)


def test_mixed_bfloat16():
    plain, batch = classifier()
    model, _ = classifier(dtype="mixed_bfloat16")
    assert model.mobilebert.embeddings.word_embeddings.embeddings.dtype == "float32"
    assert_close(tf.cast(model(batch).logits, "float32"), plain(batch).logits, BFLOAT16)
    model.compile(optimizer="adam")
    assert np.isfinite(model.fit(batch, LABELS, verbose=0).history["loss"][0])


def test_xla_agrees():
    model, batch = classifier()
    run = tf.function(model, jit_compile=True)
    tensors = {name: tf.constant(x, tf.int32) for name, x in batch.items()}
    assert_close(run(tensors).logits, model(batch).logits, FLOAT32)


def test_a_model_is_a_layer_of_another_model():
    model, batch = classifier()
    ids = keras.Input((None,), dtype="int32")
    whole = keras.Model(ids, keras.ops.softmax(model(ids).logits))
    wanted = tf.nn.softmax(model(batch["input_ids"]).logits)
    assert_close(whole(batch["input_ids"]), wanted, FLOAT32)


# Keras itself reads variables in a way numpy 2 deprecates.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_keras_files_restore_model_and_training(tmp_path):
    model, batch = classifier(num_labels=5)
    model.pad_neighbor = "zero"
    model.compile(optimizer="adam")
    model.fit(batch, LABELS, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again) is type(model)
    assert again.config.to_dict() == model.config.to_dict()
    assert_close(again(batch).logits, model(batch).logits, FLOAT32)
    again.fit(batch, LABELS, verbose=0)


def test_saved_model_serves_any_batch_and_length(tmp_path):
    model, batch = classifier()
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served").signatures["serving_default"]
    for rows, length in ((8, 20), (2, 7)):
        part = {name: tf.constant(x[:rows, :length], tf.int32) for name, x in batch.items()}
        assert_close(served(**part)["logits"], model(part).logits, FLOAT32)


@pytest.mark.parametrize("task", ["feature_extraction", "pretraining", "multiple_choice"])
def test_checkpoints_go_to_pytorch_and_back(task, tmp_path):
    model = build(task, "teacher" if task == "pretraining" else "mobilebert")
    model.save_pretrained(tmp_path / "keras")
    class_name = type(model).__name__.removeprefix("TF")
    theirs, report = getattr(mobilebert, class_name).from_pretrained(
        tmp_path / "keras", output_loading_info=True
    )
    assert not any(report.values())
    theirs.save_pretrained(tmp_path / "torch")
    again, report = type(model).from_pretrained(
        tmp_path / "torch", from_pt=True, output_loading_info=True
    )
    assert not any(report.values())
    shape = (2, 3, 5) if task == "multiple_choice" else (2, 5)
    ids = np.arange(np.prod(shape)).reshape(shape)
    with torch.no_grad():
        wanted = theirs(torch.as_tensor(ids))[0]
    for found in (model(ids)[0], again(ids)[0]):
        assert_close(found, wanted, FLOAT32)


def test_new_weights_are_drawn_and_named():
    found = mobilebert.TFMobileBertForTokenClassification.from_pretrained(
        "mobilebert-mini-uncased", num_labels=4
    )
    assert found.newly_initialized_weights == ("classifier.weight", "classifier.bias")
    fresh = mobilebert.TFAutoModelForMaskedLM.from_config(build().config)
    words = np.asarray(fresh.get_input_embeddings().embeddings.value.numpy())
    assert 0.015 < words.std() < 0.02  # truncated at two deviations of 0.02
    assert np.abs(words).max() <= 0.04 + 1e-6
    assert not words[0].any()
    assert np.asarray(fresh.cls.predictions.dense.weight.value.numpy()).std() > 0.015


def test_the_bundled_model_fills_a_mask_as_pytorch_does():
    name, text = "mobilebert-mini-uncased", "The capital of France is [MASK]."
    tokenizer = mobilebert.AutoTokenizer.from_pretrained(name)
    model = mobilebert.TFAutoModelForMaskedLM.from_pretrained(name)
    theirs = mobilebert.AutoModelForMaskedLM.from_pretrained(name)
    found = model(tokenizer(text, return_tensors="tf")).logits
    with torch.no_grad():
        wanted = theirs(**tokenizer(text, return_tensors="pt")).logits
    assert_close(found, wanted, BUNDLED_LOGITS)


def test_pruned_heads_are_left_out():
    fields = {"pruned_heads": {0: [1], 1: [0, 3]}}
    ours = build("token_classification", **fields)
    theirs = build_torch("token_classification", **fields)
    ids = np.arange(10).reshape(2, 5)
    mask = np.array([0.5, 1, 0.25, 2], dtype=np.float32)
    with torch.no_grad():
        wanted = theirs(torch.as_tensor(ids), head_mask=torch.as_tensor(mask)).logits
    assert_close(ours(ids, head_mask=mask).logits, wanted, FLOAT32)
