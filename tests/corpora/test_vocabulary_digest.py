"""Tokenizers that give the same ids have the same digest, and no others."""

import pytest

from mobilebert.corpora.vocabulary_digest import vocabulary_digest
from mobilebert.text import MobileBertTokenizer, MobileBertTokenizerFast

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##b"]


def write(directory, tokens):
    directory.mkdir(exist_ok=True)
    (directory / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens))
    return directory


@pytest.mark.parametrize("options", [{}, {"do_lower_case": False}, {"strip_accents": False}])
def test_both_tokenizers_and_their_saved_files_have_one(tmp_path, options):
    directory = write(tmp_path / "one", TOKENS)
    slow = MobileBertTokenizer.from_pretrained(directory, **options)
    fast = MobileBertTokenizerFast.from_pretrained(directory, **options)
    fast.save_pretrained(tmp_path / "saved")
    digests = {
        vocabulary_digest(tokenizer)
        for tokenizer in (
            slow,
            fast,
            MobileBertTokenizerFast.from_pretrained(tmp_path / "saved"),
            MobileBertTokenizer.from_pretrained(tmp_path / "saved"),
        )
    }
    assert len(digests) == 1


def test_what_gives_other_ids_has_another(tmp_path):
    directory = write(tmp_path / "one", TOKENS)
    other = write(tmp_path / "other", [*TOKENS[:5], "b", "a", "##b"])
    tokenizers = [
        MobileBertTokenizerFast.from_pretrained(directory),
        MobileBertTokenizerFast.from_pretrained(other),
        MobileBertTokenizerFast.from_pretrained(write(tmp_path / "more", [*TOKENS, "c"])),
        MobileBertTokenizerFast.from_pretrained(directory, do_lower_case=False),
        MobileBertTokenizerFast.from_pretrained(directory, strip_accents=False),
        MobileBertTokenizerFast.from_pretrained(directory, tokenize_chinese_chars=False),
        MobileBertTokenizerFast.from_pretrained(directory, never_split=["ab"]),
    ]
    assert len({vocabulary_digest(tokenizer) for tokenizer in tokenizers}) == len(tokenizers)
