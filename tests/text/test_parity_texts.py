"""Real, naughty and generated texts become the same ids as in transformers."""

import pytest

from text.generate import every_character, strings
from text.peers import OURS, PEERS

# Strings of the run that everyone makes; `--data DIR` adds the larger one.
GENERATED = 100_000
SETTINGS = {
    "default": {},
    "cased": {"do_lower_case": False},
    "keep accents": {"strip_accents": False},
    "cased, strip accents": {"do_lower_case": False, "strip_accents": True},
    "no CJK words": {"tokenize_chinese_chars": False},
    "split special tokens": {"split_special_tokens": True},
}
COLUMNS = {"input_ids", "token_type_ids", "attention_mask", "special_tokens_mask"}


def encode(tokenizer, *texts):
    """Encode with all columns; the peer's pure-Python tokenizer has no offsets."""
    offsets = tokenizer.is_fast
    return tokenizer(
        *texts, return_special_tokens_mask=True, return_offsets_mapping=offsets, verbose=False
    )


def first_difference(both, texts):
    """The first text that the two tokenizers encode differently, or None."""
    ours, peer = (encode(tokenizer, texts) for tokenizer in both)
    columns = COLUMNS | ({"offset_mapping"} if both[1].is_fast else set())
    assert set(ours) == set(peer) == columns
    if all(ours[name] == peer[name] for name in columns):
        return None
    for index, text in enumerate(texts):
        if any(ours[name][index] != peer[name][index] for name in columns):
            return text, ours["input_ids"][index], peer["input_ids"][index]
    raise AssertionError("the columns differ in length")


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_real_and_naughty_texts(kind, load_both, settings, multilingual, naughty):
    both = load_both(kind, **settings)
    assert first_difference(both, multilingual + naughty) is None


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_generated_texts_with_every_setting(kind, load_both, settings):
    assert first_difference(load_both(kind, **settings), strings(3000, seed=11)) is None


def test_pairs(both, multilingual):
    ours, peer = (encode(tokenizer, multilingual, multilingual[::-1]) for tokenizer in both)
    assert dict(ours) == dict(peer)


def test_generated_texts(both):
    assert first_difference(both, strings(GENERATED, seed=1)) is None


def test_every_character_of_the_first_two_planes(both):
    assert first_difference(both, every_character(0x1FFFF)) is None


def test_ends_of_the_ideograph_blocks(both):
    # Unicode's blocks of ideographs, first and last.
    blocks = """
        3400 4DBF 4E00 9FFF F900 FAFF 20000 2A6DF 2A700 2B73F 2B740 2B81F 2B820 2CEAF 2F800 2FA1F
    """
    ends = [int(code, 16) for code in blocks.split()]
    texts = [f"a{chr(code + step)}b" for code in ends for step in (-1, 0, 1)]
    assert first_difference(both, texts) is None


def test_long_words_and_texts(both):
    texts = ["a" * length for length in (99, 100, 101, 5000)]
    texts += ["é" * 100, "e\u0301" * 60, "字" * 300, "-" * 300, "\u0301" * 300, "word " * 400]
    assert first_difference(both, texts) is None


def test_words_of_the_fast_tokenizer(load_both, multilingual, naughty):
    texts = multilingual + naughty + strings(5000, seed=3)
    found, expected = (tokenizer(texts) for tokenizer in load_both("fast"))
    rows = range(len(texts))
    assert [found.word_ids(i) for i in rows] == [expected.word_ids(i) for i in rows]


def test_one_changed_vocabulary_entry_is_seen(kind, vocab_file, tmp_path, multilingual, naughty):
    """The twin: a tokenizer that differs in a single word fails the comparison above."""
    lines = vocab_file.read_text(encoding="utf-8").splitlines(keepends=True)
    changed = tmp_path / "vocab.txt"
    changed.write_text("".join(lines).replace("\nfree\n", "\nfreeish\n"), encoding="utf-8")
    both = OURS[kind](changed), PEERS[kind](vocab_file)
    assert first_difference(both, multilingual + naughty) is not None
    assert first_difference((OURS[kind](vocab_file), both[1]), multilingual) is None


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("do_lower_case", False),
        ("strip_accents", False),
        ("tokenize_chinese_chars", False),
    ],
)
def test_one_changed_setting_is_seen(kind, load_both, setting, value, multilingual):
    both = load_both(kind, **{setting: value})[0], load_both(kind)[1]
    assert first_difference(both, multilingual) is not None


def test_larger_run(both, data_directory):
    """With `--data DIR`: a million strings, every character, and the text files in DIR."""
    if data_directory is None:
        texts = strings(2000, seed=4)
    else:
        texts = strings(1_000_000, seed=4) + every_character()
        for path in sorted(data_directory.rglob("*.txt")):
            texts += path.read_text(encoding="utf-8", errors="replace").splitlines()[:20_000]
    for start in range(0, len(texts), 50_000):
        assert first_difference(both, texts[start : start + 50_000]) is None
