"""`prepare_tf_dataset`: from data sets to the batches that `fit` takes.

`datasets` itself is no dependency of the tests: `Table` is a stand-in with the part of its surface
that is used, no more; the real library was tried once by hand (version 4.4).
"""

import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

import mobilebert
from assertions import assert_close
from mobilebert.errors import ArgumentError, InputError
from mobilebert.keras import datasets
from tf_models import build, tf_names
from tolerances import FLOAT32

TEXTS = ("A joy to watch.", "Dull.", "A waste of time, and of money.", "Fine.", "It is long.")
LABELS = [1, 0, 0, 1, 1]


class Table:
    """Stands in for `datasets.Dataset`: columns, row numbers, removed columns."""

    def __init__(self, columns):
        self.columns = columns
        self.column_names = list(columns)

    def __len__(self):
        return len(self.columns[self.column_names[0]]) if self.column_names else 0

    def __getitem__(self, numbers):
        assert all(type(number) is int for number in numbers)
        return {name: [values[n] for n in numbers] for name, values in self.columns.items()}

    def remove_columns(self, names):
        return Table({name: x for name, x in self.columns.items() if name not in names})


class WithoutLength(Table):
    __len__ = None


@pytest.fixture(scope="module")
def tokenizer():
    return mobilebert.AutoTokenizer.from_pretrained("mobilebert-mini-uncased")


@pytest.fixture(scope="module")
def columns(tokenizer):
    """Texts as ids, not padded; a small model's vocabulary is smaller."""
    encoded = {name: list(rows) for name, rows in tokenizer(list(TEXTS)).items()}
    encoded["input_ids"] = [[n % 97 for n in ids] for ids in encoded["input_ids"]]
    return {"text": list(TEXTS), **encoded, "label": LABELS}


@pytest.fixture(scope="module")
def model():
    return build("sequence_classification", num_hidden_layers=1, num_feedforward_networks=1)


def rows_in(columns):
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def arrays(batches):
    """All batches as numpy arrays, (inputs, labels)."""
    return [
        ({name: np.asarray(x) for name, x in inputs.items()}, np.asarray(labels))
        for inputs, labels in batches
    ]


