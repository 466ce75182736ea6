"""Vocabularies trained on small texts: both tokenizers agree, runs agree, bad text is refused."""

import subprocess
import sys

import pytest
from hypothesis import given, settings, strategies as st

from corpora.texts import documents, write
from mobilebert.corpora.vocabulary_training import train_tokenizer
from mobilebert.errors import InputError
from mobilebert.text import MobileBertTokenizer, MobileBertTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
FOREIGN = [["Größere Bäume, größere Häuser; ÉTÉ été Été."] * 5, ["東京 と 大阪 と 東京"] * 5]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    directory = tmp_path_factory.mktemp("text")
    write(directory, "a.txt.xz", documents(40))
    write(directory, "b.txt", FOREIGN)
    return directory


def both(directory):
    return [
        kind.from_pretrained(directory) for kind in (MobileBertTokenizer, MobileBertTokenizerFast)
    ]


@pytest.mark.parametrize("options", [{}, {"lower_case": False}, {"strip_accents": False}], ids=str)
def test_what_is_trained(tmp_path, text, options):
    result = train_tokenizer(text, tmp_path / "out", vocab_size=200, **options)
    lines = (tmp_path / "out" / "vocab.txt").read_text(encoding="utf-8").splitlines()
    assert lines[:5] == SPECIAL
    assert len(lines) == len(set(lines)) == result.tokens == 200
    assert "garden" in lines
    lower = options.get("lower_case", True)
    assert any(line != line.lower() for line in lines[5:]) is not lower
    accents = not lower or not options.get("strip_accents", True)
    assert any("ö" in line for line in lines) is accents
    slow, fast = both(tmp_path / "out")
    for tokenizer in (slow, fast):
        assert tokenizer.model_max_length == 512
        assert tokenizer.pad_token_id == 0
        ids = tokenizer("the quiet garden, ÉTÉ 東京")["input_ids"]
        assert (ids[0], ids[-1]) == (2, 3)
        assert 1 not in ids
    assert slow.get_vocab() == fast.get_vocab()


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory, text):
    directory = tmp_path_factory.mktemp("trained")
    train_tokenizer(text, directory, vocab_size=180, special_tokens=["[HERE]"])
    return both(directory)


# Both libraries have tables of Unicode, of different versions: what is old has the same class.
TEXT = st.text(st.characters(max_codepoint=0x17F))


@settings(deadline=None)
@given(st.lists(st.sampled_from("the Garden, été 東京 winter[HERE] . z".split()) | TEXT))
def test_both_tokenizers_give_the_same_ids(tokenizers, words):
    slow, fast = tokenizers
    text = " ".join(words).encode("utf-8", "ignore").decode()
    assert slow(text)["input_ids"] == fast(text)["input_ids"]


def test_special_tokens_come_behind_those_of_bert(tokenizers):
    for tokenizer in tokenizers:
        assert tokenizer.convert_tokens_to_ids([*SPECIAL, "[HERE]"]) == list(range(6))
        assert tokenizer.additional_special_tokens == ["[HERE]"]


def test_each_process_trains_the_same(tmp_path, text):
    """Hash tables of the library begin otherwise in each process."""
    many = [[" ".join(chr(n) * 3 for n in range(0x4E00 + k, 0x4E00 + k + 40))] for k in range(90)]
    path = write(tmp_path, "many.txt", many)
    code = (
        "import sys; from mobilebert.corpora.vocabulary_training import train_tokenizer\n"
        "train_tokenizer(sys.argv[1:3], sys.argv[3], vocab_size=160)"
    )
    for name in ("one", "two"):
        arguments = [text, path, tmp_path / name]
        subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True)
    for file in ("vocab.txt", "tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_too_little_text_says_how_many_tokens_came_out(tmp_path, text):
    result = train_tokenizer(text, tmp_path / "out")
    assert 100 < result.tokens < 2000
    assert f"{result.tokens:,} tokens" in result.summary()
    assert "30,522 were asked for" in result.summary()


def test_pieces_that_are_rare_are_left_out(tmp_path, text):
    sizes = [
        train_tokenizer(text, tmp_path / str(least), min_frequency=least).tokens
        for least in (1, 50)
    ]
    assert sizes[0] > sizes[1]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no text"),
        (b" \n\n", "no text"),
        (bytes(300), "NUL"),
        (b"\x81\xff\x00" * 99, "NUL|not UTF-8"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, content, reason):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(InputError, match=reason):
        train_tokenizer(tmp_path / "a.txt", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_directory_that_is_full_is_refused(tmp_path, text):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "vocab.txt").write_text("mine")
    with pytest.raises(InputError, match="--overwrite"):
        train_tokenizer(text, tmp_path / "out")
    assert (tmp_path / "out" / "vocab.txt").read_text() == "mine"
    train_tokenizer(text, tmp_path / "out", vocab_size=100, overwrite=True)
    assert (tmp_path / "out" / "vocab.txt").read_text().startswith("[PAD]\n")
    with pytest.raises(InputError, match="is a file"):
        train_tokenizer(text, tmp_path / "out" / "vocab.txt")
