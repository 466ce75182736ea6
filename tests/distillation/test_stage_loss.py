"""The loss of a stage: the sum it is, what its gradient reaches, and that it falls."""

import pytest
import torch

from assertions import assert_close, relative_error
from distillation.transfers import batch_of, inside, student_of, teacher_of
from mobilebert.distillation.choices import StatisticsOf, TransferForm
from mobilebert.distillation.layer_mapping import LayerMapping
from mobilebert.distillation.objectives import (
    attention_transfer,
    feature_map_transfer,
    stacked_statistics,
)
from mobilebert.distillation.stage_loss import encode_both, transfer_loss
from mobilebert.distillation.stage_optimizer import enter_stage, stage_optimizer
from mobilebert.distillation.strategies import auxiliary, joint, pretraining_stage, progressive
from mobilebert.errors import InputError
from tolerances import FLOAT64

# The student's three layers against these of the teacher's six.
MAPPING = LayerMapping((1, 3, 5), 6)


@pytest.fixture
def pair():
    return student_of(), teacher_of(num_hidden_layers=6)


def loss_of(stage, pair, mapping=MAPPING, **options):
    batch = batch_of(pair[0].config)
    both = encode_both(stage, mapping, *pair, batch, **options)
    return transfer_loss(stage, both).mean()


def by_layer(pair, layer, statistics=None):
    """The terms of a layer with everything run and kept."""
    batch = batch_of(pair[0].config)
    ours, theirs = (inside(model, batch) for model in pair)
    above = MAPPING.layers[layer]
    stacked = stacked_statistics(theirs.hidden_states) if statistics else None
    maps = feature_map_transfer(
        ours.hidden_states[layer + 1], theirs.hidden_states[above + 1], statistics=stacked
    )
    shown = ours.attentions[layer], theirs.attentions[above]
    return maps.mean() + attention_transfer(*shown, len(batch.ids)).mean()


@pytest.mark.parametrize("layer", range(3))
def test_a_progressive_stage_compares_its_layer(pair, layer):
    found = loss_of(progressive(3, 9, 0)[layer], pair).detach()
    assert_close(found, by_layer(pair, layer).detach() / 3, FLOAT64)
    garden = loss_of(progressive(3, 9, 0, form="model-garden")[layer], pair).detach()
    assert_close(garden, by_layer(pair, layer).detach() / (layer + 1), FLOAT64)


@pytest.mark.parametrize("strategy", [lambda: auxiliary(3, 9), lambda: joint(3, 9, 0)])
def test_a_stage_of_all_layers_is_their_mean(pair, strategy):
    (stage,) = strategy()
    wanted = sum(by_layer(pair, layer) for layer in range(3)) / 3
    assert_close(loss_of(stage, pair).detach(), wanted.detach(), FLOAT64)


def test_statistics_of_all_maps(pair):
    stage = progressive(3, 9, 0)[1]
    found = loss_of(stage, pair, statistics=StatisticsOf.ALL_MAPS).detach()
    assert_close(found, by_layer(pair, 1, statistics=True).detach() / 3, FLOAT64)
    assert relative_error(found, loss_of(stage, pair).detach()) > FLOAT64


def test_one_of_the_teachers_layers_for_two_of_the_students():
    pair = student_of(num_hidden_layers=2), teacher_of(num_hidden_layers=1)
    (stage,) = joint(2, 5, 0)
    both = encode_both(stage, LayerMapping((0, 0), 1), *pair, batch_of(pair[0].config))
    assert both.teacher.hidden_states[0] is both.teacher.hidden_states[1]
    assert float(transfer_loss(stage, both).mean().detach()) > 0


def reached(model):
    """Which layers and other parts have gradients."""
    found = set()
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and parameter.grad.any():
            inner = name.removeprefix("mobilebert.")
            layer = inner.startswith("encoder.layer.")
            found.add(int(inner.split(".")[2]) if layer else inner.split(".")[0])
    return found


@pytest.mark.parametrize(("form", "wanted"), [("original", {0, 1}), ("frozen", {1})])
def test_the_gradient_of_a_stage_reaches_its_layer_and_those_that_may_move(pair, form, wanted):
    stage = progressive(3, 9, 0, form=form)[1]
    enter_stage(pair[0], stage)
    loss_of(stage, pair).backward()
    assert reached(pair[0]) == wanted
    assert reached(pair[1]) == set()


def test_model_garden_moves_the_embeddings_too(pair):
    stage = progressive(3, 9, 0, form="model-garden")[1]
    enter_stage(pair[0], stage)
    loss_of(stage, pair).backward()
    assert reached(pair[0]) == {0, 1, "embeddings"}


def test_teachers_are_run_as_deep_as_needed(pair):
    batch = batch_of(pair[0].config)
    stage = progressive(3, 9, 0)[0]
    both = encode_both(stage, MAPPING, *pair, batch)
    states = inside(pair[1], batch).hidden_states
    assert_close(both.teacher.last_hidden_state, states[2].detach(), FLOAT64)
    assert not both.teacher.last_hidden_state.requires_grad
    whole = encode_both(pretraining_stage(3, 9), MAPPING, *pair, batch)
    assert_close(whole.teacher.last_hidden_state, states[-1].detach(), FLOAT64)
    assert whole.teacher.attentions is None
    assert transfer_loss(pretraining_stage(3, 9), whole) is None
    alone = encode_both(pretraining_stage(3, 9, hard_share=1.0), MAPPING, pair[0], None, batch)
    assert alone.teacher is None
    unmapped = encode_both(pretraining_stage(3, 9), None, *pair, batch)
    assert torch.equal(unmapped.teacher.last_hidden_state, whole.teacher.last_hidden_state)
    with pytest.raises(InputError, match="layer-00 compares layers; give the mapping"):
        encode_both(progressive(3, 9, 0)[0], None, *pair, batch)


def test_the_papers_form(pair):
    stage = progressive(3, 9, 0)[1]
    both = encode_both(stage, MAPPING, *pair, batch_of(pair[0].config))
    paper = transfer_loss(stage, both, TransferForm.PAPER).mean().detach()
    assert relative_error(paper, transfer_loss(stage, both).mean().detach()) > FLOAT64


def test_every_stage_lowers_its_loss():
    pair = student_of(dtype=torch.float32), teacher_of(dtype=torch.float32)
    mapping, batch = LayerMapping.between(3, 3), batch_of(pair[0].config)
    optimizer = None
    for stage in progressive(3, 60, 0):
        enter_stage(pair[0], stage)
        optimizer = stage_optimizer("lamb", pair[0], stage, lr=2e-3, previous=optimizer)
        rates, losses = [group["lr"] for group in optimizer.param_groups], []
        for step in range(stage.steps):
            optimizer.zero_grad()
            loss = transfer_loss(stage, encode_both(stage, mapping, *pair, batch)).mean()
            loss.backward()
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * stage.background(step)
            optimizer.step()
            losses.append(float(loss.detach()))
        assert losses[-1] < 0.7 * losses[0], stage.name
