"""Functions with gradients of their own, against what they are short for."""

import pytest
import torch
from torch.nn import functional as F

from assertions import assert_close
from mobilebert.torch import packed_layers, packed_projections
from mobilebert.torch.packed import encode_packed, pack
from mobilebert.torch.packed_projections import (
    FoldedDense,
    enter_attention,
    feed_forward,
    project,
)
from tolerances import FLOAT64
from torch_models import build

ROWS, WIDTH, INNER, WIDE = 7, 6, 4, 10


def drawn(*shapes):
    generator = torch.Generator().manual_seed(sum(map(sum, shapes)))
    return [
        torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in shapes
    ]


def folded_shapes(out, into):
    return (out, into), (out,), (out,), (out,)


def normed(x, dense, residual=0.0):
    return (F.linear(x, dense.weight, dense.bias) + residual) * dense.factor + dense.shift


def entry_inputs(wanted):
    inputs = drawn(
        (ROWS, WIDTH),
        (2, WIDTH),
        *folded_shapes(INNER, WIDTH),
        *folded_shapes(INNER, WIDTH),
        *((INNER, INNER), (INNER,)) * 2,
        *((INNER, WIDTH), (INNER,)),
    )
    return inputs if wanted else [inputs[0], None, *inputs[2:]]


def fast_entry(stream, wanted, *weights):
    return enter_attention(
        stream, wanted, FoldedDense(*weights[:4]), FoldedDense(*weights[4:8]), weights[8:]
    )


def slow_entry(stream, wanted, *weights):
    narrow = normed(stream, FoldedDense(*weights[4:8]))
    query, query_bias, key, key_bias, value, value_bias = weights[8:]
    joint = F.linear(narrow, query, query_bias), F.linear(narrow, key, key_bias)
    residual = normed(stream if wanted is None else wanted, FoldedDense(*weights[:4]))
    return residual, torch.cat([*joint, F.linear(stream, value, value_bias)], dim=1)


FUNCTIONS = {
    "project": (
        lambda x, residual, *dense: project(x, FoldedDense(*dense), residual),
        lambda x, residual, *dense: normed(x, FoldedDense(*dense), residual),
        lambda: drawn((ROWS, INNER), (ROWS, WIDTH), *folded_shapes(WIDTH, INNER)),
    ),
    "feed_forward": (
        lambda x, weight, bias, *dense: feed_forward(x, weight, bias, FoldedDense(*dense)),
        lambda x, weight, bias, *dense: normed(
            F.relu(F.linear(x, weight, bias)), FoldedDense(*dense), x
        ),
        lambda: drawn((ROWS, INNER), (WIDE, INNER), (WIDE,), *folded_shapes(INNER, WIDE)),
    ),
    "enter_attention": (fast_entry, slow_entry, lambda: entry_inputs(False)),
    "enter_attention, some rows": (fast_entry, slow_entry, lambda: entry_inputs(True)),
}


def results_and_gradients(function, inputs):
    """What comes out, and the gradients of a sum with other weights for each number."""
    results = function(*inputs)
    results = results if isinstance(results, tuple) else (results,)
    total = sum((x * torch.arange(x.numel()).view(x.shape).sin()).sum() for x in results)
    wanted = [x for x in inputs if x is not None and x.requires_grad]
    return results, torch.autograd.grad(total, wanted)


@pytest.mark.parametrize("rows_at_a_time", [1, 3, 100])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_and_gradients_are_those_of_single_operations(name, rows_at_a_time, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr(packed_projections, "_WIDE_NUMBERS", rows_at_a_time * WIDE)
    fast, slow, make = FUNCTIONS[name]
    inputs = make()
    found, wanted = (results_and_gradients(function, inputs) for function in (fast, slow))
    for ours, theirs in zip((*found[0], *found[1]), (*wanted[0], *wanted[1]), strict=True):
        assert_close(ours.detach(), theirs.detach(), FLOAT64)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_input_alone_may_want_a_gradient(name):
    fast, slow, make = FUNCTIONS[name]
    for number, chosen in enumerate(make()):
        if chosen is None:
            continue
        inputs = [x if x is None else x.detach() for x in make()]
        inputs[number].requires_grad_()
        (found,), (wanted,) = (results_and_gradients(f, inputs)[1] for f in (fast, slow))
        assert_close(found, wanted, FLOAT64, f"input {number}")


def calls_of(monkeypatch, variant, **changes):
    """How often an encoder calls each function, and its configuration."""
    calls = dict.fromkeys(("project", "feed_forward", "enter_attention"), 0)

    def counted(name):
        function = getattr(packed_projections, name)

        def call(*arguments):
            calls[name] += 1
            return function(*arguments)

        return call

    for name in calls:
        monkeypatch.setattr(packed_layers, name, counted(name))
    model = build(variant=variant, **changes)
    encode_packed(model.train(), pack([[5, 6, 7], [8, 9]]))
    return calls, model.config


def test_the_usual_model_runs_on_them(monkeypatch):
    calls, config = calls_of(monkeypatch, "mobilebert")
    layers, networks = config.num_hidden_layers, config.num_feedforward_networks
    assert calls == {
        "project": 2 * layers,
        "feed_forward": networks * layers,
        "enter_attention": layers,
    }


@pytest.mark.parametrize(
    ("variant", "changes", "used"),
    [
        ("no_opt", {}, {"project": 0, "feed_forward": 0, "enter_attention": 0}),
        ("gelu", {}, {"project": 2 * 2 + 3 * 2, "feed_forward": 0, "enter_attention": 2}),
        ("tiny", {}, {"project": 2 * 2, "feed_forward": 2 * 2, "enter_attention": 0}),
        (
            "mobilebert",
            {"hidden_dropout_prob": 0.1},
            {"project": 2, "feed_forward": 3 * 2, "enter_attention": 2},
        ),
    ],
)
def test_other_models_run_on_what_fits(monkeypatch, variant, changes, used):
    calls, _ = calls_of(monkeypatch, variant, **changes)
    assert calls == used


def test_autocast_does_not_run_on_them(monkeypatch):
    with torch.autocast("cpu", torch.bfloat16):
        calls, _ = calls_of(monkeypatch, "mobilebert")
    assert not any(calls.values())
