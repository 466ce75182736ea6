"""LAMB and AdamW against their formulas, computed step by step in numpy."""

import io

import numpy as np
import pytest
import torch
from torch import nn

from assertions import assert_close, relative_error
from mobilebert.errors import InputError
from mobilebert.training import optimizers
from mobilebert.training.optimizers import Lamb, OptimizerName, build_optimizer
from tolerances import FLOAT64, SMALL_MISTAKE

STEPS = 4


def drawn_weights(dtype=torch.float64):
    rng = np.random.default_rng(3)
    return [
        nn.Parameter(torch.tensor(rng.standard_normal(shape), dtype=dtype))
        for shape in ((3, 5), (5,), (4, 2))
    ]


def drawn_gradients(step):
    rng = np.random.default_rng(100 + step)
    return [rng.standard_normal(shape) for shape in ((3, 5), (5,), (4, 2))]


def groups_of(weights, lr=0.02):
    """Matrices with everything, the vector without decay and trust ratio."""
    first, vector, second = weights
    return [
        {"params": [first, second], "lr": lr, "weight_decay": 0.1, "trust_ratio": True},
        {"params": [vector], "lr": lr / 2, "weight_decay": 0.0, "trust_ratio": False},
    ]


def take_steps(optimizer, weights, steps):
    for step in steps:
        for weight, gradient in zip(weights, drawn_gradients(step), strict=True):
            weight.grad = torch.tensor(gradient, dtype=weight.dtype)
        optimizer.step()


def lamb_by_hand(weight, gradients, lr, decay, trust, scales=None, beta1=0.9, beta2=0.999):
    m = v = 0.0
    for gradient, scale in zip(gradients, scales or [1.0] * len(gradients), strict=True):
        if scale == 0:
            m = v = 0.0
            continue
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * gradient**2
        update = m / (np.sqrt(v) + 1e-6) + decay * weight
        ratio = np.linalg.norm(weight) / np.linalg.norm(update) if trust else 1.0
        weight = weight - lr * scale * ratio * update
    return weight


def adamw_by_hand(weight, gradients, lr, decay):
    m = v = 0.0
    for step, gradient in enumerate(gradients, 1):
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        weight = weight * (1 - lr * decay)
        weight = weight - lr * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
    return weight


def by_hand(name, starts, decay=0.1, **options):
    """Where the three weights are after all steps."""
    ends = []
    for i, start in enumerate(starts):
        matrix = start.ndim > 1
        gradients = [drawn_gradients(step)[i] for step in range(STEPS)]
        lr, wd = (0.02, decay) if matrix else (0.01, 0.0)
        if name == "lamb":
            ends.append(lamb_by_hand(start, gradients, lr, wd, matrix, **options))
        else:
            ends.append(adamw_by_hand(start, gradients, lr, wd))
    return ends


@pytest.mark.parametrize("name", OptimizerName)
def test_steps_are_those_of_the_formula(name):
    weights = drawn_weights()
    starts = [weight.detach().numpy().copy() for weight in weights]
    take_steps(build_optimizer(name, groups_of(weights)), weights, range(STEPS))
    for weight, wanted in zip(weights, by_hand(name, starts), strict=True):
        assert_close(weight.detach(), wanted, FLOAT64)
    # Another decay would show.
    other = by_hand(name, starts, decay=0.1 + 100 * SMALL_MISTAKE)
    assert relative_error(weights[0].detach(), other[0]) > FLOAT64


def test_tensors_may_go_through_the_formula_together(monkeypatch):
    """As they do on an accelerator."""
    monkeypatch.setattr(optimizers, "_parts", lambda weights: [weights])
    test_steps_are_those_of_the_formula("lamb")


def test_the_first_step_of_lamb_has_the_size_of_the_weight():
    weight = nn.Parameter(torch.tensor([[3.0, 4.0]], dtype=torch.float64))
    optimizer = Lamb([weight], lr=0.1, weight_decay=0.0)
    weight.grad = torch.tensor([[2.0, 2.0]], dtype=torch.float64)
    optimizer.step()
    # m / sqrt(v) is the same for both elements; |w| = 5.
    assert_close(weight.detach(), [[3 - 0.5 / np.sqrt(2), 4 - 0.5 / np.sqrt(2)]], FLOAT64)


