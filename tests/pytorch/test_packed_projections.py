"""Functions with gradients of their own, against what they are short for."""

import pytest
import torch

from assertions import assert_close
from layer_parts import FUNCTIONS, WIDE, results_and_gradients
from mobilebert.torch import packed_layers, packed_projections
from mobilebert.torch.packed import encode_packed, pack
from tolerances import FLOAT64
from torch_models import build


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
        ("no_opt", {}, {"project": 2 * 2 + 3 * 2, "feed_forward": 0, "enter_attention": 0}),
        (
            "mobilebert",
            {"normalization_type": "layer_norm"},
            {"project": 2 * 2, "feed_forward": 3 * 2 + 2 * 0, "enter_attention": 0},
        ),
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


def test_autocast_runs_on_them_too(monkeypatch):
    calls = calls_of(monkeypatch, "mobilebert")
    monkeypatch.undo()
    with torch.autocast("cpu", torch.bfloat16):
        assert calls_of(monkeypatch, "mobilebert")[0] == calls[0]
