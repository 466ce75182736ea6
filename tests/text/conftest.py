"""The two tokenizers and their counterparts in transformers, on the bundled vocabulary."""

import json
import logging
import warnings
from pathlib import Path

import pytest

from mobilebert.hub import BUNDLED_MODEL, BUNDLED_MODELS
from text.peers import OURS, PEERS

DATA = Path(__file__).parent / "data"

KINDS = tuple(OURS)


@pytest.fixture(scope="session")
def directory():
    return BUNDLED_MODELS[BUNDLED_MODEL]


@pytest.fixture(scope="session")
def vocab_file(directory):
    return directory / "vocab.txt"


@pytest.fixture(scope="session")
def load_both(directory):
    """Load our tokenizer and the peer's with the same constructor arguments."""
    cache = {}

    def load(kind, **arguments):
        key = (kind, repr(sorted(arguments.items())))
        if key not in cache:
            cache[key] = (
                OURS[kind].from_pretrained(directory, **arguments),
                PEERS[kind].from_pretrained(directory, **arguments),
            )
        return cache[key]

    return load


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def both(kind, load_both):
    return load_both(kind)


@pytest.fixture
def ours(both):
    return both[0]


@pytest.fixture
def slow(load_both):
    return load_both("slow")[0]


@pytest.fixture
def fast(load_both):
    return load_both("fast")[0]


@pytest.fixture(scope="session")
def multilingual():
    return (DATA / "multilingual.txt").read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="session")
def naughty():
    return json.loads((DATA / "naughty-strings.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def _quiet_peer():
    """Keep the peer's advice out of the log; our own is tested where it matters."""
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="transformers")
        yield
    logger.setLevel(level)


@pytest.fixture(scope="session")
def data_directory(pytestconfig):
    """The folder of `--data DIR`, or None."""
    value = pytestconfig.getoption("--data", default=None)
    return None if value is None else Path(value)
