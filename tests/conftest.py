"""Options and settings of the whole test suite."""

import importlib
import importlib.util
import os

import hypothesis
import pytest

from standing_in import Uploads

# How long examples take says how busy the machine is.
hypothesis.settings.register_profile(
    "no clock", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("no clock")


def pytest_addoption(parser):
    parser.addoption(
        "--data",
        metavar="DIR",
        help="also run the larger comparisons, over generated texts and the .txt files in DIR",
    )


def pytest_configure(config):
    # The models are tiny: handing work to a second thread costs more than it saves, and a worker of
    # pytest-xdist has one processor. TensorFlow and what tests start are told by the environment.
    os.environ |= {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
    if importlib.util.find_spec("torch") is not None:
        importlib.import_module("torch").set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def pack_cache(tmp_path_factory):
    """Packed weights go to a directory of the test run, in subprocesses too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOBILEBERT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def uploads(monkeypatch):
    """What huggingface_hub is told, without a network."""
    Uploads.said = []
    monkeypatch.setattr("huggingface_hub.HfApi", Uploads)
    return Uploads.said
