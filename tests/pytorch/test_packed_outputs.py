"""What the packed encoder shows of its inside: attentions, some layers, the lowest layers alone."""

import numpy as np
import pytest
import torch

from assertions import assert_close, relative_error
from mobilebert.errors import InputError
from mobilebert.torch import packed_batch
from mobilebert.torch.packed import AttentionOutput, attention_squares, encode_packed, pack
from mobilebert.torch.packed_attention import attend
from tolerances import BFLOAT16, FLOAT32, FLOAT64, SMALL_MISTAKE
from torch_models import build

LENGTHS = (11, 3, 11, 10, 1, 30, 11)
LOGS = AttentionOutput.LOG_PROBABILITIES


@pytest.fixture(autouse=True)
def _groups_with_padding(monkeypatch):
    monkeypatch.setattr(packed_batch, "_CHEAP_SQUARES", 100)


def batch_of(config, lengths=LENGTHS, seed=0):
    rng = np.random.default_rng(seed)
    ids = [rng.integers(1, config.vocab_size, length) for length in lengths]
    return pack(ids)


def plain_logs(model, batch, layer):
    """Logarithms of the masked softmax of each sequence alone, by torch's own derivatives."""
    found = []
    for ids in batch.ids.split(batch.lengths):
        output = model.base_model(ids[None], output_attentions=True, pad_neighbor="zero")
        found.append(output.attentions[layer][0].log())
    return found


def gradients(model, total):
    model.zero_grad()
    total.backward()
    return {
        name: torch.zeros_like(x) if x.grad is None else x.grad.clone()
        for name, x in model.named_parameters()
    }


def weighted(squares, seed=1):
    """An arbitrary weighted sum over tensors."""
    rng = torch.Generator().manual_seed(seed)
    weights = [torch.randn(x.shape, generator=rng, dtype=torch.float64) for x in squares]
    return sum((x * w.to(x)).sum() for x, w in zip(squares, weights, strict=True))


@pytest.mark.parametrize("variant", ["mobilebert", "teacher", "no_bottleneck"])
def test_log_probabilities_and_their_gradients_are_those_of_the_model(variant):
    model = build(variant=variant, dtype=torch.float64)
    batch = batch_of(model.config)
    assert any(group.mask is not None for group in batch.layout(4).groups)
    shown = encode_packed(model, batch, output_attentions=LOGS).attentions
    found, wanted = [], []
    for layer, groups in enumerate(shown):
        found += attention_squares(groups, batch, batch.layout(4))
        wanted += plain_logs(model, batch, layer)
    for square, other in zip(found, wanted, strict=True):
        assert_close(square.detach(), other.detach(), FLOAT64)
    ours, theirs = gradients(model, weighted(found)), gradients(model, weighted(wanted))
    scale = max(float(x.abs().max()) for x in theirs.values())
    for name, gradient in theirs.items():
        assert_close(ours[name] / scale, gradient / scale, FLOAT64, name)
    with torch.no_grad():
        model.encoder.layer[0].attention.self.query.weight += SMALL_MISTAKE
        moved = encode_packed(model, batch, output_attentions=LOGS).attentions[0]
        moved = attention_squares(moved, batch, batch.layout(4))
    assert max(relative_error(x, y.detach()) for x, y in zip(moved, found, strict=False)) > FLOAT64


def test_padding_adds_nothing_to_sums_and_gradients():
    model = build(dtype=torch.float64)
    batch = batch_of(model.config)
    (groups, *_) = encode_packed(model, batch, output_attentions=LOGS).attentions
    squares = attention_squares(groups, batch, batch.layout(4))
    assert all(group.isfinite().all() for group in groups)
    over_all = sum((group.exp() * group).sum() for group in groups)
    over_real = sum((square.exp() * square).sum() for square in squares)
    assert_close(over_all.detach(), over_real.detach(), FLOAT64)
    # A gradient that is not 0 at padding comes to nothing either.
    ours = gradients(model, sum(group.clamp(min=-1e3).sum() for group in groups))
    (groups, *_) = encode_packed(model, batch, output_attentions=LOGS).attentions
    squares = attention_squares(groups, batch, batch.layout(4))
    theirs = gradients(model, sum(square.sum() for square in squares))
    for name, gradient in theirs.items():
        assert_close(ours[name], gradient, FLOAT64, name)


@pytest.mark.parametrize("output", AttentionOutput)
@pytest.mark.parametrize("dropout", [0.0, 0.25])
def test_derivatives_of_attention_with_what_it_shows(output, dropout):
    layout = pack([[1, 2, 3], [4, 5], [6]]).layout(2)
    assert layout.groups[0].mask is not None
    drawn = torch.Generator().manual_seed(0)
    joint = torch.randn(6, 12, generator=drawn, dtype=torch.float64, requires_grad=True)

    def whole(x):
        torch.manual_seed(5)
        context, shown = attend(x, layout, dropout, output)
        # The lowest number has no finite difference.
        return context, *(group.clamp(min=-1e3) for group in shown)

    assert torch.autograd.gradcheck(whole, (joint,))