@pytest.mark.parametrize(("weight", "gradient"), [(0.0, 1.0), (1.0, 0.0)])
def test_the_trust_ratio_is_1_where_a_norm_is_0(weight, gradient):
    parameter = nn.Parameter(torch.full((2, 2), weight, dtype=torch.float64))
    optimizer = Lamb([parameter], lr=0.1, weight_decay=0.0)
    parameter.grad = torch.full((2, 2), gradient, dtype=torch.float64)
    optimizer.step()
    update = 0.1 * gradient / (np.sqrt(0.001) * gradient + 1e-6)
    assert_close(parameter.detach(), np.full((2, 2), weight - 0.1 * update), FLOAT64)


def test_a_group_with_scale_0_rests_and_begins_again():
    weights = drawn_weights()
    starts = [weight.detach().numpy().copy() for weight in weights]
    optimizer = build_optimizer("lamb", groups_of(weights))
    scales = [1.0, 0.0, 0.1, 1.0]
    for step, scale in enumerate(scales):
        before = weights[0].detach().clone()
        for group in optimizer.param_groups:
            group["lr_scale"] = scale
        take_steps(optimizer, weights, [step])
        assert torch.equal(weights[0], before) == (scale == 0)
    for weight, wanted in zip(weights, by_hand("lamb", starts, scales=scales), strict=True):
        assert_close(weight.detach(), wanted, FLOAT64)
    kept = by_hand("lamb", starts, scales=[1.0, 1e-12, 0.1, 1.0])
    assert relative_error(weights[0].detach(), kept[0]) > FLOAT64


@pytest.mark.parametrize("name", OptimizerName)
def test_resuming_is_bit_identical(name):
    weights = drawn_weights(torch.float32)
    optimizer = build_optimizer(name, groups_of(weights))
    take_steps(optimizer, weights, range(2))
    file = io.BytesIO()
    torch.save({"optimizer": optimizer.state_dict(), "weights": [w.data for w in weights]}, file)
    take_steps(optimizer, weights, range(2, STEPS))

    file.seek(0)
    stored = torch.load(file)
    others = [nn.Parameter(weight) for weight in stored["weights"]]
    resumed = build_optimizer(name, groups_of(others, lr=0.5))
    resumed.load_state_dict(stored["optimizer"])
    take_steps(resumed, others, range(2, STEPS))
    assert all(torch.equal(a, b) for a, b in zip(weights, others, strict=True))

    forgetful = [nn.Parameter(weight) for weight in stored["weights"]]
    take_steps(build_optimizer(name, groups_of(forgetful)), forgetful, range(2, STEPS))
    assert not torch.equal(weights[0], forgetful[0])


def test_weights_without_gradient_stay():
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = Lamb([used, unused], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = used.sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 2.0
    assert torch.equal(unused, torch.ones(2))
    assert not torch.equal(used, torch.ones(2))
    assert unused not in optimizer.state


@pytest.mark.parametrize("name", OptimizerName)
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"lr": -1.0}, "lr is -1.0"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1"),
        ({"weight_decay": float("inf")}, "weight_decay is inf"),
        ({"lr_scale": -2}, "lr_scale is -2"),
    ],
)
def test_impossible_numbers_are_refused(name, changes, named):
    group = {"params": drawn_weights(), "lr": 0.1, "weight_decay": 0.0} | changes
    with pytest.raises(InputError, match=named):
        build_optimizer(name, [group])


@pytest.mark.parametrize("constants", [{"betas": (0.9, 1.0)}, {"betas": (0.9,)}, {"eps": 0.0}])
def test_impossible_constants_are_refused(constants):
    with pytest.raises(InputError, match=next(iter(constants))):
        build_optimizer("adamw", groups_of(drawn_weights()), **constants)


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match=r"'sgd'; choose one of adamw, lamb"):
        build_optimizer("sgd", groups_of(drawn_weights()))


def test_a_group_may_forget_where_its_rate_is_0():
    weight = nn.Parameter(torch.ones(2, 2, dtype=torch.float64))
    for rests in (False, True):
        optimizer = Lamb([{"params": [weight], "rests_at_zero": rests}], lr=0.0)
        weight.grad = torch.ones_like(weight)
        optimizer.step()
        assert torch.equal(weight.detach(), torch.ones_like(weight))
        assert bool(optimizer.state) is not rests
