"""What no model can read: the sentences of the PyTorch classes, without Keras's additions."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from mobilebert.errors import ArgumentError, InputError
from refused_inputs import REFUSED, REFUSED_LABELS
from tf_models import SHALLOW, batch_for, build

# `build` without what a case changes; models are built once.
model_of = functools.cache(lambda task: build(task, **SHALLOW))
IDS = np.ones((2, 5), dtype=np.int64)

# Tables are looked up before shapes are known to be wrong: what needs a look at the numbers.
VALUES = ("id", "negative id", "segment", "position")


def assert_one_sentence(error):
    text = str(error.value)
    assert "\n" not in text
    assert "Arguments received" not in text
    assert text.endswith(".") or text.endswith(")")


def refused(case):
    if case in REFUSED:
        arguments, message = REFUSED[case]
        return model_of("feature_extraction"), arguments, message.replace("layers=2", "layers=1")
    task, arguments, message = REFUSED_LABELS[case]
    return model_of(task), arguments, message


@pytest.mark.parametrize("case", [*REFUSED, *REFUSED_LABELS])
def test_the_sentence_is_that_of_pytorch(case):
    model, arguments, message = refused(case)
    for given in (arguments, {"input_ids": arguments}):
        if given is not arguments and not arguments:
            continue
        with pytest.raises(InputError, match=message) as caught:
            model(**given)
        assert_one_sentence(caught)


@pytest.mark.parametrize("case", [case for case in REFUSED if case not in VALUES])
def test_graphs_refuse_wrong_shapes_with_the_same_sentence(case):
    model, arguments, message = refused(case)
    plain = {"pad_neighbor"} & arguments.keys()
    tensors = {n: x if n in plain else tf.constant(x) for n, x in arguments.items()}
    with pytest.raises(InputError, match=message) as caught:
        tf.function(lambda: model(tensors))()
    assert_one_sentence(caught)


FORMS = {
    "unknown name": (lambda m: m({"input_ids": IDS, "words": 1}), "Unknown input words; known are"),
    "unknown keyword": (lambda m: m(IDS, word_ids=IDS), "Unknown input word_ids"),
    "given twice": (lambda m: m({"input_ids": IDS}, input_ids=IDS), "input_ids is given twice"),
    "twice in order": (lambda m: m(IDS, input_ids=IDS), "input_ids is given twice"),
    "table and order": (lambda m: m({"input_ids": IDS}, IDS), "give the others by name"),
    "too many": (lambda m: m([IDS] * 20), "At most 12 inputs are known, not 20"),
    "ragged list": (lambda m: m([[1, 2], [3]]), "rows of one length, not a list"),
    "ragged tensor": (lambda m: m(tf.ragged.constant([[1, 2], [3]])), "is a RaggedTensor"),
    "sparse tensor": (lambda m: m(tf.sparse.from_dense(IDS)), "is a SparseTensor"),
    "text": (lambda m: m("A joy."), "an array of numbers .* not a str; a tokenizer returns them"),
    "texts": (lambda m: m(["A joy.", "A waste."]), "must be an array of numbers"),
    "text tensor": (lambda m: m(tf.constant([["A joy."]])), "input_ids must hold integers, not"),
    "text mask": (lambda m: m(IDS, np.array([["1"] * 5] * 2)), "attention_mask must be an array"),
    "nothing": (lambda m: m(None), "You have to specify either"),
    "empty list": (lambda m: m([]), r"must be \[batch, sequence\], not of shape \(0,\)"),
    "large id": (lambda m: m(np.full((2, 5), 2**40)), "input_ids holds 1099511627776"),
}


@pytest.mark.parametrize("case", FORMS)
def test_other_forms_are_refused(case):
    call, message = FORMS[case]
    with pytest.raises((InputError, ArgumentError), match=message) as caught:
        call(model_of("sequence_classification"))
    assert_one_sentence(caught)


def test_a_label_under_both_its_names_is_refused():
    labels = np.zeros(2, np.int32)
    model = model_of("next_sentence_prediction")
    with pytest.raises(ArgumentError, match="give one") as caught:
        model(IDS, labels=labels, next_sentence_label=labels)
    assert_one_sentence(caught)


def test_graphs_refuse_unknown_names_with_the_same_sentence():
    model = model_of("sequence_classification")
    with pytest.raises(ArgumentError, match="Unknown input words; known are") as caught:
        tf.function(lambda ids: model({"input_ids": ids, "words": ids}))(tf.constant(IDS))
    assert_one_sentence(caught)


def test_models_without_a_loss_say_so():
    model = build("feature_extraction", **SHALLOW)
    model.compile(optimizer="sgd")
    with pytest.raises(InputError, match=r"There is no loss: TFMobileBertModel has none of its"):
        model.fit(IDS, verbose=0)


@pytest.fixture(scope="module")
def recorded():
    """A graph that knows no size."""
    model = model_of("sequence_classification")
    unknown = tf.TensorSpec((None, None), tf.int32)
    labels = tf.TensorSpec((None,), tf.int32)
    return tf.function(
        lambda ids, mask, types, labels: model(ids, mask, types, labels=labels),
        input_signature=[unknown, unknown, unknown, labels],
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ids": IDS * 97}, "input_ids holds an id outside its table; allowed are 0 to 96"),
        ({"ids": -IDS}, "input_ids holds an id outside its table"),
        ({"types": IDS * 2}, "token_type_ids holds an id outside its table; allowed are 0 to 1"),
        ({"labels": np.array([0, 2])}, "labels holds a number that is no class of 0 to 1"),
        ({"labels": np.array([0, 1, 1])}, "one is needed for each row of logits"),
        ({"mask": IDS[:, :1]}, "attention_mask and input_ids have different lengths"),
        ({"mask": np.ones((3, 5))}, "attention_mask and input_ids have different numbers of rows"),
        ({"types": np.ones((2, 4))}, r"token_type_ids must be \[batch, sequence\]"),
        ({"types": np.ones((3, 5))}, r"token_type_ids must be \[batch, sequence\]"),
        ({"ids": IDS[:1], "mask": IDS[:1]}, r"token_type_ids must be \[batch, sequence\]"),
        (
            {name: np.ones((2, 41)) for name in ("ids", "mask", "types")},
            "longer than the 40 positions of the model",
        ),
    ],
)
def test_graphs_assert_what_they_cannot_know(recorded, changed, message):
    right = {"ids": IDS, "mask": IDS, "types": IDS, "labels": np.array([0, -100])}
    given = {name: tf.constant(x, tf.int32) for name, x in (right | changed).items()}
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        recorded(**given)


def test_graphs_take_one_row_for_all(recorded):
    rows = {"ids": IDS, "mask": IDS, "types": IDS, "labels": np.array([0, 1])}
    one = rows | {"mask": IDS[:1], "types": IDS[:1]}
    losses = [
        recorded(**{name: tf.constant(x, tf.int32) for name, x in given.items()}).loss
        for given in (rows, one)
    ]
    assert float(losses[0]) == pytest.approx(float(losses[1]))


def test_fit_goes_on_after_a_mistake_is_mended():
    model = build("sequence_classification", **SHALLOW)
    model.compile(optimizer="sgd")
    batch = batch_for(model)
    labels = np.arange(3) % 2
    wrong = {
        "There is no loss: give labels": (batch, None),
        r"must be \[batch, sequence\]": (batch | {"input_ids": labels}, labels),
        "Unknown input words": (batch | {"words": labels}, labels),
        "one is needed|one label is needed": (batch, np.ones((3, 4), np.int32)),
        "y holds 2 arrays, but the labels of .* are labels": (batch, (labels, labels)),
    }
    for message, data in wrong.items():
        with pytest.raises((InputError, ArgumentError, tf.errors.InvalidArgumentError)) as caught:
            model.fit(*data, verbose=0)
        assert caught.match(message)
    assert model.fit(batch, labels, verbose=0).history["loss"][0] > 0


@pytest.mark.parametrize("call", [lambda run: run(), lambda run: tf.function(run)()])
def test_given_positions_allow_longer_sequences(call):
    model = model_of("feature_extraction")
    ids = tf.ones((2, 60), tf.int32)
    positions = tf.range(60)[None] % 40
    found = call(lambda: model(input_ids=ids, position_ids=positions).last_hidden_state)
    assert found.shape == (2, 60, 32)


def test_graphs_of_unknown_length_take_given_positions():
    model = model_of("feature_extraction")
    unknown = tf.TensorSpec((None, None), tf.int32)

    @tf.function(input_signature=[unknown, unknown])
    def run(ids, positions):
        return model(input_ids=ids, position_ids=positions).last_hidden_state

    assert run(tf.ones((2, 60), tf.int32), tf.range(60)[None] % 40).shape == (2, 60, 32)
