"""Low-rank updates: the weight they give, what learns, and the ordinary model they end as."""

import copy

import pytest
import torch

from assertions import assert_close, relative_error
from mobilebert.errors import InputError
from mobilebert.torch import MobileBertForSequenceClassification
from mobilebert.training.lora import (
    LowRankUpdate,
    add_lora,
    has_lora,
    merge_lora,
    merged_state_dict,
)
from mobilebert.training.optimizers import build_optimizer
from mobilebert.training.parameter_groups import parameter_groups
from tolerances import FLOAT64
from torch_models import batch_for, build

QUERY = "mobilebert.encoder.layer.0.attention.self.query"


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build("sequence_classification", dtype=torch.float64, num_labels=3)


def scores(model):
    with torch.no_grad():
        return model(**batch_for(model)).logits


def train(model, steps=3):
    """Take a few steps; every update gets values."""
    optimizer = build_optimizer("adamw", parameter_groups(model, lr=0.05))
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        model(**batch_for(model), labels=torch.tensor([0, 1, 2])).loss.backward()
        optimizer.step()
    model.eval()


def test_training_begins_at_the_model_as_it_is(model):
    before = scores(model)
    chosen = add_lora(model)
    assert chosen == tuple(
        f"mobilebert.encoder.layer.{layer}.attention.self.{name}"
        for layer in range(2)
        for name in ("query", "value")
    )
    assert torch.equal(scores(model), before)


def test_the_weight_reads_as_the_sum(model):
    original = model.get_submodule(QUERY).weight.detach().clone()
    add_lora(model, ["query"], rank=2, alpha=6.0)
    train(model)
    projection = model.get_submodule(QUERY)
    update = projection.parametrizations.weight[0]
    assert isinstance(projection, torch.nn.Linear)
    assert projection.weight.requires_grad
    wanted = original + 3.0 * update.up.detach() @ update.down.detach()
    assert_close(projection.weight.detach(), wanted, FLOAT64)
    x = torch.randn(4, original.shape[1], dtype=torch.float64)
    assert_close(projection(x).detach(), (x @ wanted.T + projection.bias).detach(), FLOAT64)
    assert relative_error(wanted, original) > FLOAT64


def test_only_updates_and_heads_learn(model):
    add_lora(model, ["query", "output.dense"])
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    train(model, steps=2)
    for name, parameter in model.named_parameters():
        learns = ".parametrizations.weight.0." in name or name.startswith(
            ("classifier.", "mobilebert.pooler.")
        )
        assert parameter.requires_grad == learns, name
        # `up` begins at 0, so that `down` has no gradient in the first step; it has in the second.
        assert torch.equal(parameter, before[name]) != learns, name


@pytest.mark.parametrize("names", [["query", "value"], ["dense"], ["layer.1.attention.self.key"]])
def test_merged_it_is_an_ordinary_model(model, names):
    ordinary = copy.deepcopy(model)
    add_lora(model, names, dropout=0.5)
    train(model)
    wanted = scores(model)
    state = merged_state_dict(model)
    assert has_lora(model)
    ordinary_before = scores(ordinary)
    ordinary.load_state_dict(state)
    assert_close(scores(ordinary), wanted, FLOAT64)
    assert relative_error(ordinary_before, wanted) > FLOAT64

    merge_lora(model)
    assert not has_lora(model)
    assert type(model.get_submodule(QUERY)) is torch.nn.Linear
    assert model.state_dict().keys() == ordinary.state_dict().keys()
    assert all(torch.equal(state[name], x) for name, x in model.state_dict().items())
    merge_lora(model)
    assert torch.equal(scores(model), scores(ordinary))


def test_a_merged_model_is_stored_as_any(model, tmp_path):
    add_lora(model.float())
    train(model)
    model.save_pretrained(tmp_path, state_dict=merged_state_dict(model))
    loaded, found = MobileBertForSequenceClassification.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    merge_lora(model)
    assert torch.equal(scores(loaded), scores(model))


def test_a_state_dict_with_updates_goes_on_bit_identically(model):
    add_lora(model, rank=3)
    train(model, steps=2)
    state = copy.deepcopy(model.state_dict())
    other = build("sequence_classification", dtype=torch.float64, num_labels=3)
    add_lora(other, rank=3)
    assert not torch.equal(scores(other), scores(model))
    other.load_state_dict(state)
    assert torch.equal(scores(other), scores(model))


def test_dropout_leaves_out_ranks_in_training():
    weight = torch.zeros(4, 5)
    update = LowRankUpdate(weight, rank=2, alpha=2.0, dropout=0.5)
    update.up.data.copy_(torch.randn(4, 2))
    rows = [update.up[:, [i]] @ update.down[[i]] for i in range(2)]
    possible = [a * 2 * rows[0] + b * 2 * rows[1] for a in (0, 1) for b in (0, 1)]
    seen = set()
    for _ in range(40):
        found = update(weight)
        seen |= {i for i, wanted in enumerate(possible) if torch.allclose(found, wanted)}
        assert any(torch.allclose(found, wanted) for wanted in possible)
    assert seen == {0, 1, 2, 3}
    assert torch.allclose(update.eval()(weight), rows[0] + rows[1])


def test_adding_draws_from_the_given_generator_alone(model):
    other = copy.deepcopy(model)
    state = torch.random.get_rng_state()
    for each in (model.train(), other.train()):
        add_lora(each, dropout=0.5, generator=torch.Generator().manual_seed(3))
    assert torch.equal(torch.random.get_rng_state(), state)
    for (name, a), b in zip(model.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b), name


def test_autocast_does_not_round_the_update(model):
    add_lora(model.float(), ["query"])
    train(model)
    wanted = model.get_submodule(QUERY).weight
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model.get_submodule(QUERY).weight, wanted)


def test_a_bare_encoder():
    encoder = build("feature_extraction")
    assert add_lora(encoder, "value") == (
        "encoder.layer.0.attention.self.value",
        "encoder.layer.1.attention.self.value",
    )


@pytest.mark.parametrize("names", [["querry"], ["query", "uery"], ["classifier"], "pooler.dense"])
def test_unknown_projections_are_refused(model, names):
    with pytest.raises(InputError, match=r"attention\.self\.query, .*ffn\.0\.intermediate\.dense"):
        add_lora(model, names)
    assert not has_lora(model)
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"names": []}, "No projection is named"),
        ({"rank": 0}, "rank is 0"),
        ({"rank": 2.0}, "rank is 2.0"),
        ({"alpha": 0.0}, "alpha is 0.0"),
        ({"alpha": float("nan")}, "alpha is nan"),
        ({"dropout": 1.0}, "dropout is 1.0"),
    ],
)
def test_impossible_numbers_are_refused(model, options, named):
    with pytest.raises(InputError, match=named):
        add_lora(model, **options)
    assert not has_lora(model)


def test_updates_on_updates_are_refused(model):
    add_lora(model)
    with pytest.raises(InputError, match="already"):
        add_lora(model)
