"""Packed training in bfloat16 autocast against float32, and against torch's own derivatives."""

import pytest
import torch

from assertions import relative_error
from layer_parts import FUNCTIONS, results_and_gradients
from mobilebert.engine.native import ISA_VARIABLE
from mobilebert.torch import packed_layers
from mobilebert.torch.packed import AttentionOutput, encode_packed, pack
from mobilebert.torch.packed_attention import attend
from models import VARIANTS
from packed_texts import gradients, texts
from tolerances import BFLOAT16, BFLOAT16_PART, BFLOAT16_RATIO
from torch_models import build

SHARED = ("mobilebert", "tiny", "no_bottleneck", "qat", "no_opt")


@pytest.fixture(autouse=True)
def _products_of_torch(monkeypatch):
    """The engine's kernels have tests of their own."""
    monkeypatch.setenv(ISA_VARIABLE, "generic")


def in_bfloat16(function, *arguments):
    with torch.autocast("cpu", torch.bfloat16):
        return function(*arguments)


def narrow(inputs):
    return [x if x is None else x.detach().float().requires_grad_() for x in inputs]


def errors(found, wanted):
    """The largest error of results and of gradients, relative to each one's largest number."""
    pairs = zip((*found[0], *found[1]), (*wanted[0], *wanted[1]), strict=True)
    return [
        float((x - y).detach().abs().max() / y.detach().abs().max().clamp(min=1)) for x, y in pairs
    ]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_parts_of_a_layer_are_near_those_in_float32(name):
    fast, slow, make = FUNCTIONS[name]
    found = in_bfloat16(results_and_gradients, fast, narrow(make()))
    generic = in_bfloat16(results_and_gradients, slow, narrow(make()))
    wanted = results_and_gradients(slow, narrow(make()))
    assert found[0][0].dtype == torch.float32
    assert {x.dtype for x in found[1]} == {torch.float32}
    ours = max(errors(found, wanted))
    assert 0 < ours < BFLOAT16_PART
    assert ours < BFLOAT16_RATIO * max(errors(generic, wanted))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_mistake_in_any_input_of_a_part_is_noticed(name):
    fast, slow, make = FUNCTIONS[name]
    wanted = results_and_gradients(slow, narrow(make()))
    for number, chosen in enumerate(make()):
        if chosen is None:
            continue
        inputs = narrow(make())
        with torch.no_grad():
            inputs[number] += 0.5
        found = in_bfloat16(results_and_gradients, fast, inputs)
        assert max(errors(found, wanted)) > BFLOAT16_PART, f"input {number}"


def trained(model, batch, rows=None):
    """The wanted states, and all gradients in one row."""
    torch.manual_seed(0)
    states = encode_packed(model, batch, rows=rows).last_hidden_state
    found = gradients(model, states)
    return states.detach(), torch.cat([x.flatten() for x in found.values()])


def distances(found, wanted):
    """Of states and of gradients, as shares of what is wanted."""
    return [float((x - y).norm() / y.norm()) for x, y in zip(found, wanted, strict=True)]


@pytest.mark.parametrize("rows", [None, torch.tensor([0, 5, 12, 80])])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_model_is_as_near_float32_as_with_torchs_derivatives(variant, rows, monkeypatch):
    model = build(variant=variant, attention_probs_dropout_prob=0.1).train()
    batch = pack(*texts(model.config))
    wanted = trained(model, batch, rows)
    found = in_bfloat16(trained, model, batch, rows)
    monkeypatch.setattr(packed_layers, "_folded", lambda *_: None)
    generic = in_bfloat16(trained, model, batch, rows)
    ours, theirs = distances(found, wanted), distances(generic, wanted)
    assert 0 < max(ours) < BFLOAT16
    assert ours[0] < BFLOAT16_RATIO * theirs[0]
    # Gradients of few rows are a matter of luck: a ReLU near zero passes them or does not.
    assert rows is not None or ours[1] < BFLOAT16_RATIO * theirs[1]


def test_a_mistake_in_a_model_is_noticed():
    model = build().train()
    batch = pack(*texts(model.config))
    wanted = trained(model, batch)
    with torch.no_grad():
        model.base_model.encoder.layer[0].ffn[0].output.dense.bias += 1.0
    assert min(distances(in_bfloat16(trained, model, batch), wanted)) > BFLOAT16


def test_what_is_kept_for_the_backward_pass_is_half_as_large():
    kept = []
    model = build("masked_lm", attention_probs_dropout_prob=0.1).train()
    for enabled in (False, True):
        sizes = {}
        with (
            torch.autocast("cpu", torch.bfloat16, enabled=enabled),
            torch.autograd.graph.saved_tensors_hooks(
                lambda x, sizes=sizes: sizes.update({x.data_ptr(): x.nbytes}) or x, lambda x: x
            ),
        ):
            states = encode_packed(model, pack(*texts(model.config)))
        kept.append(sum(sizes.values()))
        del states
    assert kept[1] < 0.75 * kept[0]


def test_checkpointing_gives_the_same_bits():
    model = build(attention_probs_dropout_prob=0.3).train()
    batch = pack(*texts(model.config))
    wanted = in_bfloat16(trained, model, batch)
    model.gradient_checkpointing_enable()
    found = in_bfloat16(trained, model, batch)
    assert all(torch.equal(x, y) for x, y in zip(found, wanted, strict=True))


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("output", AttentionOutput)
def test_attention_is_near_that_in_float32(output, dropout):
    layout = pack(*texts(build().config)).layout(4)
    drawn = torch.randn(
        len(layout.places) // 4, 3 * 4 * 8, generator=torch.Generator().manual_seed(0)
    )
    rounded = drawn.bfloat16()

    def attended(joint, scale=1.0):
        torch.manual_seed(0)
        context, shown = attend(joint, layout, dropout, output)
        shown = [x.exp() if output is AttentionOutput.LOG_PROBABILITIES else x for x in shown]
        total = (context.float() * context.detach().float().sin()).sum() * scale
        total = total + sum((x * torch.arange(x.numel()).view(x.shape).sin()).sum() for x in shown)
        (grad,) = torch.autograd.grad(total, joint)
        assert {x.dtype for x in shown} <= {torch.float32}
        return context.detach().float(), grad.float()

    wanted = attended(rounded.float().requires_grad_())
    found = attended(rounded.requires_grad_())
    mistaken = attended(rounded.detach().requires_grad_(), 1.1)
    assert max(relative_error(x, y) for x, y in zip(found, wanted, strict=True)) < BFLOAT16_PART
    assert distances(mistaken, wanted)[1] > 2 * distances(found, wanted)[1]
