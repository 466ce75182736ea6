"""A stage's loss is the sum of its means, however the batch is cut."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mobilebert.config import MobileBertConfig
from mobilebert.corpora.prepared import PreparedCorpus
from mobilebert.distillation.choices import StatisticsOf, TransferFactors, TransferForm
from mobilebert.distillation.layer_mapping import LayerMapping
from mobilebert.distillation.objectives import next_sentence, pretraining_distillation
from mobilebert.distillation.stage_loss import encode_both, transfer_loss
from mobilebert.distillation.stage_optimizer import enter_stage
from mobilebert.distillation.strategies import auxiliary, joint, pretraining_stage, progressive
from mobilebert.distillation.workload import Objectives, TransferWorkload
from mobilebert.pretraining.batches import PretrainingData
from mobilebert.pretraining.workload import MASKED_WORDS, NEXT_SENTENCE, next_sentence_scores
from mobilebert.torch import packed
from mobilebert.torch.models import MobileBertForPreTraining
from mobilebert.training.batching import BatchPlan
from pretraining.small_fixtures import config_file, prepared, tokenizer, tokenizer_dir
from tolerances import FLOAT32_UNITS, FOLDED_LOGITS

__all__ = ["config_file", "prepared", "tokenizer", "tokenizer_dir"]


@pytest.fixture
def workload(prepared, tokenizer, config_file):
    data = PretrainingData(PreparedCorpus.open(prepared), tokenizer, len(tokenizer))
    config = MobileBertConfig.from_json_file(config_file)
    student, teacher = (MobileBertForPreTraining(config).eval() for _ in range(2))
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    # Small, so that the words are not lost beside the layers.
    small = TransferFactors(feature_map=0.1, mean=0.1, variance=0.1, attention=0.1)
    (stage,) = auxiliary(config.num_hidden_layers, 10, hard_share=0.3, factors=small)
    mapping = LayerMapping.between(config.num_hidden_layers, config.num_hidden_layers)
    plan = BatchPlan(data.lengths, 6, seed=0)
    stage = replace(stage, pretraining=0.25)
    return TransferWorkload(student, teacher, stage, mapping, data, plan)


def in_stage(workload, stage, batch_size=6, **objectives):
    """The same pair in another stage."""
    enter_stage(workload.student, stage)
    return TransferWorkload(
        workload.student,
        workload.teacher if stage.needs_teacher else None,
        stage,
        workload.mapping,
        workload.data,
        BatchPlan(workload.data.lengths, batch_size, seed=0),
        objectives=Objectives(**objectives),
    )


def composed(workload, hard_share=0.3, weight=0.25):
    """The loss of the first batch, of the objectives themselves."""
    batch = workload.data.batch(workload.plan.batch(0), 0)
    both = encode_both(
        workload.stage, workload.mapping, workload.student, workload.teacher, batch.packed
    )
    ours, theirs = (x.last_hidden_state for x in (both.student, both.teacher))
    words = pretraining_distillation(
        *(workload.student, ours[batch.rows], batch.wanted),
        *(workload.teacher, theirs[batch.rows]),
        hard_share=hard_share,
    )
    pairs = next_sentence(next_sentence_scores(workload.student, ours[batch.pairs]), batch.other)
    transfer = transfer_loss(workload.stage, both)
    means = [x.total.item() / float(x.units) for x in (transfer, words, pairs)]
    return means[0] + weight * (means[1] + means[2])


def test_it_is_the_sum_of_the_means(workload):
    loss = workload.loss(workload.plan.batch(0), 0)
    found = loss.total.item() / loss.units
    assert found == pytest.approx(composed(workload), rel=FOLDED_LOGITS)
    assert found != pytest.approx(composed(workload, weight=1.0), rel=FOLDED_LOGITS)
    assert found != pytest.approx(composed(workload, hard_share=1.0), rel=FOLDED_LOGITS)


def test_parts_of_a_batch_add_up(workload):
    batch = workload.plan.batch(0)
    whole = workload.loss(batch, 0)
    parts = [workload.loss(np.array([number]), 0) for number in batch]
    added = torch.stack([part.total.detach() for part in parts]).sum().item()
    assert added == pytest.approx(whole.total.item(), rel=FOLDED_LOGITS)


def test_a_part_without_masked_words(workload):
    batch = workload.data.batch(workload.plan.batch(0), 0)
    alone = replace(batch, rows=batch.rows[:0], wanted=batch.wanted[:0])
    workload.data.batch = lambda *_: alone
    found = workload.loss(workload.plan.batch(0), 0)
    assert found.parts[MASKED_WORDS] == (0, 0)
    found.total.backward()
    assert workload.student.get_parameter("cls.seq_relationship.weight").grad.any()


@pytest.mark.parametrize(("form", "added"), [(TransferForm.CODE, 1e-5), (TransferForm.PAPER, 0.0)])
def test_words_are_counted_as_the_form_does(workload, form, added):
    # One sequence, of few words, which the student takes for impossible.
    alone = in_stage(workload, pretraining_stage(2, 10, hard_share=1.0), batch_size=1, form=form)
    batch = alone.data.batch(alone.plan.batch(0), 0)
    with torch.no_grad():
        alone.student.get_parameter("cls.predictions.bias")[batch.wanted] = -1e4
    found = alone.loss(alone.plan.batch(0), 0)
    (words, units), (pairs, _) = (found.parts[name] for name in (MASKED_WORDS, NEXT_SENTENCE))
    assert units == pytest.approx(len(batch.wanted) + added, rel=FLOAT32_UNITS)
    assert words > 1e4
    wanted = words / (len(batch.wanted) + added) + pairs
    assert found.total.item() == pytest.approx(wanted, rel=FLOAT32_UNITS)


STAGES = [*progressive(2, 4, 4), *joint(2, 4, 0), *auxiliary(2, 4)]


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("statistics", StatisticsOf)
@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_the_teacher_reads_a_batch_once(workload, stage, statistics, checkpointing, monkeypatch):
    layers, run_layer = [], packed.run_layer

    def counted(layer, *inputs):
        layers.append(layer)
        return run_layer(layer, *inputs)

    monkeypatch.setattr(packed, "run_layer", counted)
    if checkpointing:
        workload.student.gradient_checkpointing_enable()
    taught = in_stage(workload, stage, statistics=statistics)
    taught.loss(taught.plan.batch(0), 0).total.backward()
    ours, theirs = (
        [layers.count(layer) for layer in model.base_model.encoder.layer]
        for model in (workload.student, workload.teacher)
    )
    everything = stage.transferred and statistics is StatisticsOf.ALL_MAPS
    depth = 2 if stage.needs_words or everything else stage.depth
    assert theirs == [1] * depth + [0] * (2 - depth)
    assert ours == [1 + checkpointing] * stage.depth + [0] * (2 - stage.depth)


def test_the_layer_that_gives_no_numbers_is_named(workload):
    batch, layer = workload.plan.batch(0), "mobilebert.encoder.layer.1"
    assert workload.fault(batch, 0) == ""
    with torch.no_grad():
        for part in ("intermediate.dense", "output.dense"):
            workload.weights[f"{layer}.{part}.weight"].normal_().mul_(1e30)
    assert workload.fault(batch, 0) == "layer 1"
    with torch.no_grad():
        workload.weights[f"{layer}.output.dense.bias"][0] = torch.nan
    assert workload.fault(batch, 0) == f"the weight {layer}.output.dense.bias"
