import pytest

from mobilebert.hub import BUNDLED_MODEL
from mobilebert.text import MobileBertTokenizerFast
from one_thread import one_thread, seeded_torch
from pipelines.random_checkpoints import write_all

__all__ = ["checkpoints", "one_thread", "seeded_torch", "tokenizer"]


@pytest.fixture(scope="session")
def tokenizer():
    return MobileBertTokenizerFast.from_pretrained(BUNDLED_MODEL)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Directory of a random checkpoint for each pipeline task, made once."""
    return write_all(tmp_path_factory.mktemp("checkpoints"))
