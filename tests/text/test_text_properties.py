"""Properties over generated text: offsets, round trips, the raw library, a naive WordPiece."""

import pytest
from hypothesis import given, settings, strategies as st
from tokenizers import Tokenizer

from mobilebert.hub import BUNDLED_MODEL, BUNDLED_MODELS
from mobilebert.text import MobileBertTokenizer, MobileBertTokenizerFast, WordpieceTokenizer

DIRECTORY = BUNDLED_MODELS[BUNDLED_MODEL]
SLOW = MobileBertTokenizer.from_pretrained(DIRECTORY)
FAST = MobileBertTokenizerFast.from_pretrained(DIRECTORY)
RAW = Tokenizer.from_file(str(DIRECTORY / "tokenizer.json"))
BOTH = pytest.mark.parametrize("tokenizer", [SLOW, FAST], ids=["slow", "fast"])

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
latin = st.text(st.characters(codec="latin-1"), max_size=40)
examples = settings(max_examples=200, derandomize=True)


@BOTH
@examples
@given(source=text | latin)
def test_offsets_lie_in_the_text_and_grow(tokenizer, source):
    spans = tokenizer(source, add_special_tokens=False, return_offsets_mapping=True)
    starts = [start for start, _ in spans["offset_mapping"]]
    assert starts == sorted(starts)
    assert all(0 <= start <= stop <= len(source) for start, stop in spans["offset_mapping"])


@BOTH
@examples
@given(source=st.text("abcdefghij KLMNO.,-?'12", max_size=40))
def test_offsets_slice_back_to_the_tokens(tokenizer, source):
    encoding = tokenizer(source, add_special_tokens=False, return_offsets_mapping=True)
    for token, (start, stop) in zip(encoding.tokens(), encoding["offset_mapping"], strict=True):
        if token != "[UNK]":
            assert source[start:stop].lower() == token.removeprefix("##")
    covered = {i for start, stop in encoding["offset_mapping"] for i in range(start, stop)}
    assert covered == {i for i, char in enumerate(source) if char != " "}


@BOTH
@examples
@given(words=st.lists(st.sampled_from(["the", "running", "unaffable", "a", "12", ","]), min_size=1))
def test_decoding_known_words_and_encoding_again(tokenizer, words):
    ids = tokenizer.encode(" ".join(words), add_special_tokens=False)
    decoded = tokenizer.decode(ids)
    assert decoded.replace(" ,", ",") == " ".join(words).replace(" ,", ",")
    assert tokenizer.encode(decoded, add_special_tokens=False) == ids


@examples
@given(first=text, second=text)
def test_fast_equals_the_raw_library(first, second):
    for pair in (None, second):
        expected = RAW.encode(first, pair)
        found = FAST.encode_plus(first, pair or None, return_offsets_mapping=True)
        if pair == "":
            expected = RAW.encode(first)
        assert found["input_ids"] == expected.ids
        assert found["token_type_ids"] == expected.type_ids
        assert found["offset_mapping"] == expected.offsets


def naive_pieces(word, starts, rests):
    """WordPiece as one would say it: the longest piece that fits, then the rest of the word."""
    if not word:
        return []
    fitting = [piece for piece in starts if word.startswith(piece)]
    if not fitting:
        return None
    longest = max(fitting, key=len)
    following = naive_pieces(word[len(longest) :], rests, rests)
    return None if following is None else [longest, *following]


alphabet = st.text("abc", min_size=1, max_size=3)


@examples
@given(
    starts=st.sets(alphabet, max_size=8),
    rests=st.sets(alphabet, min_size=1, max_size=8),
    word=st.text("abcd", min_size=1, max_size=12),
)
def test_wordpiece_equals_the_naive_one(starts, rests, word):
    vocab = starts | {f"##{piece}" for piece in rests}
    expected = naive_pieces(word, starts, rests)
    found = WordpieceTokenizer(vocab, "[UNK]").tokenize(word)
    if expected is None:
        assert found == ["[UNK]"]
    else:
        assert found == [expected[0], *(f"##{piece}" for piece in expected[1:])]


@BOTH
@examples
@given(rows=st.lists(text, min_size=1, max_size=4), length=st.integers(3, 12))
def test_truncated_and_padded_rows_have_the_length_asked_for(tokenizer, rows, length):
    batch = tokenizer(rows, padding="max_length", truncation=True, max_length=length)
    for name in ("input_ids", "token_type_ids", "attention_mask"):
        assert [len(row) for row in batch[name]] == [length] * len(rows)
    for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True):
        assert ids[0] == 101
        assert ids[sum(mask) - 1] == 102
        assert mask == sorted(mask, reverse=True)


@examples
@given(source=text, length=st.integers(5, 12), stride=st.integers(0, 2))
def test_overflowing_rows_cover_the_text(source, length, stride):
    whole = FAST.encode(source, add_special_tokens=False)
    rows = FAST(
        source, truncation=True, max_length=length, stride=stride, return_overflowing_tokens=True
    )["input_ids"]
    joined = rows[0][1:-1]
    for row in rows[1:]:
        assert row[1:-1][:stride] == joined[len(joined) - stride :]
        joined += row[1:-1][stride:]
    assert joined == whole
