"""Added tokens and special-token attributes behave as in transformers."""

import itertools

import pytest

from mobilebert.errors import ArgumentError, InputError
from mobilebert.text import AddedToken
from text.peers import OURS, PEERS

TEXTS = [
    "a newtok b", "anewtokb", "a  newtok  b", "NEWTOK Newtok", "newtok.newtok", "newtoknewtok2",
    "xnewtok", "newtokx", "[MASK]newtok[SEP]", " newtok ", "newtok", "été newtok É", "new tok",
    "longer newtok newtokens are newtok2", "字newtok字", "[MASK] a [mask]a", "<S> <s>  <S>x",
]  # fmt: skip


def fresh(kind, directory):
    return OURS[kind].from_pretrained(directory), PEERS[kind].from_pretrained(directory)


def assert_same(ours, peer):
    assert len(ours) == len(peer)
    assert ours.get_added_vocab() == peer.get_added_vocab()
    assert ours.special_tokens_map == peer.special_tokens_map
    assert ours.all_special_tokens == peer.all_special_tokens
    assert ours.all_special_ids == peer.all_special_ids
    for text in TEXTS:
        assert ours.tokenize(text) == peer.tokenize(text), text
        assert dict(ours(text)) == dict(peer(text)), text


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize(
    "tokens",
    [
        "newtok",
        ["newtok", "newtok2", "the", "Été"],
        ["newtok", "newtok", ""],
        ["new tok", "new"],
    ],
    ids=str,
)
def test_add_tokens(kind, directory, tokens, special):
    ours, peer = fresh(kind, directory)
    if kind == "fast":
        tokens = [token for token in [tokens] if token] if isinstance(tokens, str) else tokens
    assert ours.add_tokens(tokens, special_tokens=special) == peer.add_tokens(
        tokens, special_tokens=special
    )
    assert_same(ours, peer)
    assert ours.add_tokens(tokens, special_tokens=special) == peer.add_tokens(
        tokens, special_tokens=special
    )
    assert_same(ours, peer)


@pytest.mark.parametrize("flags", [*itertools.product((False, True), repeat=4)], ids=str)
def test_added_token_options(kind, directory, flags):
    names = ("lstrip", "rstrip", "single_word", "normalized")
    options = dict(zip(names, flags, strict=True))
    ours, peer = fresh(kind, directory)
    for tokenizer in (ours, peer):
        assert tokenizer.add_tokens([AddedToken("newtok", **options)]) == 1
    assert_same(ours, peer)


def test_add_special_tokens(kind, directory):
    ours, peer = fresh(kind, directory)
    for tokens, replace in (
        ({"additional_special_tokens": ["<S>", "newtok"]}, True),
        ({"additional_special_tokens": ["<S>", AddedToken("<T>", lstrip=True)]}, False),
        ({"cls_token": "<C>", "bos_token": "<S>"}, True),
        ({"additional_special_tokens": ["<U>"]}, True),
        ({}, True),
    ):
        assert ours.add_special_tokens(tokens, replace) == peer.add_special_tokens(tokens, replace)
        assert_same(ours, peer)
        assert ours.additional_special_tokens == peer.additional_special_tokens
        assert ours.additional_special_tokens_ids == peer.additional_special_tokens_ids


def test_attributes(both):
    ours, peer = both
    for name in ("unk", "sep", "pad", "cls", "mask", "bos", "eos"):
        assert getattr(ours, f"{name}_token") == getattr(peer, f"{name}_token")
        assert getattr(ours, f"{name}_token_id") == getattr(peer, f"{name}_token_id")
    assert ours.pad_token_type_id == 0
    assert [str(token) for token in ours.all_special_tokens_extended] == ours.all_special_tokens
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ours.nothing


def test_attributes_can_be_set(kind, directory):
    ours, peer = fresh(kind, directory)
    for tokenizer in (ours, peer):
        tokenizer.mask_token = "[unused5]"
        tokenizer.sep_token_id = 1997
        tokenizer.additional_special_tokens = ["the"]
    assert ours.mask_token_id == peer.mask_token_id
    assert ours.sep_token == peer.sep_token == "of"
    assert ours.special_tokens_map == peer.special_tokens_map
    assert ours.build_inputs_with_special_tokens([1]) == [101, 1, 1997]
    with pytest.raises(InputError, match="cls_token must be a string"):
        ours.cls_token = 5


def test_attributes_can_be_unset(kind, directory):
    ours, _ = fresh(kind, directory)
    for name in ("unk", "sep", "pad", "cls", "mask"):
        setattr(ours, f"{name}_token_id", None)
        assert getattr(ours, f"{name}_token") is None
        assert getattr(ours, f"{name}_token_id") is None
    ours.additional_special_tokens = None
    assert ours.additional_special_tokens is None
    assert ours.additional_special_tokens_ids is None
    assert ours.special_tokens_map == {}
    assert ours.build_inputs_with_special_tokens([1], [2]) == [1, 2]
    assert ours.add_special_tokens({"additional_special_tokens": ["<a>"]}, False) == 1
    assert ours.additional_special_tokens == ["<a>"]


def test_extra_special_tokens(kind, directory):
    extra = {"image_token": "[unused7]"}
    ours = OURS[kind].from_pretrained(directory, extra_special_tokens=extra)
    peer = PEERS[kind].from_pretrained(directory, extra_special_tokens=extra)
    assert ours.image_token == peer.image_token == "[unused7]"
    assert ours.image_token_id == peer.image_token_id


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: t.add_tokens([5]), ArgumentError, "string or an AddedToken"),
        (lambda t: t.add_special_tokens({"nose_token": "x"}), InputError, "nose_token"),
        (lambda t: t.add_special_tokens({"cls_token": 3}), InputError, "cls_token"),
        (lambda t: t.add_special_tokens({"cls_token": None}), InputError, "cls_token has no token"),
        (lambda t: t.add_special_tokens({"additional_special_tokens": "x"}), InputError, "list"),
    ],
)
def test_errors(ours, call, error, message):
    with pytest.raises(error, match=message):
        call(ours)


def test_constructor_errors(kind, vocab_file):
    for arguments, error, message in (
        ({"padding_side": "top"}, InputError, "padding_side='top'"),
        ({"truncation_side": 3}, InputError, "choose 'left' or 'right'"),
        ({"unk_token": 3}, InputError, "unk_token"),
        ({"extra_special_tokens": ["a"]}, ArgumentError, "extra_special_tokens"),
        ({"decode": True}, ArgumentError, "'decode' is a method"),
    ):
        with pytest.raises(error, match=message):
            OURS[kind](vocab_file, **arguments)
