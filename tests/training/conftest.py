import pytest
import torch


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
