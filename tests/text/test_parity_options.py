"""Every combination of the encoding options gives what transformers gives."""

import itertools

import pytest

TEXT = "The quick brown fox jumps over the lazy dog."
SHORT = "Unwanted running!"
PAIR = "How vexingly quick daft zebras jump, naïve ones too"
BATCH = [TEXT, SHORT, "a", PAIR]
PAIRS = [PAIR, TEXT, "b c", SHORT]
WORDS = [["Hello", "wonderful", "worlds"], ["unaffable", "isn't"], ["x"]]

PADDING = (False, True, "max_length")
TRUNCATION = (False, True, "longest_first", "only_first", "only_second")
MAX_LENGTH = (None, 1, 3, 7, 8, 16, 40)
STRIDE = (0, 2)
SIDE_AND_MULTIPLE = ((None, None), ("left", 8))

FAILED = object()


def outcome(tokenizer, *inputs, **options):
    """The result as plain lists, or FAILED when the call raises."""
    try:
        result = tokenizer(*inputs, **options)
    except Exception:
        return FAILED
    except BaseException as error:  # the Rust library panics where the stride leaves no room
        if type(error).__name__ == "PanicException":
            return FAILED
        raise
    return {name: _lists(values) for name, values in result.items()}


def _lists(values):
    if isinstance(values, (list, tuple)):
        return [_lists(value) for value in values]
    return values


def assert_same(both, *inputs, **options):
    """Compare with the peer wherever it answers; tell whether it did."""
    ours, peer = both
    expected = outcome(peer, *inputs, **options)
    if expected is FAILED:
        return False
    assert outcome(ours, *inputs, **options) == expected, (inputs, options)
    return True


INPUTS = {
    "text": (TEXT,),
    "pair": (TEXT, PAIR),
    "pair, second longer": (SHORT, PAIR),
    "batch": (BATCH,),
    "pairs": (BATCH, PAIRS),
    "pairs as tuples": (list(zip(BATCH, PAIRS, strict=True)),),
    "empty text": ("",),
    "empty pair": (TEXT, ""),
    "batch with empty": (["", "a"],),
    "batch with empty pair": (["a", "b"], ["", "c"]),
}


@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_padding_and_truncation(both, inputs):
    answered = 0
    grid = itertools.product(PADDING, TRUNCATION, MAX_LENGTH, STRIDE, SIDE_AND_MULTIPLE)
    for padding, truncation, max_length, stride, (side, multiple) in grid:
        answered += assert_same(
            both,
            *inputs,
            padding=padding,
            truncation=truncation,
            max_length=max_length,
            stride=stride,
            padding_side=side,
            pad_to_multiple_of=multiple,
            verbose=False,
        )
    assert answered > 200


FLAGS = (
    "add_special_tokens",
    "return_token_type_ids",
    "return_attention_mask",
    "return_special_tokens_mask",
    "return_length",
    "return_overflowing_tokens",
)


@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_flags(both, inputs):
    answered = 0
    for values in itertools.product((False, True), repeat=len(FLAGS)):
        flags = dict(zip(FLAGS, values, strict=True))
        for lengths in (
            {},
            {"padding": True},
            {"padding": "max_length", "max_length": 30},
            {"truncation": "only_first", "max_length": 6, "stride": 1},
            {"truncation": "only_second", "max_length": 16, "stride": 2, "padding": True},
            {"truncation": True, "max_length": 7, "padding": "max_length"},
        ):
            answered += assert_same(both, *inputs, **flags, **lengths, verbose=False)
    assert answered > 100


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_truncation_side(kind, load_both, inputs, side):
    both = load_both(kind, truncation_side=side)
    answered = 0
    for truncation, max_length, overflow in itertools.product(
        TRUNCATION, MAX_LENGTH, (False, True)
    ):
        answered += assert_same(
            both,
            *inputs,
            truncation=truncation,
            max_length=max_length,
            return_overflowing_tokens=overflow,
            verbose=False,
        )
    assert answered > 15


@pytest.mark.parametrize("padding_side", ["left", "right"])
def test_padding_side_of_constructor(kind, load_both, padding_side):
    both = load_both(kind, padding_side=padding_side, model_max_length=12)
    assert assert_same(both, BATCH, padding=True)
    assert assert_same(both, BATCH, padding="max_length", truncation=True)
    assert assert_same(both, BATCH, PAIRS, padding="max_length", truncation=True)
    assert assert_same(both, BATCH, padding=True, padding_side="left")


def test_words(both):
    for options in (
        {},
        {"padding": True},
        {"truncation": True, "max_length": 5, "padding": "max_length"},
        {"return_special_tokens_mask": True, "add_special_tokens": False},
    ):
        assert assert_same(both, WORDS, is_split_into_words=True, **options)
        assert assert_same(both, WORDS[0], is_split_into_words=True, **options)
        assert assert_same(both, WORDS[0], WORDS[1], is_split_into_words=True, **options)
        assert assert_same(both, WORDS, WORDS[::-1], is_split_into_words=True, **options)
        ours, peer = both
        pairs = list(zip(WORDS, WORDS[::-1], strict=True))
        expected = peer(WORDS, WORDS[::-1], is_split_into_words=True, **options)
        assert dict(ours(pairs, is_split_into_words=True, **options)) == dict(expected)


