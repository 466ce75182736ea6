"""What learns in a stage, and the progressive schedule with the code's LAMB, step by step."""

import numpy as np
import pytest
import torch
from torch import nn

from assertions import assert_close, relative_error
from distillation.transfers import student_of
from mobilebert.distillation.stage_optimizer import enter_stage, stage_optimizer
from mobilebert.distillation.stages import Slots
from mobilebert.distillation.strategies import (
    PROGRESSIVE_FORMS,
    auxiliary,
    joint,
    progressive,
)
from mobilebert.errors import InputError
from tolerances import FLOAT64

PHASE, LAYERS, RATE = 5, 2, 0.02


class Toy(nn.Module):
    """The names of an encoder, and little behind them."""

    def __init__(self):
        super().__init__()
        self.embeddings = nn.ModuleDict({"word_embeddings": nn.Linear(3, 2, bias=False)})
        self.encoder = nn.ModuleDict(
            {"layer": nn.ModuleList(nn.ModuleDict({"dense": nn.Linear(3, 2)}) for _ in range(2))}
        )
        self.cls = nn.Linear(2, 2)


def drawn(name, shape, step):
    key = [step + 1, *name.encode()]
    return np.random.default_rng(key).standard_normal(shape)


def toy():
    model = Toy().double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(drawn(name, parameter.shape, -1)))
    return model


def codes_run(starts):
    """google-research mobilebert/lamb_optimizer.py with layer-wise rates, in numpy."""
    weights = dict(starts)
    m = {name: np.zeros_like(x) for name, x in weights.items()}
    v = {name: np.zeros_like(x) for name, x in weights.items()}
    for step in range(PHASE * LAYERS):
        within = (step % PHASE) / PHASE
        background = min(0.9 + 0.1 * np.sqrt(1 - within), 10 * within)
        for name, weight in weights.items():
            scale = 0.0
            if "encoder.layer." in name:
                start = PHASE * int(name.split("layer.")[1][0])
                scale = 3 * background * (0.0, 1.0, 0.1)[(step > start) + (step > start + PHASE)]
            gate = float(scale > 0)
            gradient = drawn(name, weight.shape, step)
            m[name] = gate * (0.9 * m[name] + 0.1 * gradient)
            v[name] = gate * (0.999 * v[name] + 0.001 * gradient**2)
            update = m[name] / (np.sqrt(v[name]) + 1e-6)
            ratio = 1.0
            if "bias" not in name:
                update = update + gate * 0.01 * weight
                norms = np.linalg.norm(weight), np.linalg.norm(update)
                ratio = norms[0] / norms[1] if min(norms) > 0 else 1.0
            weights[name] = weight - scale * ratio * RATE * update
    return weights


def our_run(stages, name="lamb"):
    model, optimizer, step = toy(), None, 0
    for stage in stages:
        enter_stage(model, stage)
        optimizer = stage_optimizer(name, model, stage, lr=RATE, previous=optimizer)
        rates = [group["lr"] for group in optimizer.param_groups]
        for within in range(stage.steps):
            for key, parameter in model.named_parameters():
                gradient = torch.from_numpy(drawn(key, parameter.shape, step))
                parameter.grad = gradient if parameter.requires_grad else None
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * stage.background(within)
            optimizer.step()
            step += 1
    return {key: parameter.detach().numpy() for key, parameter in model.named_parameters()}


def test_progressive_transfer_with_lamb_is_that_of_the_code():
    starts = {name: x.detach().numpy().copy() for name, x in toy().named_parameters()}
    wanted = codes_run(starts)
    found = our_run(progressive(LAYERS, PHASE * LAYERS, 0))
    for name, weight in wanted.items():
        assert_close(found[name], weight, FLOAT64, name)
    for name in ("embeddings.word_embeddings.weight", "cls.weight", "cls.bias"):
        assert np.array_equal(found[name], starts[name])
    lower = "encoder.layer.0.dense.weight"
    frozen = our_run(progressive(LAYERS, PHASE * LAYERS, 0, form="frozen"))
    assert relative_error(frozen[lower], wanted[lower]) > FLOAT64


