import pytest

from mobilebert.hub import BUNDLED_MODEL
from mobilebert.text import MobileBertTokenizerFast


@pytest.fixture(scope="session")
def tokenizer():
    return MobileBertTokenizerFast.from_pretrained(BUNDLED_MODEL)
