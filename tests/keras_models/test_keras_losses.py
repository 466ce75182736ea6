"""Losses of the Keras classes beside their equality with PyTorch's: shapes, what does not count."""

import numpy as np
import pytest
import tensorflow as tf

from assertions import assert_close
from keras_models.comparison import keras_run, usual
from mobilebert.errors import InputError
from mobilebert.tasks import TASKS
from parity.inputs import LENGTH, ROWS
from parity.labels import CASES
from tf_models import tf_names
from tolerances import KERAS_FLOAT32

# Case -> the shape that `tf_legacy_loss` gives: one number for each label that counts.
UNREDUCED = {
    "masked_lm": ((CASES["masked_lm"][2]["labels"] != -100).sum(),),
    "tokens": ((CASES["tokens"][2]["labels"] != -100).sum(),),
    "next sentence, ignored": (2,),
    "classes": (ROWS,),
    "several labels": (ROWS,),
    "number": (ROWS,),
    "numbers": (ROWS,),
    "choices": (ROWS,),
    "span": (ROWS,),
    "pretraining": (),  # documented without a loss
}


@pytest.mark.parametrize("case", UNREDUCED)
def test_losses_are_scalar_means_unless_asked_otherwise(case):
    task = CASES[case][0]
    model, _, batch, labels = usual(task, case=case, num_hidden_layers=1)
    mean = model(**batch, **tf_names(task, labels)).loss
    assert mean.shape == ()
    assert isinstance(round(float(mean), 2), float)
    model.config.tf_legacy_loss = True
    each = model(**batch, **tf_names(task, labels)).loss
    assert each.shape == UNREDUCED[case]
    assert_close(np.mean(each), mean, KERAS_FLOAT32)
    ids, given = tf.constant(batch["input_ids"]), tf_names(task, labels)
    graph = tf.function(lambda: model(ids, **given).loss)
    if case in ("masked_lm", "next sentence, ignored"):
        assert graph().shape == UNREDUCED[case]


def test_every_task_has_an_unreduced_loss():
    assert {CASES[case][0] for case in UNREDUCED} == {t for t, row in TASKS.items() if row.labels}


ALL_IGNORED = {
    "masked_lm": {"labels": np.full((ROWS, LENGTH), -100)},
    "pretraining": {
        "labels": np.full((ROWS, LENGTH), -100),
        "next_sentence_label": np.full(ROWS, -100),
    },
    "next_sentence_prediction": {"labels": np.full(ROWS, -100)},
    "token_classification": {"labels": np.full((ROWS, LENGTH), -100)},
    "multiple_choice": {"labels": np.full(ROWS, -100)},
    "sequence_classification": {"labels": np.full(ROWS, -100)},
    "question_answering": {
        "start_positions": np.full(ROWS, LENGTH),
        "end_positions": np.full(ROWS, -1),
    },
}


@pytest.mark.parametrize("task", ALL_IGNORED)
def test_nothing_to_learn_from_gives_zero(task):
    model, _, batch, _ = usual(task, num_hidden_layers=1)
    _, loss, slopes = keras_run(model, batch, ALL_IGNORED[task])
    assert loss == 0
    assert not any(slope.any() for slope in slopes.values())


@pytest.mark.parametrize("legacy", [False, True])
def test_negative_labels_of_tokens_do_not_count(legacy):
    model, _, batch, _ = usual("token_classification", num_hidden_layers=1)
    model.config.tf_legacy_loss = legacy
    labels = np.tile(np.array([0, 1, -1, -100, 1, -7]), (ROWS, LENGTH))[:, :LENGTH]
    found = model(**batch, labels=labels).loss
    wanted = model(**batch, labels=np.where(labels < 0, -100, labels)).loss
    assert_close(found, wanted, KERAS_FLOAT32)
    model, _, batch, labels = usual("masked_lm", num_hidden_layers=1)
    with pytest.raises(InputError, match="labels holds -1"):
        model(**batch, labels=np.full_like(labels["labels"], -1))


def test_one_position_or_one_set_of_labels_alone():
    model, _, batch, labels = usual("question_answering", num_hidden_layers=1)
    assert model(**batch, start_positions=labels["start_positions"]).loss is None
    model, _, batch, labels = usual("pretraining", num_hidden_layers=1)
    single = sum(float(model(**batch, **{name: x}).loss) for name, x in labels.items())
    assert_close(single, float(model(**batch, **labels).loss), KERAS_FLOAT32)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.uint8])
def test_labels_may_have_any_integer_type(dtype):
    model, _, batch, labels = usual("sequence_classification", num_hidden_layers=1)
    wanted = model(**batch, **labels).loss
    assert float(model(**batch, labels=labels["labels"].astype(dtype)).loss) == float(wanted)


def test_every_call_may_have_another_kind_of_labels():
    model, _, batch, _ = usual("sequence_classification", num_hidden_layers=1)
    for case in ("several labels", "classes", "several labels"):
        labels = CASES[case][2]["labels"]
        assert model(**batch, labels=labels).loss.shape == ()
        kind = "single" if case == "classes" else "multi"
        assert model.config.problem_type == f"{kind}_label_classification"
    wanted = model(**batch, labels=labels).loss
    assert_close(model(**batch, labels=labels.astype(bool)).loss, wanted, KERAS_FLOAT32)
