"""Published encoders: states through a projection, texts by direction."""

import pytest
import torch

from assertions import assert_close
from mobilebert.errors import InputError
from mobilebert.pretraining.encoder_objectives import (
    StateProjection,
    pooled_means,
    sentence_transfer,
    state_transfer,
)
from mobilebert.torch.packed import pack
from tolerances import FLOAT64


def test_states_by_hand():
    student = torch.tensor([[1.0, 2.0, 0.0]], dtype=torch.float64, requires_grad=True)
    encoder = torch.tensor([[3.0, 7.0, 5.0]], dtype=torch.float64, requires_grad=True)
    found = state_transfer(student, encoder)
    # Normalised (-1.5, 1.5, 0) ** 0.5, as the variance is 8 / 3: squares of 1 + w, 2 - w and 0.
    w = (3 / 2) ** 0.5
    assert float(found.mean().detach()) == pytest.approx(
        ((1 + w) ** 2 + (2 - w) ** 2) / 3, rel=1e-5
    )
    assert float(found.units) == 1
    found.total.backward()
    assert student.grad.any()
    assert encoder.grad is None


def test_a_constant_answer_costs_one():
    encoder = 7 + 3 * torch.randn(50, 64, generator=torch.Generator().manual_seed(0))
    assert float(state_transfer(torch.zeros(50, 64), encoder).mean()) == pytest.approx(1, rel=1e-4)


def test_a_projection_keeps_the_spread():
    drawn = torch.Generator().manual_seed(0)
    projection = StateProjection(256, 384, drawn)
    spread = projection(torch.randn(200, 256, generator=drawn)).std()
    assert 0.9 < float(spread.detach()) < 1.1


def test_means_over_the_tokens_of_each_text():
    batch = pack([[1, 2], [3], [4, 5, 6]])
    states = torch.arange(12, dtype=torch.float64).view(6, 2).requires_grad_()
    assert_close(pooled_means(states, batch).detach(), [[1, 2], [4, 5], [8, 9]], FLOAT64)
    assert torch.autograd.gradcheck(lambda x: pooled_means(x, batch), (states,))


def test_directions_of_texts_by_hand():
    student = torch.tensor([[3.0, 4.0], [1.0, 0.0], [2.0, 2.0]], requires_grad=True)
    teacher = torch.tensor([[8.0, 6.0], [0.0, 5.0], [1.0, 1.0]])
    # Cosines 48 / 50, 0 and 1.
    found = sentence_transfer(student, teacher)
    assert float(found.total.detach()) == pytest.approx(1.04, abs=1e-6)
    assert float(found.units) == 3


def test_widths_that_differ():
    with pytest.raises(InputError, match=r"states have shape \(5, 3\), the encoder's \(5, 4\)"):
        state_transfer(torch.zeros(5, 3), torch.zeros(5, 4))
    with pytest.raises(InputError, match=r"vectors have shape \(5, 3\)"):
        sentence_transfer(torch.zeros(5, 3), torch.zeros(5, 4))
