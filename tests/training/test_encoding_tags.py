import re

import pytest
from hypothesis import given, strategies as st

from mobilebert.datasets.items import FinetuneTask, TaggedItem
from mobilebert.errors import InputError
from mobilebert.hub import BUNDLED_MODEL
from mobilebert.text import MobileBertTokenizer
from mobilebert.training.encoder import IGNORED, EncodingOptions, Noted
from training.encoded import CONFIG, encode, fed, rows_of

TASK = FinetuneTask.TOKEN_CLASSIFICATION
WORDS = st.sampled_from(["a", "embeddings", "U.S.", "été", "東京", "\u200b", "##x", "x" * 150, "-"])
SENTENCES = st.lists(WORDS, min_size=1, max_size=60)


def tagged(words):
    """Each word has a tag of its own, so that a shifted tag is seen."""
    return TaggedItem("f.conll, line 3", tuple(words), tuple(f"T{n}" for n in range(len(words))))


TAGS = tuple(f"T{number}" for number in range(100))


@given(SENTENCES, st.sampled_from([8, 20, 64]))
def test_the_first_token_of_each_word_has_its_tag(tokenizer, words, max_length):
    found = encode(
        TASK,
        [tagged(words)],
        tokenizer,
        labels=TAGS,
        options=EncodingOptions(max_length=max_length),
    )
    pieces = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
    dropped = [number for number, ids in enumerate(pieces) if not ids]
    if len(dropped) == len(words):
        assert "no characters" in found.summary.problems.kept[0].reason
        return
    assert found.summary.noted[Noted.DROPPED_WORDS] == len(dropped)
    seen = set()
    for example in found.examples:
        assert len(example.target) == len(example.ids)
        assert example.target[0] == example.target[-1] == IGNORED
        for place, tag in enumerate(example.target):
            if tag == IGNORED:
                continue
            assert example.ids[place] == pieces[tag][0]
            rest = example.ids[place : place + len(pieces[tag])].tolist()
            # A word may be cut at the end of a window, before [SEP].
            cut = len(rest) < len(pieces[tag]) or rest[-1] == 102
            assert cut or rest == pieces[tag]
            seen.add(int(tag))
    assert seen == set(range(len(words))) - set(dropped)


def test_tokens_inside_words_have_no_tag(tokenizer):
    found = encode(TASK, [tagged(["embeddings", "\u200b", "a"])], tokenizer, labels=TAGS)
    (example,) = found.examples
    assert len(example.ids) > 4
    assert example.target.tolist() == [-100, 0, *[-100] * (len(example.ids) - 4), 2, -100]


@pytest.mark.parametrize("count", [3, 80])
def test_sequences_are_those_of_the_pipeline(tokenizer, checkpoints, count):
    words = ["George", "embeddings", "met", "U.S.", "\u200b"] * count
    found = encode(TASK, [tagged(words[:90])], tokenizer, labels=TAGS)
    wanted = fed(
        "token-classification",
        checkpoints["token-classification"],
        [words[:90]],
        is_split_into_words=True,
    )
    assert rows_of(found.examples) == wanted
    assert len(wanted) > 1 or count == 3
    assert found.summary.noted[Noted.LONG] == (count > 3)
    assert found.summary.lengths.total() == 1
    assert (max(found.summary.lengths) > CONFIG.max_position_embeddings) == (count > 3)
    other = encode(TASK, [tagged(words[:90][:-2])], tokenizer, labels=TAGS)
    assert rows_of(other.examples) != wanted


def test_long_sentences_may_be_cut(tokenizer):
    words = ["a", "b", "c", "d"] * 5
    for long_text, kept in (
        ("truncate", list(range(8))),
        ("head_tail", [0, 1, 14, 15, 16, 17, 18, 19]),
    ):
        options = EncodingOptions(max_length=10, long_text=long_text)
        (example,) = encode(TASK, [tagged(words)], tokenizer, labels=TAGS, options=options).examples
        assert example.target.tolist() == [-100, *kept, -100]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (TaggedItem("f, line 1", ("a",), ("T1", "T2")), "1 words, but 2 tags"),
        (TaggedItem("f, line 1", (), ()), "no words"),
        (TaggedItem("f, line 1", ("\u200b",), ("T1",)), "no characters"),
        (TaggedItem("f, line 1", ("a", " "), ("T1", "T2")), "word is empty"),
        (TaggedItem("f, line 1", ("a",), ("B-X",)), "label 'B-X' is not one"),
    ],
)
def test_what_cannot_be_used_is_a_problem(tokenizer, item, reason):
    found = encode(TASK, [tagged(["a"]), item], tokenizer, labels=TAGS)
    assert len(found.examples) == 1
    assert re.search(reason, found.summary.problems.kept[0].reason)


def test_a_tokenizer_without_offsets_is_refused():
    with pytest.raises(InputError, match="needs a tokenizer with offsets"):
        encode(TASK, [], MobileBertTokenizer.from_pretrained(BUNDLED_MODEL))
