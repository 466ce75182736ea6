"""Training a vocabulary from the command line."""

import pytest

from commands.running import answers, assert_refused, invoke
from corpora.texts import documents, write
from mobilebert.text import MobileBertTokenizerFast


def test_from_text_to_prepared_data(tmp_path):
    text = write(tmp_path, "a.txt", documents(60))
    where = ("--input", text, "--output", tmp_path / "tokenizer")
    result = invoke("train-tokenizer", *where, "--vocab-size", 150, "--special", "[HERE]")
    assert result.exit_code == 0, result.stderr
    assert "a.txt: text, encoding utf-8" in result.stderr
    assert "150 tokens, with" in result.stdout
    tokenizer = MobileBertTokenizerFast.from_pretrained(tmp_path / "tokenizer")
    assert tokenizer.tokenize("a [HERE] b")[1] == "[HERE]"
    said = answers(
        *("prepare-pretraining", "--input", text, "--output", tmp_path / "data"),
        *("--tokenizer", tmp_path / "tokenizer", "--max-length", 32, "--held-out", 0.1),
    )
    assert "sequences to train on" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--vocab-size", "10"), "vocab_size must be a whole number from 64"),
        (("--min-frequency", "0"), "min_frequency"),
        (("--special", "[SEP]"), "no other special token, not '[SEP]'"),
        (("--input", "/nowhere.txt"), "Cannot read /nowhere.txt"),
    ],
)
def test_bad_options(tmp_path, arguments, message):
    text = write(tmp_path, "a.txt", documents(2))
    where = ("--input", text) if "--input" not in arguments else ()
    result = invoke("train-tokenizer", *where, *arguments, "--output", tmp_path / "out")
    assert_refused(result, message)
    assert not (tmp_path / "out").exists()
