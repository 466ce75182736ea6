"""What works here and not, or not fully, in transformers (docs/tokenizers.md)."""

import json

import pytest

from mobilebert.text import MobileBertTokenizer, MobileBertTokenizerFast
from text.generate import strings
from text.peers import OURS

NEVER = ["DON'T", "C++", "[unused1]", "naïve", "nosuchword"]


@pytest.fixture
def keeping(kind, directory):
    return OURS[kind].from_pretrained(directory, never_split=NEVER)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("I DON'T like C++, really", ["i", "DON'T", "like", "C++", ",", "really"]),
        ("DON'Ts don't", ["don", "'", "ts", "don", "'", "t"]),
        ("[unused1] naïve nosuchword!", ["[unused1]", "naïve", "nosuchword", "!"]),
        ("[MASK] C++[SEP]C++", ["[MASK]", "C++", "[SEP]", "C++"]),
    ],
)
def test_never_split(keeping, text, tokens):
    assert keeping.tokenize(text) == tokens
    ids = keeping(text, add_special_tokens=False)["input_ids"]
    vocab = keeping.get_vocab()
    assert ids == [vocab.get(token, 100) for token in tokens]
    assert len(keeping) == 30522


def test_never_split_in_both_tokenizers_is_the_same(directory):
    slow, fast = (OURS[kind].from_pretrained(directory, never_split=NEVER) for kind in OURS)
    words = [*NEVER, "and", "x", "İ", "[MASK]"]
    texts = [" ".join(words[i:] + words[:i]) for i in range(len(words))]
    texts += [separator.join(words) for separator in (",", "-", " \n", "字", "́", "x")]
    for options in ({}, {"truncation": True, "max_length": 7}, {"padding": True}):
        assert slow(texts, **options)["input_ids"] == fast(texts, **options)["input_ids"]
    offsets = {"return_offsets_mapping": True}
    assert slow(texts, **offsets)["offset_mapping"] == fast(texts, **offsets)["offset_mapping"]


def test_never_split_is_kept_when_saved(keeping, kind, tmp_path):
    keeping.save_pretrained(tmp_path)
    assert OURS[kind].from_pretrained(tmp_path).tokenize("C++") == ["C++"]


def test_never_split_with_tokens_added_later(keeping):
    assert keeping.tokenize("C++ later2") == ["C++", "later", "##2"]
    assert keeping.add_tokens(["later2"]) == 1
    assert keeping.tokenize("C++ later2") == ["C++", "later2"]
    assert keeping.encode("C++ later2", add_special_tokens=False) == [100, 30522]


def test_clean_text(directory, vocab_file):
    text = "so\xadft\u200bly"
    assert MobileBertTokenizerFast.from_pretrained(directory).tokenize(text) == ["softly"]
    raw = MobileBertTokenizerFast.from_pretrained(directory, clean_text=False)
    assert raw.tokenize(text) == ["[UNK]"]
    assert MobileBertTokenizerFast(vocab_file, clean_text=False).tokenize(text) == ["[UNK]"]


def test_wordpieces_prefix(vocab_file, tmp_path):
    lines = vocab_file.read_text(encoding="utf-8").replace("\n##", "\n@@")
    (tmp_path / "vocab.txt").write_text(lines, encoding="utf-8")
    tokenizer = MobileBertTokenizerFast(tmp_path / "vocab.txt", wordpieces_prefix="@@")
    usual = MobileBertTokenizerFast(vocab_file)
    text = "unaffable embeddings"
    assert tokenizer.tokenize(text) == [t.replace("##", "@@") for t in usual.tokenize(text)]
    assert tokenizer(text)["input_ids"] == usual(text)["input_ids"]
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == usual.decode(usual(text)["input_ids"])
    tokenizer.save_pretrained(tmp_path / "saved")
    loaded = MobileBertTokenizerFast.from_pretrained(tmp_path / "saved")
    assert loaded.tokenize(text) == tokenizer.tokenize(text)
    stored = json.loads((tmp_path / "saved" / "tokenizer.json").read_text())
    assert stored["model"]["continuing_subword_prefix"] == "@@"
    assert stored["decoder"]["prefix"] == "@@"


def test_without_basic_tokenization(vocab_file):
    tokenizer = MobileBertTokenizer(vocab_file, do_basic_tokenize=False)
    assert tokenizer.tokenize("the  Unaffable,\n[MASK] x") == ["the", "[UNK]", "[MASK]", "x"]
    assert tokenizer.do_lower_case is True
    encoding = tokenizer("the  unaffable [MASK]", return_offsets_mapping=True)
    assert encoding["offset_mapping"][1:4] == [(0, 3), (5, 8), (8, 11)]


def test_slow_offsets_and_words_equal_the_fast_ones(slow, fast, multilingual, naughty):
    texts = multilingual + naughty + [text for text in strings(5000, seed=5) if text.isascii()]
    a, b = (t(texts, return_offsets_mapping=True) for t in (slow, fast))
    same = [i for i in range(len(texts)) if a["input_ids"][i] == b["input_ids"][i]]
    assert len(same) > 0.98 * len(texts)
    for index in same:
        assert a["offset_mapping"][index] == b["offset_mapping"][index], texts[index]
        assert a.word_ids(index) == b.word_ids(index)
        assert a.sequence_ids(index) == b.sequence_ids(index)
        assert a.tokens(index) == b.tokens(index)


def test_slow_offsets_of_pairs_words_and_padding(slow, fast):
    for inputs, options in (
        (("A naïve text", "and a pair of it"), {}),
        (("A naïve text", "and a pair of it"), {"truncation": "only_second", "max_length": 9}),
        ((["a b", "c"],), {"padding": True, "padding_side": "left"}),
        ((["a b", "c"], ["x", "y z"]), {"padding": "max_length", "max_length": 12}),
        ((["Hello", "unaffable", "", "w-x"],), {"is_split_into_words": True}),
        (([["Hello"], ["unaffable", "w-x"]],), {"is_split_into_words": True, "padding": True}),
    ):
        a, b = (t(*inputs, return_offsets_mapping=True, **options) for t in (slow, fast))
        assert dict(a) == dict(b)
        for row in range(len(a.encodings)):
            assert a.word_ids(row) == b.word_ids(row)
            assert a.sequence_ids(row) == b.sequence_ids(row)
            assert a.tokens(row) == b.tokens(row)


def test_training(fast, tmp_path):
    texts = [["the cat sat on the mat", "the Dog sat"], ["a cat and a dog"]] * 20
    trained = fast.train_new_from_iterator(texts, 60, new_special_tokens=["<new>"])
    assert type(trained) is MobileBertTokenizerFast
    assert 30 < len(trained) <= 60
    assert trained.tokenize("The DOG <new>") == ["the", "dog", "<new>"]
    encoding = trained("cat", "dog")
    assert trained.convert_ids_to_tokens(encoding["input_ids"]) == [
        "[CLS]", "cat", "[SEP]", "dog", "[SEP]",
    ]  # fmt: skip
    assert encoding["token_type_ids"] == [0, 0, 0, 1, 1]
    trained.save_pretrained(tmp_path)
    assert MobileBertTokenizerFast.from_pretrained(tmp_path)(texts[0]) == trained(texts[0])
    renamed = fast.train_new_from_iterator(texts, 60, special_tokens_map={"[CLS]": "<cls>"})
    assert renamed.cls_token == "<cls>"
    assert renamed.tokenize("a", add_special_tokens=True) == ["<cls>", "a", "[SEP]"]
