import pytest
import torch

from mobilebert.hub import BUNDLED_MODEL
from mobilebert.text import MobileBertTokenizerFast
from pipelines.random_checkpoints import write_all


@pytest.fixture(scope="session")
def tokenizer():
    return MobileBertTokenizerFast.from_pretrained(BUNDLED_MODEL)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Directory of a random checkpoint for each pipeline task, made once."""
    return write_all(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(autouse=True, scope="package")
def _one_thread():
    # The models are tiny: handing work to a second thread costs more than it saves.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
