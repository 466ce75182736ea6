"""The result of encoding: keys, attributes, mapping methods, tensors, devices, pickling."""

import copy
import pickle

import numpy as np
import pytest
import torch
import transformers

from mobilebert.errors import InputError
from mobilebert.text import BatchEncoding, CharSpan, TokenSpan

FIRST, SECOND = "Unaffable  people's naïveté", "étude [MASK] no. 5"


def test_mapping_methods(both, fast, load_both):
    ours, _ = both
    encoding = ours(FIRST, SECOND)
    expected = load_both("fast")[1](FIRST, SECOND)
    length = len(expected["input_ids"])
    assert encoding.tokens() == expected.tokens()
    assert encoding.word_ids() == encoding.words() == expected.word_ids()
    assert encoding.sequence_ids() == expected.sequence_ids()
    for token in range(length):
        assert encoding.token_to_sequence(token) == expected.token_to_sequence(token)
        assert encoding.token_to_word(token) == expected.token_to_word(token)
        assert encoding.token_to_chars(token) == expected.token_to_chars(token)
        assert encoding.token_to_chars(0, token) == expected.token_to_chars(0, token)
    for sequence, text in enumerate((FIRST, SECOND)):
        for char in range(len(text) + 1):
            assert encoding.char_to_token(char, sequence_index=sequence) == expected.char_to_token(
                char, sequence_index=sequence
            )
            assert encoding.char_to_word(0, char, sequence) == expected.char_to_word(
                0, char, sequence
            )
        for word in range(4):
            options = {"sequence_index": sequence}
            assert encoding.word_to_tokens(word, **options) == expected.word_to_tokens(
                word, **options
            )
            assert encoding.word_to_chars(word, **options) == expected.word_to_chars(
                word, **options
            )
    assert isinstance(encoding.token_to_chars(1), CharSpan)
    assert isinstance(encoding.word_to_tokens(0), TokenSpan)
    assert encoding.token_to_word(-2) == encoding.token_to_word(length - 2)
    assert encoding.word_to_tokens(99) is None
    assert encoding.word_to_chars(99) is None


def test_keys_attributes_and_slices(ours):
    encoding = ours(["a b", "c d"])
    assert list(encoding) == list(encoding.keys()) == list(encoding.data)
    assert encoding.input_ids is encoding["input_ids"] is encoding.data["input_ids"]
    assert "attention_mask" in encoding
    assert dict(**encoding) == dict(encoding.items()) == encoding.data
    assert encoding.n_sequences == 1
    assert ours("a", "b").n_sequences == 2
    assert encoding.is_fast is ours.is_fast
    assert len(encoding.encodings) == 2
    assert encoding[1].tokens == encoding.tokens(1)
    encoding["own"] = [1]
    assert encoding.own == [1]
    with pytest.raises(AttributeError, match="'nothing'; it has input_ids"):
        _ = encoding.nothing
    with pytest.raises(KeyError):
        _ = encoding["nothing"]
    with pytest.raises(InputError, match="no row 7"):
        encoding.tokens(7)


def test_slices_follow_the_peer(slow, fast):
    assert slow(["a", "b", "c"])[1:] == {
        name: values[1:] for name, values in slow(["a", "b", "c"]).items()
    }
    assert [row.tokens[1] for row in fast(["a", "b", "c"])[1:]] == ["b", "c"]


def test_without_a_text_there_is_no_mapping(ours):
    encoding = ours.prepare_for_model([5, 6])
    assert encoding.encodings is None
    with pytest.raises(InputError, match="made from text"):
        encoding.tokens()
    with pytest.raises(KeyError, match="no key here"):
        _ = encoding[0]


def test_tensors_on_demand(ours):
    encoding = ours(["a b", "c d"])
    assert encoding.convert_to_tensors("np") is encoding
    assert isinstance(encoding["input_ids"], np.ndarray)
    with_axis = BatchEncoding({"x": [1, 2]}, tensor_type="pt", prepend_batch_axis=True)
    assert with_axis["x"].shape == (1, 2)
    assert ours([], return_tensors="np")["input_ids"].shape == (0,)


