"""Fixtures of tests that run tiny models of PyTorch; a conftest imports them."""

import pytest
import torch

__all__ = ["one_thread", "seeded_torch"]


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    # The models are tiny: handing work to a second thread costs more than it saves.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def seeded_torch():
    torch.manual_seed(0)