@pytest.mark.parametrize("kind", ["fast"])
def test_offsets_and_words_of_the_fast_tokenizer(both, multilingual):
    ours, peer = both
    options = {
        "return_offsets_mapping": True,
        "truncation": True,
        "max_length": 24,
        "stride": 5,
        "return_overflowing_tokens": True,
        "padding": True,
    }
    for inputs in ((multilingual,), (multilingual, multilingual[::-1])):
        a, b = ours(*inputs, **options), peer(*inputs, **options)
        assert dict(a) == dict(b)
        for row in range(len(b["input_ids"])):
            assert a.word_ids(row) == b.word_ids(row)
            assert a.sequence_ids(row) == b.sequence_ids(row)
            assert a.tokens(row) == b.tokens(row)


@pytest.mark.parametrize("tensors", ["np", "pt"])
def test_tensors(both, tensors):
    ours, peer = both
    for inputs, options in (
        ((TEXT,), {}),
        ((TEXT, PAIR), {"return_length": True}),
        ((BATCH,), {"padding": True}),
        ((BATCH, PAIRS), {"padding": "max_length", "truncation": True, "max_length": 16}),
        ((BATCH,), {"padding": True, "return_special_tokens_mask": True}),
    ):
        a = ours(*inputs, return_tensors=tensors, **options)
        b = peer(*inputs, return_tensors=tensors, **options)
        assert a.keys() == b.keys()
        for name in b:
            assert type(a[name]) is type(b[name])
            assert a[name].dtype == b[name].dtype
            assert a[name].shape == b[name].shape
            assert (a[name] == b[name]).all()


def test_targets(both):
    ours, peer = both
    assert dict(ours(text_target=TEXT)) == dict(peer(text_target=TEXT))
    expected = peer(BATCH, text_target=PAIRS, padding=True)
    assert dict(ours(BATCH, text_target=PAIRS, padding=True)) == dict(expected)
    assert "labels" in expected
    with ours.as_target_tokenizer():
        assert ours(TEXT)["input_ids"] == peer(TEXT)["input_ids"]


def test_other_encoding_methods(both):
    ours, peer = both
    assert ours.encode(TEXT, PAIR) == peer.encode(TEXT, PAIR)
    assert ours.encode(TEXT, None, False) == peer.encode(TEXT, None, False)
    assert ours.encode(TEXT, max_length=5, truncation=True) == peer.encode(
        TEXT, max_length=5, truncation=True
    )
    assert dict(ours.encode_plus(TEXT, PAIR)) == dict(peer.encode_plus(TEXT, PAIR))
    pairs = list(zip(BATCH, PAIRS, strict=True))
    assert dict(ours.batch_encode_plus(BATCH)) == dict(peer.batch_encode_plus(BATCH))
    assert dict(ours.batch_encode_plus(pairs)) == dict(peer.batch_encode_plus(pairs))
    assert ours.tokenize(TEXT) == peer.tokenize(TEXT)
    a, b = peer.encode(TEXT, add_special_tokens=False), peer.encode(PAIR, add_special_tokens=False)
    for lengths in (
        {},
        {"truncation": True, "max_length": 9},
        {"truncation": "only_second", "max_length": 14, "stride": 3, "padding": "max_length"},
    ):
        assert dict(ours.prepare_for_model(list(a), list(b), **lengths)) == dict(
            peer.prepare_for_model(list(a), list(b), **lengths)
        )
        assert dict(ours.prepare_for_model(list(a), **lengths)) == dict(
            peer.prepare_for_model(list(a), **lengths)
        )


def test_truncate_sequences(both):
    ours, peer = both
    for first, second in itertools.product((3, 4, 9), (None, 0, 3, 8)):
        ids = list(range(first))
        pair = None if second is None else list(range(100, 100 + second))
        for strategy, remove, stride in itertools.product(
            ("longest_first", "only_first", "only_second"), (0, 1, 2, 3, 5), (0, 2)
        ):
            expected = peer.truncate_sequences(ids, pair, remove, strategy, stride)
            found = ours.truncate_sequences(ids, pair, remove, strategy, stride)
            assert tuple(found) == tuple(expected), (first, second, strategy, remove, stride)


def test_pad(both):
    ours, peer = both
    rows = [peer(text) for text in BATCH]
    columns = peer(BATCH)
    for options in (
        {},
        {"padding": "max_length", "max_length": 20},
        {"pad_to_multiple_of": 8},
        {"padding_side": "left"},
        {"return_attention_mask": False},
        {"padding": False},
    ):
        for value in (rows, dict(columns), dict(rows[0])):
            assert dict(ours.pad(value, **options)) == dict(peer.pad(value, **options)), options
    tensors = ours.pad(rows, return_tensors="pt")
    assert tensors["input_ids"].shape == (4, max(len(row["input_ids"]) for row in rows))


def test_sequence_builders(both):
    ours, peer = both
    for ids, pair in (([5, 6], None), ([5, 6], [7]), ([5, 6], []), ([], None)):
        for name in ("build_inputs_with_special_tokens", "create_token_type_ids_from_sequences"):
            assert getattr(ours, name)(ids, pair) == getattr(peer, name)(ids, pair)
    row = peer.encode(TEXT, PAIR)
    assert ours.get_special_tokens_mask(row, already_has_special_tokens=True) == (
        peer.get_special_tokens_mask(row, already_has_special_tokens=True)
    )
    assert ours.get_special_tokens_mask([5, 6], [7]) == [1, 0, 0, 1, 0, 1]
    assert ours.num_special_tokens_to_add() == 2
    assert ours.num_special_tokens_to_add(pair=True) == 3
    assert ours.max_len_single_sentence == peer.max_len_single_sentence == 510
    assert ours.max_len_sentences_pair == peer.max_len_sentences_pair == 509
