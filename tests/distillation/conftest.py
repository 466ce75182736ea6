import pytest

from mobilebert.torch import packed_batch
from one_thread import one_thread, seeded_torch

__all__ = ["one_thread", "seeded_torch"]


@pytest.fixture(autouse=True)
def _groups_with_padding(monkeypatch):
    # So that these short texts are padded in one group, alone in another.
    monkeypatch.setattr(packed_batch, "_CHEAP_SQUARES", 100)
