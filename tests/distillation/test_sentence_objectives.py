"""Teachers of another kind: states through a projection, texts by direction."""

import pytest
import torch

from assertions import assert_close
from mobilebert.distillation.sentence_objectives import (
    StateProjection,
    pooled_means,
    projected_state_transfer,
    sentence_transfer,
)
from mobilebert.errors import InputError
from mobilebert.torch.packed import pack
from tolerances import FLOAT64


def test_states_of_another_width_by_hand():
    projection = StateProjection(2, 3).double()
    with torch.no_grad():
        projection.dense.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    student = torch.tensor([[1.0, 2.0]], dtype=torch.float64, requires_grad=True)
    teacher = torch.tensor([[1.0, 0.0, 6.0]], dtype=torch.float64, requires_grad=True)
    found = projected_state_transfer(projection, student, teacher)
    # (1, 2, 3) against (1, 0, 6): squares 0, 4, 9.
    assert float(found.mean().detach()) == pytest.approx(13 / 3)
    found.total.backward()
    assert student.grad.any()
    assert projection.dense.weight.grad.any()
    assert teacher.grad is None


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
    with pytest.raises(InputError, match=r"maps have shape \(5, 3\), the teacher's \(5, 4\)"):
        projected_state_transfer(StateProjection(2, 3), torch.zeros(5, 2), torch.zeros(5, 4))
    with pytest.raises(InputError, match=r"vectors have shape \(5, 3\)"):
        sentence_transfer(torch.zeros(5, 3), torch.zeros(5, 4))
