"""Ids become the text that transformers makes of them, whatever holds the ids."""

import itertools

import numpy as np
import pytest
import torch

from mobilebert.errors import InputError

TEXT = "I'm here, aren't you? We've [MASK] it 's ( so ) much : naïve!"


def test_decode_equals_the_peer(both, multilingual, naughty):
    ours, peer = both
    rows = peer(multilingual + naughty)["input_ids"]
    for skip, clean in itertools.product((False, True), (None, False, True)):
        options = {"skip_special_tokens": skip, "clean_up_tokenization_spaces": clean}
        assert ours.batch_decode(rows, **options) == peer.batch_decode(rows, **options)
        assert ours.decode(rows[0], **options) == peer.decode(rows[0], **options)


def test_decode_with_added_tokens(kind, load_both, directory):
    from text.peers import OURS, PEERS

    ours, peer = (cls[kind].from_pretrained(directory) for cls in (OURS, PEERS))
    for tokenizer in (ours, peer):
        tokenizer.add_tokens(["newtoken", "Big Word"])
        tokenizer.add_special_tokens({"additional_special_tokens": ["<x>", "<y>"]})
    row = peer.encode("a newtoken <x> <y>b Big Word newtokens")
    assert ours.encode("a newtoken <x> <y>b Big Word newtokens") == row
    for skip in (False, True):
        assert ours.decode(row, skip_special_tokens=skip) == peer.decode(
            row, skip_special_tokens=skip
        )
    if kind == "slow":
        assert ours.decode(row, spaces_between_special_tokens=False) == peer.decode(
            row, spaces_between_special_tokens=False
        )


def test_ids_outside_the_vocabulary_are_decoded_as_by_the_peer(both, kind):
    ours, peer = both
    row = [2003, len(ours) + 7, 100, 2003]
    for skip in (False, True):
        expected = peer.decode(row, skip_special_tokens=skip)
        assert ours.decode(row, skip_special_tokens=skip) == expected
    assert ("[UNK]" in peer.decode(row[:2])) == (kind == "slow")


def test_every_kind_of_ids(ours):
    row = ours.encode(TEXT)
    text = ours.decode(row)
    assert ours.decode(tuple(row)) == text
    assert ours.decode(np.array(row)) == text
    assert ours.decode(np.array(row, dtype=np.int32)) == text
    assert ours.decode(list(np.array(row))) == text
    assert ours.decode(torch.tensor(row)) == text
    assert ours.batch_decode([row, row[:4]]) == [text, ours.decode(row[:4])]
    assert ours.batch_decode(np.array([row, row])) == [text, text]
    assert ours.batch_decode(torch.tensor([row, row])) == [text, text]
    assert ours.batch_decode([torch.tensor(row), np.array(row)]) == [text, text]
    assert ours.decode(row[1]) == ours.decode([row[1]]) == "i"
    assert ours.decode(np.int64(row[1])) == ours.decode(torch.tensor(row[1])) == "i"
    assert ours.decode([]) == ""


class TensorFlowLike:
    """What the tokenizer relies on in a TensorFlow tensor."""

    def __init__(self, values):
        self._values = np.array(values)

    def numpy(self):
        return self._values


def test_tensorflow_tensors_are_recognised_by_what_they_do(ours):
    row = ours.encode(TEXT)
    assert ours.decode(TensorFlowLike(row)) == ours.decode(row)
    assert ours.batch_decode(TensorFlowLike([row, row])) == ours.batch_decode([row, row])


@pytest.mark.parametrize("value", ["text", 1.5, [1.5], [[1, 2]], None, ["a"]])
def test_what_is_no_row_of_ids(ours, value):
    with pytest.raises(InputError, match="one id or one row of ids"):
        ours.decode(value)


def test_ids_outside_the_vocabulary(slow, fast):
    assert slow.decode([5, 10**9]).endswith("[UNK]")
    assert slow.convert_ids_to_tokens([10**9]) == ["[UNK]"]
    assert fast.convert_ids_to_tokens([10**9, -1]) == [None, None]
    assert fast.decode([1037, 10**9]) == "a"
    with pytest.raises(InputError, match="-1 is no token id"):
        fast.decode([1037, -1])


def test_conversions(both):
    ours, peer = both
    tokens = ["un", "##want", "[SEP]", "nosuchtoken", "##ed"]
    assert ours.convert_tokens_to_ids(tokens) == peer.convert_tokens_to_ids(tokens)
    assert ours.convert_tokens_to_ids("the") == peer.convert_tokens_to_ids("the") == 1996
    assert ours.convert_tokens_to_ids(None) is None
    ids = [101, 1996, 102, 103]
    assert ours.convert_ids_to_tokens(ids) == peer.convert_ids_to_tokens(ids)
    assert ours.convert_ids_to_tokens(ids, skip_special_tokens=True) == ["the"]
    assert ours.convert_ids_to_tokens(1996) == "the"
    assert ours.convert_tokens_to_string(tokens) == peer.convert_tokens_to_string(tokens)
    assert ours.clean_up_tokenization("a , b do n't") == "a, b don't"
    assert ours.get_vocab() == peer.get_vocab()
    assert ours.vocab_size == peer.vocab_size == len(ours) == 30522
