import logging

import pytest

import mobilebert
from mobilebert.errors import InputError


@pytest.fixture(autouse=True)
def restore_level():
    logger = logging.getLogger("mobilebert")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.mark.parametrize(("given", "level"), [("info", 20), ("ERROR", 40), (10, 10)])
def test_set_verbosity(given, level):
    mobilebert.set_verbosity(given)
    assert mobilebert.get_verbosity() == level
    assert logging.getLogger("mobilebert.config").isEnabledFor(level)
    assert not logging.getLogger("mobilebert.config").isEnabledFor(level - 1)


def test_documented_shortcuts():
    mobilebert.logging.set_verbosity_info()
    assert mobilebert.logging.get_verbosity() == mobilebert.logging.INFO
    mobilebert.logging.set_verbosity_error()
    assert mobilebert.logging.get_verbosity() == mobilebert.logging.ERROR


def test_unknown_level_lists_the_known_ones():
    with pytest.raises(InputError, match="'loud'; choose one of debug, info"):
        mobilebert.set_verbosity("loud")
