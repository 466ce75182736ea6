"""How models are called, against transformers: signatures, forms of output, dropout, pruning."""

import dataclasses
import inspect

import numpy as np
import pytest
import torch
import transformers

import mobilebert
from assertions import assert_close
from mobilebert.tasks import TASKS
from models import PEER_VARIANTS
from parity.implementations import (
    config_for,
    flat_outputs,
    fresh_models,
    gradients,
    our_model,
    peer_config,
    peer_model,
    scalar,
    tensors_for,
    torch_inputs,
)
from parity.inputs import inputs_for
from tolerances import FLOAT64

VARIANT = "mobilebert"


def call(model, task, kind="padded_pairs", **options):
    inputs = inputs_for(kind, model.config, task)
    return model(**torch_inputs(inputs), **options)


def assert_same_outputs(found, wanted):
    found, wanted = flat_outputs(found), flat_outputs(wanted)
    assert list(found) == list(wanted)
    for name in wanted:
        assert_close(found[name].detach(), wanted[name].detach(), FLOAT64, name)


@pytest.mark.parametrize("task", TASKS)
def test_arguments_have_the_documented_order_and_defaults(task):
    name = TASKS[task].class_name
    for method in ("__init__", "forward"):
        theirs = inspect.signature(getattr(getattr(transformers, name), method)).parameters
        ours = inspect.signature(getattr(getattr(mobilebert, name), method)).parameters
        named = [p for p in theirs.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        positional = [p for p in ours.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert [(p.name, p.default) for p in positional] == [(p.name, p.default) for p in named]


@pytest.mark.parametrize("task", TASKS)
def test_positional_calls_mean_the_same(task):
    # The bare model takes output_hidden_states before output_attentions, the others after.
    peer, ours = fresh_models(task)
    batch = torch_inputs(inputs_for("padded_pairs", ours.config, task))
    ids, mask, types = (batch[n] for n in ("input_ids", "attention_mask", "token_type_ids"))
    labels = [None] * len(TASKS[task].labels)
    arguments = (ids, mask, types, None, None, None, *labels, True, False, True)
    assert_same_outputs(ours(*arguments), peer(*arguments))


@pytest.mark.parametrize("task", TASKS)
def test_output_classes_have_the_documented_fields(task):
    with torch.no_grad():
        peer, ours = (call(build(VARIANT, task), task) for build in (peer_model, our_model))
    assert type(ours).__name__ == type(peer).__name__ == TASKS[task].output_name
    assert [(f.name, f.default) for f in dataclasses.fields(ours)] == [
        (f.name, f.default) for f in dataclasses.fields(peer)
    ]


@pytest.mark.parametrize("attentions", [False, True])
@pytest.mark.parametrize("hidden_states", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_tuples_hold_the_same(task, hidden_states, attentions):
    options = {
        "output_hidden_states": hidden_states,
        "output_attentions": attentions,
        "return_dict": False,
    }
    with torch.no_grad():
        wanted, found = (
            call(model(VARIANT, task), task, **options) for model in (peer_model, our_model)
        )
    assert type(found) is tuple
    assert len(found) == len(wanted)
    for number, value in enumerate(wanted):
        several = value if isinstance(value, tuple) else (value,)
        ours = found[number] if isinstance(value, tuple) else (found[number],)
        for mine, theirs in zip(ours, several, strict=True):
            assert_close(mine, theirs, FLOAT64, f"element {number}")


def test_a_model_without_pooler_has_none_in_its_place():
    task = "feature_extraction"
    config = config_for(VARIANT, task)
    tensors = {n: x for n, x in tensors_for(VARIANT, task).items() if not n.startswith("pooler")}
    peer = transformers.MobileBertModel(peer_config(config), add_pooling_layer=False).double()
    ours = mobilebert.MobileBertModel(config, add_pooling_layer=False).double()
    for model in (peer.eval(), ours.eval()):
        assert model.state_dict().keys() == tensors.keys()
        model.load_state_dict({name: torch.from_numpy(x) for name, x in tensors.items()})
    wanted, found = (call(model, task, return_dict=False) for model in (peer, ours))
    assert len(found) == len(wanted) == 2
    assert found[1] is wanted[1] is None
    assert_close(found[0].detach(), wanted[0].detach(), FLOAT64)
    assert list(call(ours, task)) == list(call(peer, task)) == ["last_hidden_state"]


@pytest.mark.parametrize(
    "fields",
    [
        {"output_hidden_states": True},
        {"output_attentions": True},
        {"output_hidden_states": True, "output_attentions": True},
        {"return_dict": False},
    ],
)
@pytest.mark.parametrize("task", TASKS)
def test_the_configuration_asks_for_outputs(task, fields):
    peer, ours = fresh_models(task, attention="sdpa", **fields)
    wanted, found = call(peer, task), call(ours, task)
    if "return_dict" in fields:
        assert type(found) is type(wanted) is tuple
        assert len(found) == len(wanted)
    else:
        assert_same_outputs(found, wanted)
    # A call goes before the configuration.
    options = {name: not value for name, value in fields.items()}
    assert_same_outputs(call(ours, task, **options), call(peer, task, **options))


@pytest.mark.parametrize("task", TASKS)
def test_input_errors_have_the_known_type_and_words(task):
    for model in fresh_models(task):
        ids = torch.ones((1, 2, 3) if TASKS[task].choices else (1, 3), dtype=torch.long)
        embeds = torch.ones(*ids.shape, model.config.embedding_size, dtype=torch.float64)
        with pytest.raises(ValueError, match="cannot specify both input_ids and inputs_embeds"):
            model(input_ids=ids, inputs_embeds=embeds)
        if TASKS[task].choices and model.__module__.startswith("transformers"):
            continue  # fails on None.shape before it looks
        with pytest.raises(ValueError, match="have to specify either input_ids or inputs_embeds"):
            model()


@pytest.mark.parametrize("shape", [(3,), (3, 11, 11, 11)])
def test_a_mask_of_a_wrong_shape_is_refused(shape):
    for model in fresh_models("masked_lm"):
        with pytest.raises(ValueError, match=r"[Ww]rong shape for input_ids"):
            call(model, "masked_lm", "ids_only", attention_mask=torch.ones(shape))


# Dropout


class CountedDropout:
    """Stands in for `torch.nn.functional.dropout`: the n-th call drops the n-th random pattern."""

    def __init__(self):
        self.calls = []

    def __call__(self, x, p=0.5, training=True, inplace=False):
        if not training or p == 0:
            return x
        self.calls.append((tuple(x.shape), p))
        generator = torch.Generator().manual_seed(len(self.calls))
        kept = torch.rand(x.shape, generator=generator) >= p
        return x * kept.to(x.dtype) / (1 - p)


DROPOUTS = {
    "hidden_dropout_prob": 0.2,
    "attention_probs_dropout_prob": 0.3,
    "classifier_dropout": 0.4,
}


@pytest.mark.parametrize("variant", ["mobilebert", "no_bottleneck", "no_opt", "eight_ffns", "tiny"])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("classifier_dropout", [None, 0.4])
def test_dropout_acts_in_the_same_places(task, variant, classifier_dropout, monkeypatch):
    fields = DROPOUTS | {"classifier_dropout": classifier_dropout}
    runs = []
    for model in fresh_models(task, variant, **fields):
        dropout = CountedDropout()
        monkeypatch.setattr(torch.nn.functional, "dropout", dropout)
        outputs = flat_outputs(
            call(model.train(), task, output_hidden_states=True, output_attentions=True)
        )
        smooth = {n: x for n, x in outputs.items() if not n.startswith("attentions")}
        runs.append((dropout.calls, outputs, gradients(model, scalar(smooth))))
    (calls, wanted, slopes), (our_calls, found, our_slopes) = runs
    assert our_calls == calls
    assert len(calls) > 2 * 1  # something was dropped: embeddings and each layer
    for name in wanted:
        assert_close(found[name].detach(), wanted[name].detach(), FLOAT64, name)
    for name in slopes:
        assert_close(our_slopes[name], slopes[name], FLOAT64, name)


def test_fused_attention_drops_in_training_only(monkeypatch):
    seen = []
    fused = torch.nn.functional.scaled_dot_product_attention

    def spy(*arguments, **options):
        seen.append(options.get("dropout_p", 0.0))
        return fused(*arguments, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", spy)
    _, ours = fresh_models("masked_lm", attention="sdpa", **DROPOUTS)
    layers = ours.config.num_hidden_layers
    call(ours, "masked_lm")
    assert seen == [0.0] * layers
    call(ours.train(), "masked_lm")
    assert seen[layers:] == [0.3] * layers


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_training_is_repeated_by_a_seed(attention):
    _, ours = fresh_models("sequence_classification", attention=attention, **DROPOUTS)
    ours.train()

    def logits(seed):
        torch.manual_seed(seed)
        return call(ours, "sequence_classification").logits

    assert torch.equal(logits(1), logits(1))
    assert not torch.equal(logits(1), logits(2))
    ours.eval()
    assert torch.equal(logits(1), logits(2))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_attention_asked_for_is_the_one_that_runs(attention, monkeypatch):
    calls = []
    fused = torch.nn.functional.scaled_dot_product_attention

    def spy(*arguments, **options):
        calls.append(1)
        return fused(*arguments, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", spy)
    call(our_model(VARIANT, "masked_lm", attention), "masked_lm")
    layers = our_model(VARIANT, "masked_lm", attention).config.num_hidden_layers
    assert len(calls) == (layers if attention == "sdpa" else 0)


# Pruned heads


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("variant", [v for v in PEER_VARIANTS if v != "eight_ffns"])
def test_pruned_heads_leave_the_same(variant, attention):
    peer, ours = fresh_models("masked_lm", variant, attention)
    whole = call(ours, "masked_lm").logits
    for heads in ({0: [0, 2], 1: [1]}, {1: [1, 3]}):  # head 1 of layer 1 is gone already
        # The peer's new layers are always float32, which holds these weights exactly.
        for model in (peer, ours):
            model.prune_heads(heads)
            model.double()
    assert_same_outputs(call(ours, "masked_lm"), call(peer, "masked_lm"))
    assert ours.state_dict().keys() == peer.state_dict().keys()
    for name, tensor in peer.state_dict().items():
        assert torch.equal(ours.state_dict()[name], tensor), name
    assert ours.config.pruned_heads == {
        int(k): sorted(v) for k, v in peer.config.pruned_heads.items()
    }
    attentions = call(ours, "masked_lm", output_attentions=True).attentions
    assert [x.shape[1] for x in attentions] == [2, 2]
    with pytest.raises(AssertionError):  # the twin
        assert_close(call(ours, "masked_lm").logits.detach(), whole.detach(), FLOAT64)


def test_activations_may_be_functions():
    def cubic(x):
        return x * x * x * 0.1

    peer, ours = fresh_models("masked_lm")
    for package, model in ((transformers, peer), (mobilebert, ours)):
        config = model.config
        config.hidden_act = cubic
        again = package.MobileBertForMaskedLM(config).double().eval()
        again.load_state_dict(model.state_dict())
        model.again = again
    assert_same_outputs(call(ours.again, "masked_lm"), call(peer.again, "masked_lm"))


def test_outputs_do_not_depend_on_the_batch_they_are_in():
    # One row alone equals the same row in a batch, unless padding comes in (test_pad_neighbor.py).
    for task in TASKS:
        model = our_model(VARIANT, task, "sdpa")
        inputs = torch_inputs(inputs_for("ids_only", model.config, task))
        with torch.no_grad():
            together = flat_outputs(model(**inputs))
            alone = flat_outputs(model(input_ids=inputs["input_ids"][:1]))
        for name, value in alone.items():
            assert_close(value, together[name][:1], FLOAT64, f"{task}: {name}")
            assert np.isfinite(value.numpy()).all()
