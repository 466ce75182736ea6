"""The steps of tokenization one by one: characters, words, pieces, vocabulary files."""

import unicodedata

import pytest
from transformers.models.mobilebert.tokenization_mobilebert import (
    BasicTokenizer as PeerBasicTokenizer,
)

from mobilebert.errors import CheckpointError, InputError
from mobilebert.text import (
    BasicTokenizer,
    WordpieceTokenizer,
    _is_control,
    _is_punctuation,
    _is_whitespace,
    load_vocab,
)
from mobilebert.text.characters import is_word_character
from mobilebert.text.normalize import AlignedText, Normalizer
from mobilebert.text.vocabulary import vocab_text

PIECES = ["[UNK]", "[CLS]", "[SEP]", "want", "##want", "##ed", "wa", "un", "runn", "##ing"]


@pytest.mark.parametrize(
    ("check", "yes", "no"),
    [
        (_is_whitespace, " \t\n\r\u00a0\u3000\u2003", "a-\u200b\u2028"),
        (_is_control, "\x05\x00\u200b\u202e\ue000\u0378", "aA \t\n\r\u00a0"),
        (_is_punctuation, "-$`.^_@¿—。", "aA €×"),
        (is_word_character, "aß٣_\u0301\u200d字Ⓐ", " -.€½"),
    ],
)
def test_character_classes(check, yes, no):
    assert all(check(char) for char in yes)
    assert not any(check(char) for char in no)


@pytest.mark.parametrize(
    ("settings", "text", "words"),
    [
        ({}, " \tHeLLo!how  \n Are yoU?  ", "hello ! how are you ?"),
        ({}, "ah\u535a\u63a8zz", "ah \u535a \u63a8 zz"),
        ({}, "HällO é", "hallo e"),
        ({"strip_accents": False}, "HällO é", "hällo é"),
        ({"strip_accents": True}, "HällO", "hallo"),
        ({"do_lower_case": False}, "HeLLo!how", "HeLLo ! how"),
        ({"do_lower_case": False}, "HäLLO", "HäLLO"),
        ({"do_lower_case": False, "strip_accents": True}, "HäLLO", "HaLLO"),
        ({"do_lower_case": False, "never_split": ["[UNK]"]}, "yoU? [UNK]", "yoU ? [UNK]"),
        ({"never_split": ["A.B"]}, "a.b A.B", "a . b A.B"),
        ({"do_split_on_punc": False}, "It's so", "it's so"),
        ({"tokenize_chinese_chars": False}, "a字b", "a字b"),
        ({}, "so\xadft \u200bhid\u0000den", "soft hidden"),
    ],
)
def test_words(settings, text, words):
    assert BasicTokenizer(**settings).tokenize(text) == words.split()


def test_cleaning_leaves_nothing_of_a_control_character():
    tokenizer = BasicTokenizer()
    assert [tokenizer.tokenize(text) for text in ("Test", "\xad", "test")] == [
        ["test"],
        [],
        ["test"],
    ]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("unwanted running", ["un", "##want", "##ed", "runn", "##ing"]),
        ("unwantedX running", ["[UNK]", "runn", "##ing"]),
        ("want" + "want" * 24, ["want"] + ["##want"] * 24),
        ("want" + "want" * 25, ["[UNK]"]),
    ],
)
def test_pieces(text, pieces):
    assert WordpieceTokenizer(set(PIECES), "[UNK]").tokenize(text) == pieces


def test_normalization_of_long_words_is_the_standard_one():
    marks = "\u0316\u0301\u0323\u0308" * 200
    for settings in ((True, True, False), (False, True, False), (False, True, True)):
        normalizer = Normalizer(*settings)
        for word in ("a" + marks + "e\u0301" * 50, marks, "각" * 150 + marks):
            folded = unicodedata.normalize("NFC", word)
            if settings[2] is True:
                folded = unicodedata.normalize("NFD", folded)
                folded = "".join(c for c in folded if unicodedata.category(c) != "Mn")
            elif settings[0]:
                folded = folded.lower()
            assert normalizer.fold(AlignedText.of(word)).text == folded


@pytest.mark.parametrize(
    ("word", "text", "spans"),
    [
        ("Éa", "ea", [(0, 1), (1, 2)]),
        ("e\u0301x", "ex", [(0, 1), (2, 3)]),
        ("İx", "ix", [(0, 1), (1, 2)]),
        ("각x", "\u1100\u1161\u11a8x", [(0, 1), (0, 1), (0, 1), (1, 2)]),
    ],
)
def test_folded_characters_know_their_source(word, text, spans):
    folded = Normalizer().fold(AlignedText.of(word))
    assert folded.text == text
    assert [folded.span(i, i + 1) for i in range(len(text))] == spans


def test_composed_characters_know_their_source():
    folded = Normalizer(True, True, False).fold(AlignedText.of("xe\u0301y"))
    assert folded.text == "xéy"
    assert [folded.span(i, i + 1) for i in range(3)] == [(0, 1), (1, 3), (3, 4)]


def test_vocabulary_file(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_bytes(b"[PAD]\r\na\n\xc3\xa9\n#\xe2\x80\xa8\n")
    vocab = load_vocab(path)
    assert vocab == {"[PAD]": 0, "a": 1, "é": 2, "#\u2028": 3}
    assert vocab_text(vocab) == "[PAD]\na\né\n#\u2028\n"


def test_vocabulary_with_gaps_is_written_with_a_warning(caplog):
    assert vocab_text({"b": 5, "a": 0}) == "a\nb\n"
    assert "not consecutive" in caplog.text


def test_vocabulary_errors(tmp_path):
    with pytest.raises(InputError, match=r"no vocabulary file .*missing\.txt"):
        load_vocab(tmp_path / "missing.txt")
    path = tmp_path / "vocab.txt"
    path.write_bytes(b"a\n\xff\n")
    with pytest.raises(CheckpointError, match="line 2"):
        load_vocab(path)


@pytest.mark.parametrize("keep", ["naïve", "nai\u0308ve"])
@pytest.mark.parametrize("text", ["A naïve X", "A nai\u0308ve X"])
def test_words_to_keep_are_compared_in_composed_form(keep, text):
    peer = PeerBasicTokenizer(never_split=[keep])
    found = BasicTokenizer(never_split=[keep]).tokenize(text)
    assert found == peer.tokenize(text)
    assert ("naïve" in found) == (keep == "naïve")