def test_dropout_leaves_log_probabilities_alone():
    model = build(attention_probs_dropout_prob=0.5)
    batch = batch_of(model.config)
    wanted = encode_packed(model, batch, depth=1, output_attentions=LOGS).attentions
    torch.manual_seed(0)
    found = encode_packed(model.train(), batch, depth=1, output_attentions=LOGS).attentions
    for group, other in zip(found[0], wanted[0], strict=True):
        assert_close(group.detach(), other.detach(), FLOAT32)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_lowest_layers_alone(depth):
    model = build(num_hidden_layers=3, dtype=torch.float64)
    batch, rows = batch_of(model.config), torch.tensor([0, 5, 9])
    states = encode_packed(model, batch, output_hidden_states=True).hidden_states
    found = encode_packed(model, batch, depth=depth).last_hidden_state
    assert_close(found.detach(), states[depth].detach(), FLOAT64)
    some = encode_packed(model, batch, depth=depth, rows=rows).last_hidden_state
    assert_close(some.detach(), states[depth][rows].detach(), FLOAT64)
    reached = gradients(model, found.square().sum())
    for name, gradient in reached.items():
        if "encoder.layer." in name and "key.bias" not in name:
            assert bool(gradient.any()) is (int(name.split("layer.")[1][0]) < depth), name


def test_layers_above_the_depth_cost_nothing():
    model = build(num_hidden_layers=4)
    kept = []
    for depth in (1, 4):
        numbers = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x, numbers=numbers: numbers.append(x.numel()) or x, lambda x: x
        ):
            encode_packed(model, batch_of(model.config), depth=depth)
        kept.append(sum(numbers))
    assert kept[0] < kept[1] / 2


def test_only_the_layers_asked_for_are_kept():
    model = build(num_hidden_layers=3, dtype=torch.float64)
    batch = batch_of(model.config)
    wanted = encode_packed(model, batch, output_hidden_states=True, output_attentions=LOGS)
    found = encode_packed(
        model, batch, layers=(2, 0), output_hidden_states=True, output_attentions=LOGS
    )
    assert len(found.hidden_states) == len(found.attentions) == 2
    for place, layer in enumerate((0, 2)):
        state, other = found.hidden_states[place], wanted.hidden_states[layer + 1]
        assert_close(state.detach(), other.detach(), FLOAT64)
        for group, other in zip(found.attentions[place], wanted.attentions[layer], strict=True):
            assert_close(group.detach(), other.detach(), FLOAT64)
    assert encode_packed(model, batch, layers=()).hidden_states is None


def test_without_gradients_and_in_bfloat16():
    model = build()
    batch = batch_of(model.config)
    wanted = encode_packed(model, batch, output_attentions=LOGS).attentions[-1]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = encode_packed(model, batch, output_attentions=LOGS).attentions[-1]
    for group, other in zip(found, wanted, strict=True):
        assert group.dtype == torch.float32
        assert not group.requires_grad
        assert_close(group.exp(), other.detach().exp(), BFLOAT16)


@pytest.mark.parametrize("training", [True, False])
def test_checkpointing_gives_the_same_attentions_and_gradients(training):
    model = build(dtype=torch.float64, attention_probs_dropout_prob=0.3).train(training)
    # As in a stage of progressive transfer.
    model.embeddings.requires_grad_(False)
    model.encoder.layer[0].requires_grad_(False)
    batch, found, kept = batch_of(model.config), [], []
    for again in (False, True):
        if again:
            model.gradient_checkpointing_enable()
        torch.manual_seed(0)
        numbers = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x, numbers=numbers: numbers.append(x.numel()) or x, lambda x: x
        ):
            (_, last) = encode_packed(model, batch, output_attentions=LOGS).attentions
        kept.append(sum(numbers))
        found.append(gradients(model, weighted([group.exp() for group in last])))
    assert kept[1] < kept[0] / 3
    for name, gradient in found[0].items():
        assert_close(found[1][name], gradient, FLOAT64, name)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"depth": 0}, "depth is 0; allowed are 1 to 2"),
        ({"depth": 3}, "depth is 3; allowed are 1 to 2"),
        ({"layers": (0, 2)}, "layers holds 2; allowed are 0 to 1"),
        ({"layers": (1,), "depth": 1}, "layers holds 1; allowed are 0 to 0"),
        ({"output_attentions": "scores"}, "'scores'; choose one of none, probabilities"),
    ],
)
def test_what_is_not_there(options, said):
    model = build()
    with pytest.raises(InputError, match=said):
        encode_packed(model, batch_of(model.config), **options)
