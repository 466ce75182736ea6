import math

import numpy as np
import pytest
import torch

from mobilebert.config import MobileBertConfig
from mobilebert.corpora.prepared import PreparedCorpus
from mobilebert.pretraining.batches import PretrainingData
from mobilebert.pretraining.workload import MASKED_WORDS, NEXT_SENTENCE, PretrainingWorkload
from mobilebert.torch.models import MobileBertForPreTraining
from mobilebert.training.batching import BatchPlan
from pretraining.small_text import write_prepared
from tolerances import FOLDED_LOGITS


def workload_of(directory, tokenizer, config_file, batch_size=6):
    data = PretrainingData(PreparedCorpus.open(directory), tokenizer, len(tokenizer), seed=1)
    torch.manual_seed(3)
    model = MobileBertForPreTraining(MobileBertConfig.from_json_file(config_file))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    plan = BatchPlan(data.lengths, batch_size, seed=0)
    return PretrainingWorkload(model, data, plan)


@pytest.fixture
def workload(prepared, tokenizer, config_file):
    return workload_of(prepared, tokenizer, config_file)


def documented(workload, step):
    """The documented losses of the padded batch of a step."""
    batch = workload.data.batch(workload.plan.batch(step), step)
    packed = batch.packed
    width, count = max(packed.lengths), len(packed.lengths)
    ids, types, mask = (torch.zeros(count, width, dtype=torch.int64) for _ in range(3))
    labels = torch.full((count, width), -100)
    start, flat = 0, torch.full_like(packed.ids, -100)
    flat[batch.rows] = batch.wanted
    for row, length in enumerate(packed.lengths):
        part = slice(start, start + length)
        ids[row, :length], types[row, :length] = packed.ids[part], packed.types[part]
        mask[row, :length], labels[row, :length] = 1, flat[part]
        start += length
    output = workload.model(
        ids, mask, types, labels=labels, next_sentence_label=batch.other, pad_neighbor="zero"
    )
    return output.loss


def mean(loss):
    return float(loss.total.detach()) / loss.units


@pytest.mark.parametrize("step", [0, 4])
def test_it_is_the_documented_loss(workload, step):
    found = workload.loss(workload.plan.batch(step), step)
    wanted = documented(workload, step).item()
    assert mean(found) == pytest.approx(wanted, rel=FOLDED_LOGITS)
    means = [total / count for total, count in found.parts.values()]
    assert sum(means) == pytest.approx(wanted, rel=FOLDED_LOGITS)
    assert found.parts[NEXT_SENTENCE][1] == 6
    with torch.no_grad():
        workload.model.get_parameter("mobilebert.embeddings.word_embeddings.weight")[5:] *= 2
    assert documented(workload, step).item() != pytest.approx(wanted, rel=FOLDED_LOGITS)


def test_its_gradients_are_the_documented_ones(workload):
    documented(workload, 2).backward()
    wanted = {n: x.grad.clone() for n, x in workload.weights.items() if x.grad is not None}
    workload.model.zero_grad()
    found = workload.loss(workload.plan.batch(2), 2)
    (found.total / found.units).backward()
    assert wanted.keys() == {n for n, x in workload.weights.items() if x.grad is not None}
    for name, gradient in wanted.items():
        torch.testing.assert_close(workload.weights[name].grad, gradient, rtol=1e-3, atol=1e-5)


def test_parts_of_a_batch_add_up(workload):
    batch = workload.plan.batch(1)
    whole = workload.loss(batch, 1)
    parts = [workload.loss(np.array([number]), 1) for number in batch]
    added = sum(float(part.total.detach()) for part in parts)
    assert added == pytest.approx(float(whole.total.detach()), rel=FOLDED_LOGITS)
    assert sum(part.units for part in parts) == whole.units
    for name, (total, count) in whole.parts.items():
        assert sum(part.parts[name][0] for part in parts) == pytest.approx(total, rel=1e-4)
        assert sum(part.parts[name][1] for part in parts) == count


def test_guessing_costs_what_a_new_model_does(prepared, tokenizer, config_file):
    data = PretrainingData(PreparedCorpus.open(prepared), tokenizer, len(tokenizer))
    model = MobileBertForPreTraining(MobileBertConfig.from_json_file(config_file))
    workload = PretrainingWorkload(model, data, BatchPlan(data.lengths, 16, 0))
    assert workload.guessing == pytest.approx(math.log(len(tokenizer)) + math.log(2))
    loss = workload.loss(workload.plan.batch(0), 0)
    assert mean(loss) == pytest.approx(workload.guessing, rel=0.1)


def test_single_segments_have_one_loss(tmp_path, tokenizer, config_file):
    directory = write_prepared(tmp_path, tokenizer, next_sentence=False)
    workload = workload_of(directory, tokenizer, config_file)
    assert workload.part_names == (MASKED_WORDS,)
    assert workload.loss(workload.plan.batch(0), 0).parts.keys() == {MASKED_WORDS}


def test_the_layer_that_loses_numbers_is_named(workload):
    examples = workload.plan.batch(0)
    assert workload.fault(examples, 0) == ""
    bottleneck = "mobilebert.encoder.layer.1.output.bottleneck"
    weights = [workload.model.get_parameter(f"{bottleneck}.{x}.weight") for x in PARTS]
    with torch.no_grad():
        for weight in weights:
            weight.fill_(1e38)  # a product of both is more than float32 holds
    assert workload.fault(examples, 0) == "layer 1"
    with torch.no_grad():
        weights[0][0, 0] = math.inf
    assert workload.fault(examples, 0) == f"the weight {bottleneck}.dense.weight"


PARTS = ("dense", "LayerNorm")
