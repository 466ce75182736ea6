"""Who learns, with what rate and decay."""

import pytest
import torch
from torch import nn

from mobilebert.errors import InputError
from mobilebert.tasks import TASKS
from mobilebert.torch import MODEL_CLASSES
from mobilebert.training.optimizers import OptimizerName, build_optimizer
from mobilebert.training.parameter_groups import freeze, groups_by_depth, parameter_groups
from mobilebert.weights import WeightKind
from models import VARIANTS, small_config

VECTORS = {
    WeightKind.LINEAR_BIAS,
    WeightKind.NORM_WEIGHT,
    WeightKind.NORM_BIAS,
    WeightKind.VOCABULARY_BIAS,
}


def build(task="sequence_classification", variant="mobilebert", **fields):
    return MODEL_CLASSES[task](small_config(variant, **fields))


def by_name(groups):
    return {
        name: {key: value for key, value in group.items() if key != "params"}
        for group in groups
        for name, _ in group["params"]
    }


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_is_in_one_group_and_vectors_do_not_decay(task, variant):
    model = build(task, variant)
    groups = parameter_groups(model, lr=1e-3, weight_decay=0.3)
    members = [id(parameter) for group in groups for _, parameter in group["params"]]
    assert sorted(members) == sorted(id(x) for x in model.parameters() if x.numel())
    decays = {name: group["weight_decay"] for name, group in by_name(groups).items()}
    for spec in model.weight_specs():
        if spec.name in decays:
            assert decays[spec.name] == (0.0 if spec.kind in VECTORS else 0.3), spec.name


def test_vectors_have_no_trust_ratio():
    groups = by_name(parameter_groups(build(), lr=1e-3))
    assert not groups["classifier.bias"]["trust_ratio"]
    assert not groups["mobilebert.encoder.layer.0.output.LayerNorm.weight"]["trust_ratio"]
    assert groups["classifier.weight"]["trust_ratio"]


def test_rates_fall_by_layer():
    model = build(num_hidden_layers=3)
    groups = parameter_groups(model, lr=8.0, layer_decay=0.5, head_lr=9.0)
    rates = {name: group["lr"] for name, group in by_name(groups).items()}
    assert rates["mobilebert.encoder.layer.2.attention.self.query.weight"] == 8.0
    assert rates["mobilebert.encoder.layer.1.ffn.0.output.dense.bias"] == 4.0
    assert rates["mobilebert.encoder.layer.0.attention.self.query.weight"] == 2.0
    assert rates["mobilebert.embeddings.word_embeddings.weight"] == 1.0
    assert rates["mobilebert.pooler.dense.weight"] == 9.0
    assert rates["classifier.bias"] == 9.0
    assert [group["lr"] for group in groups] == sorted(group["lr"] for group in groups)


def test_an_encoder_alone():
    model = build("feature_extraction")
    rates = {
        n: g["lr"] for n, g in by_name(parameter_groups(model, lr=4.0, layer_decay=0.5)).items()
    }
    assert rates["embeddings.word_embeddings.weight"] == 1.0
    assert rates["encoder.layer.1.output.dense.weight"] == 4.0


def test_modules_besides_the_model_learn_at_the_rate_of_the_head():
    model, head = build(), nn.Linear(3, 2)
    model.classifier.requires_grad_(False)
    rates = by_name(
        parameter_groups(model, lr=1.0, head_lr=5.0, heads=[head, model.mobilebert.pooler])
    )
    assert rates["head.0.weight"]["lr"] == 5.0
    assert "classifier.weight" not in rates
    assert sum("pooler" in name or name.startswith("head.1") for name in rates) == 2


@pytest.mark.parametrize(
    ("what", "frozen"),
    [
        ("none", set()),
        (0, set()),
        ("embeddings", {"embeddings"}),
        (1, {"embeddings", "layer.0"}),
        ("2", {"embeddings", "layer.0", "layer.1"}),
        ("encoder", {"embeddings", "layer.0", "layer.1", "layer.2"}),
    ],
)
@pytest.mark.parametrize("task", ["sequence_classification", "feature_extraction"])
def test_freezing(what, frozen, task):
    model = build(task, num_hidden_layers=3)
    names = freeze(model, what)
    parts = ("embeddings", "layer.0", "layer.1", "layer.2", "pooler", "classifier")
    for name, parameter in model.named_parameters():
        part = next(part for part in parts if f"{part}." in name)
        assert parameter.requires_grad == (part not in frozen), name
        assert (name in names) == (part in frozen)
    learning = by_name(parameter_groups(model, lr=1.0))
    assert set(learning) == {n for n, _ in model.named_parameters()} - set(names)


def test_a_tied_word_table_is_frozen_in_both_places():
    model = build("masked_lm")
    freeze(model, "encoder")
    assert not model.get_submodule("cls.predictions.decoder").weight.requires_grad
    assert model.get_submodule("cls.predictions").bias.requires_grad


@pytest.mark.parametrize("what", ["all", 3, -1, "-1", 1.5, True, None, ""])
def test_impossible_parts_are_refused(what):
    model = build()
    with pytest.raises(InputError, match=r"none, embeddings, encoder, and 0 to 2"):
        freeze(model, what)
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"lr": 0.0}, "lr is 0.0"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"lr": 1.0, "head_lr": -1.0}, "head_lr is -1.0"),
        ({"lr": 1.0, "layer_decay": 0.0}, "layer_decay is 0.0"),
        ({"lr": 1.0, "layer_decay": 1.1}, "at most 1"),
        ({"lr": 1.0, "weight_decay": -1.0}, "weight_decay is -1.0"),
    ],
)
def test_impossible_rates_are_refused(options, named):
    with pytest.raises(InputError, match=named):
        parameter_groups(build(), **options)


def test_nothing_to_train_is_refused():
    model = build().requires_grad_(False)
    with pytest.raises(InputError, match="nothing to train"):
        parameter_groups(model, lr=1.0)


@pytest.mark.parametrize("name", OptimizerName)
def test_both_optimizers_take_the_groups(name):
    model = build()
    freeze(model, 1)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    optimizer = build_optimizer(name, parameter_groups(model, lr=1e-2, layer_decay=0.9))
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter) if parameter.requires_grad else None
    optimizer.step()
    for n, p in model.named_parameters():
        assert torch.equal(p, before[n]) != p.requires_grad, n


def test_rates_by_depth_and_none_where_they_are_0():
    model = build(num_hidden_layers=2)
    groups = groups_by_depth(model, (0.0, 1.0, 0.0, 2.0), weight_decay=0.1)
    rates = {name: group["lr"] for name, group in by_name(groups).items()}
    assert set(rates.values()) == {1.0, 2.0}
    assert rates["classifier.bias"] == rates["mobilebert.pooler.dense.weight"] == 2.0
    layers = {name.split("layer.")[1][0] for name in rates if "encoder.layer." in name}
    assert layers == {"0"}
    assert not any("embeddings" in name for name in rates)


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ((1.0, 1.0), "are 1.0, 1.0; needed are 4 numbers"),
        ((1.0, -1.0, 1.0, 1.0), "needed are 4 numbers of at least 0"),
        ((0.0,) * 4, "nothing to train"),
    ],
)
def test_rates_by_depth_that_are_none(rates, said):
    with pytest.raises(InputError, match=said):
        groups_by_depth(build(num_hidden_layers=2), rates)
