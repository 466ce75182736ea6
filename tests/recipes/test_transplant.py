"""A teacher that begins as a published encoder, inside."""

import numpy as np
import pytest
import torch
from transformers import BertModel

from mobilebert import MobileBertConfig, MobileBertForPreTraining
from mobilebert.errors import InputError
from recipes.small_corpus import script

transplant = script("mini", "transplant")
VOCABULARY = 30522


def sentences(count, length=24):
    drawn = np.random.default_rng(0)
    ids = torch.from_numpy(drawn.zipf(1.3, (count, length)) % (VOCABULARY - 1000) + 999)
    return {"input_ids": ids, "token_type_ids": (torch.arange(length) >= 12).long().expand_as(ids)}


def explained(bert, teacher, **text):
    """How much of the encoder's last states can be told, linearly, of the teacher's."""
    with torch.no_grad():
        wanted = BertModel.from_pretrained(bert)(**text).last_hidden_state.flatten(0, 1)
        found = teacher.mobilebert(**text).last_hidden_state.flatten(0, 1)
    found = torch.cat([found, torch.ones(len(found), 1)], 1)
    rest = wanted - found @ torch.linalg.lstsq(found, wanted).solution
    return 1 - float((rest**2).sum() / ((wanted - wanted.mean(0)) ** 2).sum())


def student_config(**changes):
    sizes = {"hidden_size": 36, "embedding_size": 36, "num_attention_heads": 2}
    sizes |= {"intra_bottleneck_size": 8, "max_position_embeddings": 64}
    return MobileBertConfig(vocab_size=VOCABULARY, **sizes | changes)


@pytest.mark.parametrize(
    ("changes", "least"),
    [
        ({}, 0.7),
        ({"embedding_size": 24}, 0.6),
        ({"embedding_size": 30, "trigram_input": False}, 0.6),
    ],
)
def test_a_transplanted_teacher_says_what_the_encoder_says(bert, changes, least):
    encoder = transplant.PublishedEncoder.load(bert)
    text, unseen = sentences(200), {name: x[200:] for name, x in sentences(240).items()}
    counts = torch.bincount(text["input_ids"].flatten(), minlength=VOCABULARY)
    config = student_config(**changes)
    teacher = transplant.transplant(encoder, config, text, counts)
    drawn = MobileBertForPreTraining(teacher.config).eval()
    chance = explained(bert, drawn, **unseen)
    told = explained(bert, teacher, **unseen)
    assert chance < told - 0.2
    assert told > least
    narrow = teacher.mobilebert.encoder.layer[1].bottleneck.input.LayerNorm.state_dict()
    for name, weight in encoder.get_submodule(
        "encoder.layer.0.output.LayerNorm"
    ).named_parameters():
        assert torch.equal(narrow[name], weight)
    bias = teacher.cls.predictions.bias
    assert torch.equal(bias.argmax(), counts.argmax())
    with torch.no_grad():
        scores = teacher(**unseen).prediction_logits - bias
    read = unseen["input_ids"]
    named = torch.take_along_dim(scores, read[..., None], 2) >= scores.topk(10).values[..., -1:]
    assert named.float().mean() > 0.4  # the words that stand there, among the first ten of all
    # A layer that was put in wrongly is noticed.
    weight = teacher.mobilebert.encoder.layer[0].attention.self.value.weight
    with torch.no_grad():
        weight.copy_(weight.flip(0))
    assert explained(bert, teacher, **unseen) < told - 0.05


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"hidden_size": 64}, "48 wide and reads 128 tokens; the student's stream needs .* 64"),
        ({"max_position_embeddings": 512}, "needs at least 36, and 512 tokens"),
        ({"trigram_input": False}, "embeddings are 36 wide, as its stream, and no trigrams"),
        ({"vocab_size": 99}, "30522 words and 2 segments, the student 99 and 2"),
    ],
)
def test_an_encoder_that_does_not_fit_is_refused(bert, changes, told):
    facts = transplant.PublishedEncoder.load(bert).facts
    with pytest.raises(InputError, match=told):
        transplant.teacher_config(facts, MobileBertConfig(**student_config().to_dict() | changes))