@pytest.mark.parametrize(
    "values",
    [
        [[0.5, 1.5], [2.0, 3.0]],
        [[1, 0.5]],
        [[1, 2]],
        [[True, False]],
        np.array([[0.1, 0.2]]),
        np.array([[0.1]], dtype=np.float32),
        np.array([[3]], dtype=np.int32),
        [np.array([0.1, 0.2]), np.array([0.3, 0.4])],
        [[np.float64(0.1)]],
        [[np.int32(3)]],
        torch.tensor([[0.1]], dtype=torch.float16),
    ],
    ids=repr,
)
def test_element_types_are_the_peers(values):
    found = BatchEncoding({"x": values}, tensor_type="pt")["x"]
    wanted = transformers.BatchEncoding({"x": values}, tensor_type="pt")["x"]
    assert found.dtype == wanted.dtype
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.uint64])
@pytest.mark.parametrize("whole", [True, False])
def test_unsigned_ids_become_what_pytorch_models_read(dtype, whole):
    rows = np.array([[2, 60000], [1, 3]], dtype)
    given = rows if whole else list(rows)
    found = BatchEncoding({"input_ids": given}, tensor_type="pt")["input_ids"]
    assert found.dtype == torch.int64
    assert found.tolist() == rows.tolist()
    empty = BatchEncoding({"input_ids": rows[:0]}, tensor_type="pt")["input_ids"]
    assert (empty.dtype, empty.numel()) == (torch.int64, 0)


def test_a_list_of_tensors_keeps_their_type():
    rows = [torch.tensor([0.1, 0.2], dtype=torch.bfloat16)] * 2
    assert torch.equal(BatchEncoding({"x": rows}, tensor_type="pt")["x"], torch.stack(rows))


@pytest.mark.parametrize("kind_of_ids", [list, np.array, torch.tensor])
def test_padded_columns_of_fractions_are_float32(both, kind_of_ids):
    ours, peers = both
    rows = {"input_ids": [kind_of_ids(ids) for ids in ([1, 2], [3])], "scores": [[0.5], [1.5]]}
    found, wanted = (x.pad(dict(rows), return_tensors="pt")["scores"] for x in (ours, peers))
    assert found.dtype == wanted.dtype == torch.float32
    assert torch.equal(found, wanted)


def test_rows_of_different_length(ours):
    with pytest.raises(InputError, match="padding=True"):
        ours(["a", "b c"], return_tensors="pt")
    ragged = ours(["a", "b c"], return_tensors="np")["input_ids"]
    assert ragged.dtype == object
    assert [len(row) for row in ragged] == [3, 4]


def test_unknown_tensor_type(ours):
    with pytest.raises(InputError, match="return_tensors='jax' is not possible.*'pt', 'tf', 'np'"):
        ours("a", return_tensors="jax")


def test_to_device(ours, caplog):
    encoding = ours("a b", return_tensors="pt")
    encoding["label"] = "kept"
    assert encoding.to("cpu") is encoding
    assert encoding.to(torch.device("meta"))["input_ids"].device.type == "meta"
    assert encoding["label"] == "kept"
    encoding.to(torch.float16)
    assert "not cast" in caplog.text


def test_use_as_model_arguments(ours):
    def model(input_ids, token_type_ids, attention_mask):
        return input_ids.shape, token_type_ids.shape, attention_mask.shape

    assert model(**ours("a b", return_tensors="pt")) == ((1, 4),) * 3


def test_pickle_and_copy(ours):
    encoding = ours(["a b", "c"], padding=True, return_offsets_mapping=True)
    pickled = pickle.loads(pickle.dumps(encoding))
    for twin in (pickled, copy.deepcopy(encoding), copy.copy(encoding)):
        assert dict(twin) == dict(encoding)
        assert twin.word_ids(1) == encoding.word_ids(1)
        assert twin.is_fast == encoding.is_fast
