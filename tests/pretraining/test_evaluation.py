import numpy as np
import pytest
import torch

from mobilebert.config import MobileBertConfig
from mobilebert.corpora.prepared import PreparedCorpus
from mobilebert.pretraining.batches import PretrainingData
from mobilebert.pretraining.evaluation import judge_pretraining
from mobilebert.torch.models import MobileBertForPreTraining
from tolerances import FOLDED_LOGITS


@pytest.fixture
def held_out(prepared, tokenizer):
    return PretrainingData(PreparedCorpus.open(prepared, "held_out"), tokenizer, len(tokenizer))


@pytest.fixture
def model(config_file):
    torch.manual_seed(5)
    model = MobileBertForPreTraining(MobileBertConfig.from_json_file(config_file))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


@torch.no_grad()
def slowly(model, data, numbers):
    """Judge sequence by sequence with the documented class; by source."""
    model.eval()
    found = {}
    for number in numbers:
        batch = data.batch([number], 0)
        output = model(batch.packed.ids[None], token_type_ids=batch.packed.types[None])
        scores = output.prediction_logits[0, batch.rows].double()
        losses = -scores.log_softmax(-1)[torch.arange(len(batch.rows)), batch.wanted]
        right = scores.argmax(-1) == batch.wanted
        pair = output.seq_relationship_logits.double()
        name = data.corpus.source_names[data.corpus.sources[number]]
        row = found.setdefault(name, np.zeros(6))
        row += [
            len(right),
            int(right.sum()),
            float(losses.sum()),
            1,
            int(pair.argmax() == batch.other[0]),
            float(-pair.log_softmax(-1)[0, batch.other[0]]),
        ]
    return found


def test_it_says_what_the_documented_class_says(model, held_out):
    scores = judge_pretraining(model, held_out, words=None)
    wanted = slowly(model, held_out, range(len(held_out.lengths)))
    assert scores.sources.keys() == wanted.keys() == {"a.txt", "b.txt"}
    for name, row in wanted.items():
        told = list(vars(scores.sources[name]).values())
        np.testing.assert_allclose(told, row, rtol=FOLDED_LOGITS)
    total = sum(wanted.values())
    metrics = scores.metrics()
    assert metrics["masked_lm_accuracy"] == pytest.approx(total[1] / total[0])
    assert metrics["next_sentence_accuracy"] == pytest.approx(total[4] / total[3])
    with torch.no_grad():
        model.get_parameter("mobilebert.embeddings.word_embeddings.weight")[5:] *= 2
    other = judge_pretraining(model, held_out, words=None)
    assert other.metrics()["masked_lm_loss"] != pytest.approx(
        metrics["masked_lm_loss"], rel=FOLDED_LOGITS
    )


def test_so_many_words_are_enough(model, held_out):
    scores = judge_pretraining(model, held_out, words=20)
    again = judge_pretraining(model, held_out, words=20)
    assert 20 <= scores.total().words < 24
    assert scores == again
    assert scores.sequences < len(held_out.lengths)


def test_the_mode_of_the_model_stays(model, held_out):
    model.train()
    judge_pretraining(model, held_out, words=5)
    assert model.training
