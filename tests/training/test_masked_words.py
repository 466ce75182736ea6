import numpy as np
import pytest
from hypothesis import given, strategies as st

from mobilebert.corpora.masking import Masking, mask_tokens
from mobilebert.datasets.items import FinetuneTask, PlainItem
from mobilebert.errors import InputError
from mobilebert.training.encoder import EncodingOptions, Noted
from mobilebert.training.long_texts import told_treatment
from tolerances import SHARE_OF_MANY
from training.encoded import CONFIG, encode

TASK = FinetuneTask.MASKED_LM
CLS, SEP, MASK = 101, 102, 103
PARAGRAPHS = st.lists(st.integers(1, 60), min_size=1, max_size=12)


@given(PARAGRAPHS, st.integers(4, 64))
def test_blocks_hold_all_of_the_text(tokenizer, lengths, max_length):
    texts = [" ".join("abcdefgh"[(n + k) % 8] for k in range(n)) for n in lengths]
    items = [PlainItem(f"f, line {number}", text) for number, text in enumerate(texts)]
    found = encode(TASK, items, tokenizer, options=EncodingOptions(max_length=max_length))
    blocks = [example.ids.tolist() for example in found.examples]
    assert all(ids[0] == CLS and ids[-1] == SEP for ids in blocks)
    assert all(len(ids) <= max_length for ids in blocks)
    # One token may be a separator at a border, which is left out on either side.
    assert all(len(ids) >= max_length - 2 for ids in blocks[:-1])
    assert not any(ids[1] == SEP or ids[-2] == SEP for ids in blocks)
    said = [id_ for ids in blocks for id_ in ids[1:-1] if id_ != SEP]
    assert said == [id_ for text in texts for id_ in tokenizer(text)["input_ids"][1:-1]]
    for example in found.examples:
        assert example.target.size == 0
        assert example.ids[1] in tokenizer(texts[example.item])["input_ids"]


def test_a_block_belongs_to_the_paragraph_in_which_it_begins(tokenizer):
    items = [PlainItem("f, line 1", "a " * 5), PlainItem("f, line 2", "b " * 25)]
    found = encode(TASK, items, tokenizer, options=EncodingOptions(max_length=12))
    assert [(x.item, x.window) for x in found.examples] == [(0, 0), (1, 0), (1, 1), (1, 2)]


def test_paragraphs_that_are_longer_than_a_block_are_told(tokenizer):
    items = [PlainItem(f"f, line {n}", "a " * n) for n in (5, 9, 10, 11, 40)]
    found = encode(TASK, items, tokenizer, options=EncodingOptions(max_length=12))
    assert found.summary.noted[Noted.LONG] == 2
    said = found.summary.sentences(told_treatment(TASK, "window"), 12)
    assert "2 are longer than what is read at once (12 tokens; blocks)." in said


def test_text_without_tokens_is_a_problem(tokenizer):
    found = encode(TASK, [PlainItem("f, line 1", "\u200b"), PlainItem("f, line 2", "a")], tokenizer)
    assert [problem.place for problem in found.summary.problems.kept] == ["f, line 1"]
    assert found.examples[0].ids.tolist() == [CLS, 1037, SEP]


def batch(tokenizer, count=400):
    text = "the unbelievable embeddings were tokenized by George Washington"
    return np.array(tokenizer(text)["input_ids"] * count, np.int32)


def masking(tokenizer, **settings):
    return Masking.of(tokenizer, CONFIG.vocab_size, **settings)


def test_shares_are_those_of_the_paper(tokenizer):
    ids = batch(tokenizer)
    found = mask_tokens(ids, masking(tokenizer), np.random.default_rng(0))
    special = np.isin(ids, [CLS, SEP])
    assert not special[found.places].any()
    assert np.array_equal(found.wanted, ids[found.places])
    untouched = np.ones(len(ids), bool)
    untouched[found.places] = False
    assert np.array_equal(found.ids[untouched], ids[untouched])
    hidden = found.ids[found.places]
    shares = (
        len(found.places) / (~special).sum(),
        (hidden == MASK).mean(),
        (hidden == found.wanted).mean(),
    )
    assert np.abs(np.array(shares) - (0.15, 0.8, 0.1)).max() < SHARE_OF_MANY
    replaced = hidden[(hidden != MASK) & (hidden != found.wanted)]
    assert not np.isin(replaced, tokenizer.all_special_ids).any()
    assert len(np.unique(replaced)) > len(replaced) * 0.9


@pytest.mark.parametrize("whole_words", [False, True])
def test_the_same_generator_draws_the_same_masks(tokenizer, whole_words):
    ids, rule = batch(tokenizer), masking(tokenizer, whole_words=whole_words)
    one, same, other = (mask_tokens(ids, rule, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one.ids, same.ids)
    assert not np.array_equal(one.ids, other.ids)
    assert not np.shares_memory(one.ids, ids)


def words_of(ids, tokenizer):
    """Number the words, special tokens apart."""
    tokens = tokenizer.convert_ids_to_tokens(ids.tolist())
    number, numbers = -1, []
    for place, token in enumerate(tokens):
        special = token in ("[CLS]", "[SEP]")
        after = place and tokens[place - 1] in ("[CLS]", "[SEP]")
        number += special or after or not token.startswith("##") or place == 0
        numbers.append(-1 if special else number)
    return np.array(numbers)


def test_whole_words_are_hidden_as_a_whole(tokenizer):
    ids = batch(tokenizer)
    words = words_of(ids, tokenizer)
    rule = masking(tokenizer, whole_words=True)
    found = mask_tokens(ids, rule, np.random.default_rng(0))
    chosen = np.isin(words, words[found.places]) & (words >= 0)
    assert np.array_equal(np.flatnonzero(chosen), found.places)
    assert abs(len(np.unique(words[found.places])) / words.max() - 0.15) < SHARE_OF_MANY
    # Tokens on their own cut words.
    single = mask_tokens(ids, masking(tokenizer), np.random.default_rng(0))
    assert not np.array_equal(
        np.flatnonzero(np.isin(words, words[single.places]) & (words >= 0)), single.places
    )


def test_a_piece_behind_a_special_token_is_a_word_of_its_own(tokenizer):
    piece = tokenizer.convert_tokens_to_ids("##ing")
    ids = np.array([CLS, piece, SEP, CLS, piece, 1037, SEP] * 300, np.int32)
    found = mask_tokens(ids, masking(tokenizer, whole_words=True), np.random.default_rng(0))
    assert not np.isin(ids[found.places], [CLS, SEP]).any()
    assert set(found.wanted.tolist()) == {piece, 1037}


def test_one_token_is_masked_at_least(tokenizer):
    rule = masking(tokenizer, share=1e-9)
    found = mask_tokens(np.array([CLS, 1037, SEP]), rule, np.random.default_rng(0))
    assert found.places.tolist() == [1]
    nothing = mask_tokens(np.array([CLS, SEP]), rule, np.random.default_rng(0))
    assert nothing.places.size == 0


def test_ids_beyond_the_vocabulary_of_the_model_are_not_drawn(tokenizer):
    rule = Masking.of(tokenizer, 2000)
    found = mask_tokens(np.full(5000, 1037), rule, np.random.default_rng(0))
    assert found.ids.max() < 2000


@pytest.mark.parametrize("share", [0, 1, -0.1])
def test_impossible_shares_are_refused(tokenizer, share):
    with pytest.raises(InputError, match="between 0 and 1"):
        masking(tokenizer, share=share)