@pytest.mark.parametrize("name", ["adamw", "lamb"])
def test_running_means_begin_anew_or_are_kept(name):
    form = type(PROGRESSIVE_FORMS["original"])(slots=Slots.KEEP, rests_at_zero=False)
    model = toy()
    first, second = progressive(LAYERS, 4, 0, form=form)
    enter_stage(model, first)
    optimizer = stage_optimizer(name, model, first, lr=RATE)
    weight = model.encoder["layer"][0]["dense"].weight
    weight.grad = torch.ones_like(weight)
    optimizer.step()
    mean = optimizer.state[weight]["exp_avg"]
    assert mean.any()
    enter_stage(model, second)
    kept = stage_optimizer(name, model, second, lr=RATE, previous=optimizer)
    assert kept.state[weight]["exp_avg"] is mean
    anew = progressive(LAYERS, 4, 0)[1]
    assert not stage_optimizer(name, model, anew, lr=RATE, previous=optimizer).state


@pytest.mark.parametrize("name", ["adamw", "lamb"])
def test_rates_by_layer_with_both_optimizers(name):
    model = student_of(dtype=torch.float32)
    stage = progressive(3, 3, 0)[1]
    enter_stage(model, stage)
    groups = stage_optimizer(name, model, stage, lr=0.1).param_groups
    by_tensor = {id(x): group for group in groups for x in group["params"]}
    for key, parameter in model.named_parameters():
        wanted = {"0": 0.03, "1": 0.3}.get(key.partition("encoder.layer.")[2][:1])
        group = by_tensor.get(id(parameter))
        assert parameter.requires_grad is (wanted is not None), key
        if wanted is None:
            assert group is None
            continue
        assert group["lr"] == pytest.approx(wanted)
        # The exclusions of the code: biases and norms.
        assert group["weight_decay"] == (0.01 if parameter.ndim > 1 else 0.0)
        assert group["trust_ratio"] is (parameter.ndim > 1)


@pytest.mark.parametrize("name", ["adamw", "lamb"])
def test_only_what_has_a_rate_moves(name):
    starts = {key: x.detach().numpy().copy() for key, x in toy().named_parameters()}
    found = our_run(progressive(LAYERS, 6, 0, form="frozen")[1:], name)
    moved = {key for key, start in starts.items() if not np.array_equal(start, found[key])}
    assert moved == {"encoder.layer.1.dense.weight", "encoder.layer.1.dense.bias"}
    everything = our_run(auxiliary(LAYERS, 3), name)
    assert all(not np.array_equal(start, everything[key]) for key, start in starts.items())


def test_modules_besides_the_student():
    model, projection = student_of(), nn.Linear(3, 4)
    (stage,) = joint(3, 5, 0)
    enter_stage(model, stage)
    optimizer = stage_optimizer("lamb", model, stage, lr=0.1, modules=[projection])
    rates = {id(x): group["lr"] for group in optimizer.param_groups for x in group["params"]}
    assert rates[id(projection.weight)] == rates[id(projection.bias)] == 0.1


def test_dropout_acts_where_the_stage_says():
    model = student_of(attention_probs_dropout_prob=0.1)
    for form, wanted in (("original", False), ("model-garden", True)):
        enter_stage(model, progressive(3, 3, 0, form=form)[0])
        assert model.mobilebert.encoder.layer[0].attention.self.training is wanted


def test_students_of_another_depth():
    model, stage = student_of(), progressive(4, 4, 0)[0]
    with pytest.raises(InputError, match="layer-00 is for a student of 4 layers; this one has 3"):
        enter_stage(model, stage)
    with pytest.raises(InputError, match="lr is 0"):
        stage_optimizer("lamb", model, progressive(3, 3, 0)[0], lr=0)


def test_a_table_without_numbers_learns_in_no_stage():
    model = toy()
    model.cls.extension = nn.Parameter(torch.empty(0, 3, dtype=torch.float64))
    for stage in joint(LAYERS, 5, 5):
        enter_stage(model, stage)
        assert not model.cls.extension.requires_grad
        stage_optimizer("lamb", model, stage, lr=RATE)
