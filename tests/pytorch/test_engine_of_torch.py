"""The engine beside PyTorch: taking its models, and rounding to bfloat16 as it does."""

import numpy as np
import pytest
import torch

from assertions import assert_close
from mobilebert import MobileBertForMaskedLM
from mobilebert.engine import Engine
from mobilebert.engine.layouts import to_bfloat16
from mobilebert.errors import InputError
from models import random_batch, small_config
from tolerances import FLOAT32


def test_a_pytorch_model_can_be_taken():
    torch.manual_seed(0)
    model = MobileBertForMaskedLM(small_config()).eval()
    ids, mask, types = random_batch(model.config)
    found = Engine.from_model(model, dtype="float32")(ids, mask, types).logits
    with torch.no_grad():
        batch = [torch.as_tensor(x) for x in (ids, mask, types)]
        wanted = model(*batch, pad_neighbor="zero").logits.numpy()
    assert_close(found[mask == 1], wanted[mask == 1], FLOAT32)
    with pytest.raises(InputError, match="MobileBERT model is needed, not a Linear"):
        Engine.from_model(torch.nn.Linear(2, 2))


def test_a_model_that_goes_on_learning_leaves_the_engine_as_it_is():
    torch.manual_seed(0)
    model = MobileBertForMaskedLM(small_config())
    engine = Engine.from_model(model, dtype="float32")
    ids = random_batch(model.config)[0]
    wanted = engine(ids).logits
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(1.0)
    assert (engine(ids).logits == wanted).all()


def test_bfloat16_is_rounded_as_pytorch_does():
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, size=100_000, dtype=np.uint64).astype(np.uint32)
    # The halves between two bfloat16 numbers, and their neighbours.
    ties = (bits & 0xFFFF0000) | 0x8000
    numbers = np.concatenate([bits, ties, ties - 1, ties + 1]).view(np.float32)
    # Beyond the largest number, rounding up gives infinity: such weights are refused.
    numbers = numbers[np.isfinite(numbers)]
    wanted = torch.from_numpy(numbers).to(torch.bfloat16).view(torch.int16).numpy()
    assert (to_bfloat16(numbers).view(np.int16) == wanted).all()