FORMS = {
    "datasets.Dataset": Table,
    "list of rows": rows_in,
    "columns": dict,
    "BatchEncoding": lambda columns: mobilebert.BatchEncoding(
        {name: x for name, x in columns.items() if name != "text"}
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_batches_are_padded_to_their_longest_row(form, model, columns, tokenizer):
    data = model.prepare_tf_dataset(
        FORMS[form](columns), batch_size=2, shuffle=False, tokenizer=tokenizer
    )
    assert isinstance(data, tf.data.Dataset)
    assert data.cardinality() == 3
    inputs, labels = data.element_spec
    assert set(inputs) == {"input_ids", "attention_mask", "token_type_ids"}
    assert {tuple(spec.shape) for spec in inputs.values()} == {(None, None)}
    assert tuple(labels.shape) == (None,)
    lengths = [len(ids) for ids in columns["input_ids"]]
    found = arrays(data)
    assert [x["input_ids"].shape for x, _ in found] == [
        (2, max(lengths[:2])),
        (2, max(lengths[2:4])),
        (1, lengths[4]),
    ]
    assert np.concatenate([y for _, y in found]).tolist() == LABELS
    for number, (inputs, _) in enumerate(found):
        for row, length in enumerate(lengths[2 * number : 2 * number + 2]):
            ids = inputs["input_ids"][row]
            assert ids[:length].tolist() == columns["input_ids"][2 * number + row]
            assert not ids[length:].any()
            assert inputs["attention_mask"][row].sum() == length


def test_equal_rows_need_no_tokenizer_and_arrays_are_read(model):
    ids = np.arange(12).reshape(4, 3)
    for values in (ids, tf.constant(ids), ids.tolist()):
        data = model.prepare_tf_dataset({"input_ids": values}, batch_size=4, shuffle=False)
        (inputs,) = data  # no labels, no second part
        assert np.array_equal(inputs["input_ids"], ids)


def test_every_epoch_has_its_order_and_every_row(model, columns, tokenizer):
    many = {name: values * 4 for name, values in columns.items()} | {"label": list(range(20))}
    data = model.prepare_tf_dataset(many, batch_size=8, tokenizer=tokenizer, drop_remainder=False)
    first, second = ([y for _, ys in arrays(data) for y in ys.tolist()] for _ in range(2))
    assert first != second != list(range(20))
    assert sorted(first) == sorted(second) == list(range(20))
    full = model.prepare_tf_dataset(many, batch_size=8, tokenizer=tokenizer)
    assert full.cardinality() == 2  # a last batch of four is dropped where rows are shuffled
    assert full.element_spec[1].shape == (8,)
    assert [len(y) for _, y in arrays(full)] == [8, 8]


def test_it_fits_with_the_models_own_loss_and_with_one_of_keras(model, columns, tokenizer):
    data = model.prepare_tf_dataset(Table(columns), 3, False, tokenizer)
    own = {}
    for loss in (None, keras.losses.SparseCategoricalCrossentropy(from_logits=True)):
        model.compile(optimizer=keras.optimizers.SGD(0.0), loss=loss)
        own[loss] = model.fit(data, epochs=1, verbose=0).history["loss"][0]
    assert_close(*own.values(), FLOAT32)
    assert_close(model.evaluate(data, verbose=0), own[None], FLOAT32)
    assert model.predict(data, verbose=0).logits.shape == (5, 2)


def test_slices_of_an_encoding_fit(columns, tokenizer):
    model = build("sequence_classification", num_hidden_layers=1, num_feedforward_networks=1)
    encoding = tokenizer(list(TEXTS), padding=True, return_tensors="tf")
    encoding["input_ids"] %= 97
    data = tf.data.Dataset.from_tensor_slices((dict(encoding), LABELS)).batch(2)
    model.compile(optimizer="adam")
    assert np.isfinite(model.fit(data, epochs=1, verbose=0).history["loss"][0])


# Task -> its label columns, what the labels are called that come out; a name stands for the column
# of that name, one number for each token.
TASK_COLUMNS = {
    "feature_extraction": ({"label": LABELS}, ()),
    "masked_lm": ({"labels": "input_ids", "label": LABELS}, ("labels",)),
    "token_classification": ({"label_ids": "attention_mask"}, ("labels",)),
    "next_sentence_prediction": ({"next_sentence_label": LABELS}, ("labels",)),
    "question_answering": (
        {"start_positions": [0] * 5, "end_positions": [1] * 5, "label": LABELS},
        ("start_positions", "end_positions"),
    ),
    "pretraining": (
        {"labels": "input_ids", "next_sentence_label": LABELS},
        ("labels", "next_sentence_label"),
    ),
}


@pytest.mark.parametrize("task", TASK_COLUMNS)
def test_every_task_finds_its_labels(task, columns, tokenizer):
    given, wanted = TASK_COLUMNS[task]
    table = {name: columns[x] if isinstance(x, str) else x for name, x in given.items()}
    table |= {name: columns[name] for name in ("text", "input_ids")}
    model = build(task, num_hidden_layers=1)
    data = model.prepare_tf_dataset(table, 5, False, tokenizer)
    (batch,) = data
    inputs, labels = batch if wanted else (batch, {})
    # Padding needs a mask, whether the columns have one or not.
    assert set(inputs) == {"input_ids", "attention_mask"}
    mask = np.asarray(inputs["attention_mask"])
    assert mask.sum() == sum(map(len, columns["input_ids"]))
    named = labels if len(wanted) != 1 else {wanted[0]: labels}
    assert tuple(named) == wanted
    for values in map(np.asarray, named.values()):
        if values.ndim == 2:
            assert (values[mask == 0] == -100).all()
            assert (values[mask == 1] >= 0).all()
    if wanted:
        model.compile(optimizer="adam", run_eagerly=True)
        found = model.evaluate(data, verbose=0)
        assert_close(found, float(model(inputs, **tf_names(task, named)).loss), FLOAT32)


def test_choices_are_padded_together(columns, tokenizer):
    model = build("multiple_choice", num_hidden_layers=1)
    ids = columns["input_ids"]
    rows = [
        {"input_ids": [ids[0], ids[1]], "label": 1},
        {"input_ids": [ids[2], ids[3]], "label": 0},
    ]
    ((inputs, labels),) = model.prepare_tf_dataset(rows, 2, False, tokenizer)
    longest = max(len(x) for x in ids[:4])
    assert inputs["input_ids"].shape == inputs["attention_mask"].shape == (2, 2, longest)
    assert np.asarray(inputs["attention_mask"]).sum() == sum(map(len, ids[:4]))
    assert model(inputs).logits.shape == (2, 2)
    assert np.asarray(labels).tolist() == [1, 0]
    rows[1]["input_ids"].append(ids[4])
    with pytest.raises(InputError, match="rows of 2 and of 3 choices"):
        model.prepare_tf_dataset(rows, 2, False, tokenizer)


def test_padding_may_stand_on_the_left(model, columns):
    left = mobilebert.AutoTokenizer.from_pretrained("mobilebert-mini-uncased", padding_side="left")
    ((inputs, _),) = model.prepare_tf_dataset(columns, 5, False, left)
    short = columns["input_ids"][1]
    assert np.asarray(inputs["input_ids"])[1, -len(short) :].tolist() == short
    assert not np.asarray(inputs["attention_mask"])[1, : -len(short)].any()


def test_a_collator_of_the_user_is_called(model, columns):
    seen = []

    def collate(rows, length, key="label"):
        seen.append([sorted(row) for row in rows])
        ids = [(row["input_ids"] + [0] * length)[:length] for row in rows]
        labels = tf.constant([row[key] for row in rows])
        return {"input_ids": ids, "label": labels, "unknown": ["x"] * len(rows)}

    options = {"collate_fn": collate, "collate_fn_args": {"length": 4}}
    data = model.prepare_tf_dataset(Table(columns), 2, False, **options)
    assert seen[0] == [["attention_mask", "input_ids", "label", "token_type_ids"]] * 2
    found = arrays(data)
    assert [x["input_ids"].shape for x, _ in found] == [(2, 4), (2, 4), (1, 4)]
    assert list(found[0][0]) == ["input_ids"]
    assert np.concatenate([y for _, y in found]).tolist() == LABELS


def test_without_tensorflow_python_makes_the_batches(model, columns, tokenizer, monkeypatch):
    """On another backend of Keras, where tensorflow need not be installed."""
    data = model.prepare_tf_dataset(columns, 2, False, tokenizer)
    monkeypatch.setattr(datasets, "is_installed", lambda name: False)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    plain = model.prepare_tf_dataset(columns, 2, False, tokenizer)
    shuffled = model.prepare_tf_dataset({"input_ids": np.arange(64)[:, None]}, 8, True)
    monkeypatch.undo()
    assert isinstance(plain, keras.utils.PyDataset)
    assert len(plain) == plain.num_batches == 3
    for (found, y), (wanted, labels) in zip(
        arrays(plain[n] for n in range(3)), arrays(data), strict=True
    ):
        assert found.keys() == wanted.keys()
        assert all(np.array_equal(found[name], wanted[name]) for name in wanted)
        assert np.array_equal(y, labels)
    epochs = []
    for _ in range(2):
        epochs.append(np.concatenate([shuffled[n]["input_ids"][:, 0] for n in range(8)]).tolist())
        shuffled.on_epoch_end()
    assert epochs[0] != epochs[1] != list(range(64))
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(64))
    model.compile(optimizer="adam", run_eagerly=True)
    assert np.isfinite(model.fit(plain, verbose=0).history["loss"][0])


IDS = {"input_ids": [[1, 2], [3, 4, 5]]}
WRONG = {
    "text": ("A text.", {}, ArgumentError, "must be a datasets.Dataset, a list"),
    "number": (5, {}, ArgumentError, "not a int"),
    "list of texts": (["A text."], {}, ArgumentError, "not a list"),
    "splits": ({"train": Table(IDS)}, {}, ArgumentError, r"give one: dataset\['train'\]"),
    "stream": (WithoutLength(IDS), {}, ArgumentError, "number of rows of this WithoutLength"),
    "empty": ([], {}, InputError, "0 rows"),
    "no ids": ({"text": ["a", "b"], "label": [0, 1]}, {}, InputError, "columns label that"),
    "ragged": (IDS, {}, InputError, "give tokenizer="),
    "columns": (IDS | {"label": [1]}, {}, InputError, "input_ids 2, label 1"),
    "column": (IDS | {"label": 1}, {}, InputError, "value for each row, not be 1"),
    "row": (
        [{"input_ids": [1], "label": 0}, {"input_ids": [2]}],
        {},
        InputError,
        "Row 1 has no label",
    ),
    "words": ({"input_ids": [["a"], ["b"]]}, {}, InputError, "input_ids must hold numbers"),
    "none": ({"input_ids": [[1], [2]], "label": [0, None]}, {}, InputError, "there is None"),
    "too few": (IDS, {"batch_size": 3, "shuffle": True}, InputError, "drop_remainder=False"),
    "batch size": (IDS, {"batch_size": 0}, ArgumentError, "not 0"),
    "tokenizer": (IDS, {"tokenizer": "x"}, ArgumentError, "this str has none"),
    "collator": (IDS, {"collate_fn": "x"}, ArgumentError, "must be a function"),
    "collated": (IDS, {"collate_fn": list}, InputError, "must return a dictionary"),
    "collated rows": (
        IDS,
        {"collate_fn": lambda rows: {"input_ids": [[1]]}},
        InputError,
        "with 2 rows; there is one of int64 and shape",
    ),
    "scores of another length": (
        {"input_ids": [[1], [2]], "labels": [[1.0, 2], [1.0]]},
        {},
        InputError,
        r"different shapes, \(1,\) and \(2,\)",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_data_is_one_clear_sentence(case, model):
    dataset, options, error, message = WRONG[case]
    with pytest.raises(error, match=message) as caught:
        model.prepare_tf_dataset(dataset, **({"batch_size": 2, "shuffle": False} | options))
    assert "\n" not in str(caught.value)


def test_a_wrong_row_further_on_is_named(model):
    rows = [{"input_ids": [1, 2], "label": 1}, {"input_ids": [1, 2], "label": 0.5}]
    data = model.prepare_tf_dataset(rows, 1, False)
    with pytest.raises(tf.errors.OpError, match="labels holds int64 in the first batch and"):
        list(data)


def test_ctrl_c_stops_and_leaves_the_data_usable(model, columns):
    def read_three_batches_and_stop():
        for batch in data:
            seen.append(batch)
            # From this thread, so that the signal arrives here: one that another thread sends may
            # be met by a destructor of TensorFlow's, where Python drops it.
            if len(seen) == 3:
                os.kill(os.getpid(), signal.SIGINT)

    seen = []
    data = model.prepare_tf_dataset(columns, 1, False)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            read_three_batches_and_stop()
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(seen) == 3
    assert len(list(data)) == 5
