"""Sums of gradients become means that are not too long, against torch's own clipping."""

import math

import pytest
import torch

from mobilebert.training.gradients import shorten_to_mean, summed_gradients
from mobilebert.training.guard import Fault
from mobilebert.training.processes import Processes

UNITS = 4.0


def weights():
    drawn = torch.Generator().manual_seed(3)
    found = [torch.zeros(shape, requires_grad=True) for shape in ((3, 2), (5,), (2,))]
    for weight in found[:2]:  # the last one rests
        weight.grad = torch.randn(weight.shape, generator=drawn)
    return found


@pytest.mark.parametrize("longest", [math.inf, 10.0, 0.1])
def test_means_are_as_long_as_torchs_own_leaves_them(longest):
    ours, theirs = weights(), weights()
    shorten_to_mean(summed_gradients(ours, torch.zeros(2), Processes()), UNITS, longest)
    for weight in theirs[:2]:
        weight.grad /= UNITS
    torch.nn.utils.clip_grad_norm_(theirs, longest)
    for own, other in zip(ours[:2], theirs[:2], strict=True):
        torch.testing.assert_close(own.grad, other.grad)
    assert ours[2].grad is None
    assert not torch.allclose(ours[0].grad, weights()[0].grad)


def test_numbers_of_a_sparse_gradient_are_those_of_the_whole():
    table = torch.zeros(4, 2, requires_grad=True)
    rows, values = torch.tensor([[1, 3, 1]]), torch.arange(6.0).reshape(3, 2)
    table.grad = torch.sparse_coo_tensor(rows, values, (4, 2), check_invariants=True)
    whole = table.grad.to_dense() / UNITS
    shorten_to_mean(summed_gradients([table], torch.zeros(2), Processes()), UNITS, math.inf)
    torch.testing.assert_close(table.grad.to_dense(), whole)
    shorten_to_mean([table.grad.values()], 1.0, 0.5)
    assert table.grad.to_dense().norm() == pytest.approx(0.5)


def test_where_nothing_has_a_gradient_nothing_happens():
    shorten_to_mean([], UNITS, 1.0)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_what_is_no_number_is_a_fault(number):
    with pytest.raises(Fault, match="the norm of the gradients"):
        shorten_to_mean([torch.tensor([1.0, number])], UNITS, 1.0)
