"""Bad input gets one clear sentence, whichever tokenizer meets it."""

import pytest

from mobilebert.errors import ArgumentError, InputError

LONE = "half a pair: \ud83d"


@pytest.mark.parametrize("text", [LONE, [LONE], ["fine", LONE], [("fine", LONE)]], ids=repr)
def test_lone_surrogates(ours, text):
    with pytest.raises(InputError, match=r"lone surrogate U\+D83D at character 13"):
        ours(text)


def test_lone_surrogates_in_words_and_pairs(ours):
    with pytest.raises(InputError, match="lone surrogate"):
        ours(["fine", LONE], is_split_into_words=True)
    with pytest.raises(InputError, match="lone surrogate"):
        ours("fine", LONE)
    with pytest.raises(InputError, match="Text 1: The text has a lone surrogate"):
        ours(["fine", LONE])


NO_TEXTS = [5, 1.5, b"bytes", {"a": 1}, object(), [5], [None], [b"x"]]


@pytest.mark.parametrize("text", NO_TEXTS, ids=lambda text: str(text)[:8])
def test_what_is_no_text(ours, text):
    for kind_of_error in (InputError, ArgumentError):
        with pytest.raises(kind_of_error, match="a string, a list of strings"):
            ours(text)
    with pytest.raises(TypeError):
        ours.tokenize(None)


@pytest.mark.parametrize("texts", [["a", 5], ["a", None], [["a", "b"], ["c", 5]]], ids=repr)
def test_what_is_no_text_further_on(ours, texts):
    with pytest.raises(InputError, match="Cannot tokenize (5|None)"):
        ours(texts)


def test_calls_that_do_not_fit(ours):
    with pytest.raises(InputError, match="text="):
        ours()
    with pytest.raises(ArgumentError, match="not one string"):
        ours(["a"], "b")
    with pytest.raises(InputError, match="2 items and text_pair has 1"):
        ours(["a", "b"], ["c"])
    with pytest.raises(ArgumentError, match="use encode_plus"):
        ours.batch_encode_plus("a")
    with pytest.raises(InputError, match="Give|a string"):
        ours(["a"], 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"padding": "longer"}, "padding='longer' is not possible; choose from 'longest'"),
        ({"truncation": "first"}, "truncation='first' is not possible"),
        ({"padding_side": "top"}, "choose 'left' or 'right'"),
        ({"max_length": -1}, "max_length=-1 is too small"),
        ({"max_length": "9"}, "max_length must be a whole number"),
        ({"max_length": True}, "max_length must be a whole number"),
        ({"stride": -1}, "stride=-1"),
        ({"pad_to_multiple_of": 0}, "pad_to_multiple_of=0"),
        (
            {"padding": True, "truncation": True, "max_length": 10, "pad_to_multiple_of": 8},
            "max_length=10 is not a multiple",
        ),
    ],
    ids=str,
)
def test_impossible_options(ours, options, message):
    with pytest.raises(InputError, match=message):
        ours("a", **options)


def test_unknown_option(ours):
    for call in (ours, ours.encode, ours.tokenize, ours.encode_plus, ours.prepare_for_model):
        with pytest.raises(ArgumentError, match="Unknown tokenizer option 'paddin'.*padding"):
            call([5] if call == ours.prepare_for_model else "a", paddin=True)


def test_truncation_that_cannot_fit(fast, slow, caplog):
    with pytest.raises(InputError, match="cannot be truncated as asked"):
        fast("a b", "c " * 40, truncation="only_first", max_length=10)
    for length in (3, 4, 10):
        with pytest.raises(InputError, match="smaller stride"):
            fast("a " * 40, truncation=True, max_length=length, stride=length - 2)
    for strategy, pair in (("only_second", ("a b", "c " * 40)), ("only_first", ("c " * 40, "a b"))):
        options = {"truncation": strategy, "max_length": 10, "stride": 5}
        with pytest.raises(InputError, match="leaves room for 5, which must be more than stride=5"):
            fast(*pair, **options)
        with pytest.raises(InputError, match="Text 1 has 45 tokens"):
            fast([("a", "b"), pair], **options)
        assert fast("a", "b", **options)["input_ids"] == fast.encode("a", "b")
    row = slow("a b", "c " * 40, truncation="only_first", max_length=10)
    assert len(row["input_ids"]) == 45
    assert "Cannot remove 35 tokens from the first sequence, which has 2" in caplog.text


def test_no_padding_token(kind, vocab_file):
    from text.peers import OURS

    tokenizer = OURS[kind](vocab_file, pad_token=None)
    assert tokenizer("a")["input_ids"] == [101, 1037, 102]
    with pytest.raises(InputError, match="no padding token"):
        tokenizer(["a", "b c"], padding=True)


def test_pad_errors(ours):
    with pytest.raises(InputError, match="'input_ids'"):
        ours.pad({"ids": [1]})
    with pytest.raises(InputError, match="'input_ids'"):
        ours.pad([1, 2])
    with pytest.raises(InputError, match="'labels' has 1 rows, not 2"):
        ours.pad({"input_ids": [[1], [2]], "labels": [1]})


def test_whole_rows_have_no_pair(ours):
    with pytest.raises(InputError, match="whole row"):
        ours.get_special_tokens_mask([1], [2], already_has_special_tokens=True)


def test_pairs_have_two_texts(slow):
    with pytest.raises(InputError, match="A pair has two texts, not 3"):
        slow([("a", "b", "c")])


def test_nothing_to_encode(ours):
    assert dict(ours([])) == {"input_ids": []}
    assert ours("", add_special_tokens=False)["input_ids"] == []


def test_advice_is_given_once(kind, directory, caplog):
    from text.peers import OURS

    tokenizer = OURS[kind].from_pretrained(directory, model_max_length=5)
    for _ in range(2):
        tokenizer("a b c d e f")
    assert caplog.text.count("more than the 5 the model can read") == 1
    unlimited = OURS[kind](directory / "vocab.txt")
    for _ in range(2):
        assert len(unlimited("a b c d", truncation=True, padding="max_length")["input_ids"]) == 6
    assert caplog.text.count("nothing is truncated") == 1
    assert caplog.text.count("nothing is padded") == 1


def test_advice_on_lengths_is_silenced_as_in_transformers(kind, directory, caplog):
    from text.peers import OURS, PEERS

    peer = PEERS[kind].from_pretrained(directory, model_max_length=5)
    tokenizer = OURS[kind].from_pretrained(directory, model_max_length=5)
    assert tokenizer.deprecation_warnings == peer.deprecation_warnings == {}
    for each in (tokenizer, peer):
        each("a b c d e f")
    assert tokenizer.deprecation_warnings == peer.deprecation_warnings
    quiet = OURS[kind].from_pretrained(directory, model_max_length=5)
    quiet.deprecation_warnings.update(peer.deprecation_warnings)
    caplog.clear()
    quiet("a b c d e f")
    assert not caplog.text
