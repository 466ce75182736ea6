"""Fixtures of small text, its tokenizer and configurations; a conftest imports them."""

import pytest

from mobilebert.text import MobileBertTokenizerFast
from pretraining.small_text import small_tokenizer, write_config, write_prepared

__all__ = ["config_file", "prepared", "tokenizer", "tokenizer_dir"]


@pytest.fixture(scope="session")
def tokenizer_dir(tmp_path_factory):
    return small_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="session")
def tokenizer(tokenizer_dir):
    return MobileBertTokenizerFast.from_pretrained(tokenizer_dir)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, tokenizer):
    return write_prepared(tmp_path_factory.mktemp("prepared"), tokenizer)


@pytest.fixture(scope="session")
def config_file(tmp_path_factory, tokenizer):
    return write_config(tmp_path_factory.mktemp("config"), len(tokenizer))
