"""Our Keras and PyTorch classes against transformers' TensorFlow classes, through files.

Those classes run in an environment of their own (conftest.py); peer.py says what they do there.
"""

import json
import logging

import numpy as np
import pytest
import torch

import mobilebert
from assertions import assert_close, relative_error
from keras_models.oracle.cases import CASES
from keras_models.oracle.outputs import flat
from mobilebert.keras.variables import read, variables
from mobilebert.tasks import TASKS
from tolerances import FLOAT32

EVERYTHING = {"output_hidden_states": True, "output_attentions": True}
FILES = [(name, form) for name, case in CASES.items() for form in case.forms]


def keras_class(name):
    return getattr(mobilebert, f"TF{TASKS[CASES[name].task].class_name}")


def torch_class(name):
    return getattr(mobilebert, TASKS[CASES[name].task].class_name)


def loaded(cls, place, **options):
    """Load a model; every tensor of the file has a place, and every place a tensor."""
    model, report = cls.from_pretrained(place, output_loading_info=True, **options)
    assert not any(report.values()), report
    return model


def run_torch(model, batch):
    with torch.no_grad():
        return flat(model(**{n: torch.as_tensor(x) for n, x in batch.items()}, **EVERYTHING))


def assert_same(found, wanted):
    wanted = {name: array for name, array in wanted.items() if "loss" not in name}
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert_close(found[name], array, FLOAT32, name)


@pytest.mark.parametrize(("name", "form"), FILES)
def test_their_files_give_their_answers(exchanged, name, form):
    place = exchanged / name / "theirs"
    wanted = np.load(place / "answers.npz")
    model = loaded(keras_class(name), place / form)
    batch = CASES[name].inputs(model.config)
    assert_same(flat(model(**batch, **EVERYTHING)), wanted)
    theirs = loaded(torch_class(name), place / form, from_tf=True)
    assert_same(run_torch(theirs, batch), wanted)


@pytest.mark.parametrize("name", CASES)
def test_they_answer_as_we_do(exchanged, name):
    wanted = np.load(exchanged / name / "read" / "answers.npz")
    report = json.loads((exchanged / name / "read" / "report.json").read_text())
    assert report == {"missing_keys": [], "unexpected_keys": [], "mismatched_keys": []}
    model = CASES[name].model()
    batch = CASES[name].inputs(model.config)
    assert_same(flat(model(**batch, **EVERYTHING)), wanted)


def test_every_class_is_compared(exchanged):
    for form in ("h5", "safetensors"):
        classes = {keras_class(name).__name__ for name, found in FILES if found == form}
        assert classes == {f"TF{row.class_name}" for row in TASKS.values()}
    assert len(classes) == 8
    for name in CASES:
        plan = json.loads((exchanged / name / "case.json").read_text())
        assert plan["class"] == keras_class(name).__name__
    names = {
        "h5": "tf_model.h5",
        "safetensors": "model.safetensors",
        "h5 shards": "tf_model.h5.index.json",
        "safetensors shards": "model.safetensors.index.json",
    }
    for name, form in FILES:
        files = {file.name for file in (exchanged / name / "theirs" / form).iterdir()}
        assert names[form] in files


@pytest.mark.parametrize("name", [task for task, row in TASKS.items() if row.labels])
def test_losses_are_the_means_of_theirs(exchanged, name):
    """Theirs have shape (1,) or (B,), and with `tf_legacy_loss` some are not reduced at all."""
    model = CASES[name].model()
    wanted = np.load(exchanged / name / "read" / "answers.npz")
    batch = CASES[name].inputs(model.config) | CASES[name].labels(model.config)
    found = model(**batch).loss
    assert found.shape == ()
    assert_close(found, wanted["loss"].mean(), FLOAT32, "loss")
    model.config.tf_legacy_loss = True
    # The sum of two losses is a number with us, an array of one number there.
    assert_close(np.atleast_1d(model(**batch).loss), wanted["legacy loss"], FLOAT32, name)


@pytest.mark.parametrize("task", TASKS)
def test_a_changed_weight_is_noticed(exchanged, task):
    """The twin: the comparisons above fail for a variable that is moved, of encoder or head."""
    for place, answers, number in (("ours", "read", -1), ("theirs/h5", "theirs", 30)):
        wanted = np.load(exchanged / task / answers / "answers.npz")
        model = loaded(keras_class(task), exchanged / task / place)
        rows = variables(model, model.weight_specs())
        name, (_, variable) = list(rows.items())[number]
        variable.assign(variable.value * 1.02 + 0.02)
        found = flat(model(**CASES[task].inputs(model.config)))
        assert max(relative_error(found[n], wanted[n]) for n in found) > 5 * FLOAT32, name


def test_a_decoder_trained_there_stays_one_of_its_own(exchanged, caplog):
    place = exchanged / "masked_lm, trained" / "theirs" / "h5"
    with caplog.at_level(logging.WARNING, logger="mobilebert"):
        model = mobilebert.TFAutoModelForMaskedLM.from_pretrained(place)
    assert "tie_word_embeddings=False" in caplog.text
    assert not model.config.tie_word_embeddings
    assert mobilebert.MobileBertConfig.from_pretrained(place).tie_word_embeddings
    arrays = mobilebert.load_checkpoint(place, "masked_lm", from_tf=True).arrays()
    name = "cls.predictions.decoder.weight"
    np.testing.assert_array_equal(arrays[name], read(model, model.weight_specs())[name])
    caplog.clear()
    mobilebert.TFAutoModelForSequenceClassification.from_pretrained(place)
    assert "tie_word_embeddings" not in caplog.text
