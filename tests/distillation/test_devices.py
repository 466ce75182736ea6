"""Everything stays on the device of the models: one without numbers refuses those of another."""

import pytest
import torch

from distillation.transfers import batch_of, student_of, teacher_of
from mobilebert.distillation.layer_mapping import LayerMapping
from mobilebert.distillation.objectives import next_sentence, pretraining_distillation
from mobilebert.distillation.stage_loss import StatisticsOf, encode_both, transfer_loss
from mobilebert.distillation.stage_optimizer import enter_stage
from mobilebert.distillation.strategies import auxiliary, progressive
from mobilebert.pretraining.encoder_objectives import pooled_means, sentence_transfer


@pytest.mark.parametrize("stage", [*progressive(3, 9, 9), *auxiliary(3, 9)], ids=lambda x: x.name)
def test_a_stage_on_another_device(stage):
    student, teacher = (build(dtype=torch.float32) for build in (student_of, teacher_of))
    batch = batch_of(student.config).to("meta")
    for model in (student, teacher):
        model.to("meta").tie_weights()
    enter_stage(student, stage)
    mapping = LayerMapping.between(3, 3)
    both = encode_both(stage, mapping, student, teacher, batch, StatisticsOf.ALL_MAPS)
    losses = [transfer_loss(stage, both)]
    ours, theirs = both.student.last_hidden_state, both.teacher.last_hidden_state
    if stage.pretraining:
        rows = torch.arange(0, 70, 7, device="meta")
        labels = batch.ids[rows]
        losses.append(pretraining_distillation(student, ours[rows], labels, teacher, theirs[rows]))
        losses.append(next_sentence(ours[batch.first][:, :2], batch.first))
    means = [pooled_means(states, batch) for states in (ours, theirs)]
    losses.append(sentence_transfer(*means))
    total = sum(loss.mean() for loss in losses if loss is not None)
    assert total.device.type == "meta"
    total.backward()
    assert any(parameter.grad is not None for parameter in student.parameters())
