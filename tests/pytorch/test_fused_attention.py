"""Fused attention against the step-by-step one, and which of them ran."""

import pytest
import torch

from assertions import assert_close
from mobilebert.torch.inputs import additive_attention_mask, without_absorption
from tolerances import FLOAT32, FLOAT64
from torch_models import Calls, batch_for, build

FUSED = "scaled_dot_product_attention"


def masks(batch):
    """2-D and 3-D masks, fractions, and rows that may attend to nothing."""
    rows, length = batch["input_ids"].shape
    square = torch.rand(rows, length, length) > 0.4
    square[:, 2] = False
    nothing = batch["attention_mask"].clone()
    nothing[1] = 0
    half = nothing.double()
    half[1] = 0.5
    return {"padded": batch["attention_mask"], "square": square, "nothing": nothing, "half": half}


@pytest.mark.parametrize("kind", ["padded", "square", "nothing", "half"])
@pytest.mark.parametrize("grad", [False, True])
def test_fused_attention_equals_the_slow_one(kind, grad):
    model = build(dtype=torch.float64)
    batch = batch_for(model)
    batch["attention_mask"] = masks(batch)[kind]
    outputs = {}
    for name in ("eager", "sdpa"):
        model.set_attn_implementation(name)
        with Calls() as calls, torch.set_grad_enabled(grad):
            outputs[name] = model(**batch).last_hidden_state
        assert calls.count(FUSED) == (2 if name == "sdpa" else 0)
    assert torch.isfinite(outputs["sdpa"]).all()
    assert_close(outputs["sdpa"].detach(), outputs["eager"].detach(), FLOAT64)


@pytest.mark.parametrize("options", [{"output_attentions": True}, {"head_mask": torch.ones(4)}])
def test_what_needs_probabilities_runs_step_by_step(options):
    model = build()
    with Calls() as calls:
        model(**batch_for(model), **options)
    assert calls.count(FUSED) == 0


@pytest.mark.parametrize("kind", ["padded", "nothing"])
def test_gradients_of_values_are_right_where_nothing_may_be_attended_to(kind):
    # The value projection's gradient is where the kernels' backward pass goes wrong by a factor
    # of S for such rows. Queries and keys have no part in a uniform row: their gradients differ
    # on purpose from the step-by-step way, which sends some through the absorbed sum.
    model = build(dtype=torch.float64, num_hidden_layers=1)
    batch = batch_for(model)
    batch["attention_mask"] = masks(batch)[kind]
    value = model.encoder.layer[0].attention.self.value.weight
    found = {}
    for name in ("eager", "sdpa"):
        model.set_attn_implementation(name)
        total = model(**batch).last_hidden_state.square().sum()
        (found[name],) = torch.autograd.grad(total, value)
    assert_close(found["sdpa"], found["eager"], FLOAT64)


def test_a_row_with_nothing_to_attend_to_depends_on_no_score():
    mask = torch.tensor([[1, 1, 0], [0, 0, 0]])
    additive = additive_attention_mask(mask, (2, 3), torch.float64)
    harmless, queries = without_absorption(additive)
    assert torch.equal(harmless[0], additive[0])
    assert not harmless[1].any()
    assert queries.flatten().tolist() == [1.0, 0.0]


def test_attention_rows_sum_to_one():
    model = build()
    found = model(**batch_for(model), output_attentions=True).attentions
    assert [tuple(x.shape) for x in found] == [(3, 4, 11, 11)] * 2
    assert_close(torch.cat(found).sum(-1).detach(), torch.ones(6, 4, 11), FLOAT32)


def test_attentions_show_the_head_mask():
    model = build()
    mask = torch.tensor([[1.0, 0.5, 0.0, 1.0], [0.0, 1.0, 1.0, 1.0]])
    found = model(**batch_for(model), head_mask=mask, output_attentions=True).attentions
    for layer, factors in zip(found, mask, strict=True):
        assert_close(layer.sum(-1).detach(), factors[None, :, None].expand(3, 4, 11), FLOAT32)
