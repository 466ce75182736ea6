"""A model that learns an encoder's states beside the words."""

import json
import math
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mobilebert.config import MobileBertConfig
from mobilebert.corpora.prepared import PreparedCorpus
from mobilebert.errors import InputError
from mobilebert.pretraining.batches import PretrainingData
from mobilebert.pretraining.encoder_objectives import StateProjection
from mobilebert.pretraining.guide import SENTENCES, STATES, Guide, unmasked
from mobilebert.pretraining.pretrain import pretrain
from mobilebert.pretraining.published_encoder import PublishedEncoder
from mobilebert.pretraining.workload import MASKED_WORDS, NEXT_SENTENCE, PretrainingWorkload
from mobilebert.text import MobileBertTokenizerFast
from mobilebert.torch.models import MobileBertForPreTraining
from mobilebert.training.batching import BatchPlan
from mobilebert.training.settings import Precision
from pretraining.small_encoder import write_encoder
from pretraining.small_text import killed_at, small_tokenizer, write_prepared
from tolerances import FOLDED_LOGITS

BOTH = {STATES: 2.0, SENTENCES: 0.5}
SETTINGS = {"batch_size": 16, "learning_rate": 3e-3, "checkpoint_every": 7, "micro_tokens": 200}


@pytest.fixture(scope="session")
def encoder_dir(tmp_path_factory, tokenizer):
    return write_encoder(tmp_path_factory.mktemp("encoder"), tokenizer)


@pytest.fixture
def workload_of(prepared, tokenizer, config_file, encoder_dir):
    def build(factors, precision=Precision.FLOAT32, directory=prepared):
        corpus = PreparedCorpus.open(directory)
        data = PretrainingData(corpus, tokenizer, len(tokenizer), seed=1)
        torch.manual_seed(3)
        model = MobileBertForPreTraining(MobileBertConfig.from_json_file(config_file))
        encoder = PublishedEncoder.load(encoder_dir)
        drawn = torch.Generator().manual_seed(5)
        projection = StateProjection(model.config.hidden_size, encoder.facts.hidden_size, drawn)
        guide = factors and Guide(encoder=encoder, projection=projection, factors=factors)
        plan = BatchPlan(data.lengths, 6, seed=0)
        return PretrainingWorkload(model, data, plan, precision, guide or None)

    return build


def by_hand(workload, step):
    """The losses of states and sentences, text by text."""
    batch = workload.data.batch(workload.plan.batch(step), step)
    guide, states, sentences, at = workload.guide, [], [], 0
    original = batch.packed.ids.clone()
    original[batch.rows] = batch.wanted
    for length in batch.packed.lengths:
        part = slice(at, at + length)
        inputs = {"token_type_ids": batch.packed.types[None, part], "pad_neighbor": "zero"}
        ours = workload.model.mobilebert(batch.packed.ids[None, part], **inputs)
        ours = guide.projection(ours.last_hidden_state[0])
        text = type(batch.packed)(
            original[part], batch.packed.types[part], torch.arange(length), (length,)
        )
        theirs = guide.encoder(text)
        spread = theirs.var(-1, correction=0, keepdim=True).sqrt()
        normal = (theirs - theirs.mean(-1, keepdim=True)) / spread
        states.append((ours - normal).square().mean(-1))
        means = ours.mean(0), theirs.mean(0)
        sentences.append(1 - torch.dot(*means) / (means[0].norm() * means[1].norm()))
        at += length
    return torch.cat(states).mean(), torch.stack(sentences).mean()


@pytest.mark.parametrize("step", [0, 3])
def test_it_is_the_loss_text_by_text(workload_of, step):
    plain, workload = workload_of({}), workload_of(BOTH)
    examples = workload.plan.batch(step)
    words, found = (x.loss(examples, step) for x in (plain, workload))
    assert found.parts.keys() == {MASKED_WORDS, NEXT_SENTENCE, STATES, SENTENCES}
    assert workload.part_names == (MASKED_WORDS, NEXT_SENTENCE, STATES, SENTENCES)
    states, sentences = by_hand(workload, step)
    added = float((found.total - words.total).detach()) / words.units
    wanted = float((2 * states + 0.5 * sentences).detach())
    assert added == pytest.approx(wanted, rel=FOLDED_LOGITS)
    for name in (MASKED_WORDS, NEXT_SENTENCE):
        assert found.parts[name] == pytest.approx(words.parts[name], rel=FOLDED_LOGITS)
    with torch.no_grad():
        workload.guide.encoder.get_parameter("encoder.layer.2.output.dense.weight")[0] += 1
    again = float((workload.loss(examples, step).total - words.total).detach()) / words.units
    assert again != pytest.approx(wanted, rel=FOLDED_LOGITS)


def test_parts_of_a_batch_add_up(workload_of):
    workload = workload_of(BOTH)
    batch = workload.plan.batch(1)
    whole = workload.loss(batch, 1)
    parts = [workload.loss(np.array([number]), 1) for number in batch]
    added = sum(float(part.total.detach()) for part in parts)
    assert added == pytest.approx(float(whole.total.detach()), rel=FOLDED_LOGITS)


def test_gradients_of_parts_add_up(workload_of):
    workload = workload_of(BOTH)
    batch = workload.plan.batch(1)

    def gradients(parts):
        for tensor in workload.weights.values():
            tensor.grad = None
        for part in parts:
            workload.loss(part, 1).total.backward()
        return {n: x.grad.clone() for n, x in workload.weights.items() if x.grad is not None}

    whole = gradients([batch])
    assert whole["projection.dense.weight"].any()
    for name, gradient in gradients([batch[:2], batch[2:]]).items():
        torch.testing.assert_close(gradient, whole[name], rtol=1e-3, atol=1e-5, msg=name)


def test_layers_computed_twice_change_nothing(workload_of):
    workload = workload_of(BOTH)
    examples = workload.plan.batch(0)
    found = []
    for _ in range(2):
        loss = workload.loss(examples, 0).total
        loss.backward()
        gradient = workload.weights["projection.dense.weight"].grad
        found.append((float(loss.detach()), gradient.clone()))
        gradient.zero_()
        workload.model.gradient_checkpointing_enable()
    assert found[1][0] == pytest.approx(found[0][0], rel=FOLDED_LOGITS)
    torch.testing.assert_close(found[1][1], found[0][1], rtol=1e-3, atol=1e-5)


def test_single_segments(tmp_path, tokenizer, workload_of):
    workload = workload_of(BOTH, directory=write_prepared(tmp_path, tokenizer, next_sentence=False))
    parts = workload.loss(workload.plan.batch(0), 0).parts
    assert parts.keys() == {MASKED_WORDS, STATES, SENTENCES}
    states, _ = by_hand(workload, 0)
    assert parts[STATES][0] / parts[STATES][1] == pytest.approx(float(states.detach()), rel=1e-4)


def test_a_part_without_masked_words(workload_of):
    workload = workload_of(BOTH)
    batch = workload.data.batch(workload.plan.batch(0), 0)
    none = batch.rows[:0]
    alone = replace(batch, rows=none, wanted=none)
    workload.data.batch = lambda *_: alone
    found = workload.loss(workload.plan.batch(0), 0)
    assert found.parts[MASKED_WORDS] == (0, 0)
    found.total.backward()
    assert workload.weights["projection.dense.weight"].grad.any()
    bare = workload_of({})
    bare.data.batch = workload.data.batch
    found = bare.loss(bare.plan.batch(0), 0)
    found.total.backward()
    assert found.parts[MASKED_WORDS] == (0, 0)


def test_what_has_no_weight_is_not_there(workload_of):
    workload = workload_of({STATES: 1.0, SENTENCES: 0.0})
    assert workload.part_names == (MASKED_WORDS, NEXT_SENTENCE, STATES)
    assert workload.loss(workload.plan.batch(0), 0).parts.keys() == set(workload.part_names)
    known = math.log(workload.model.config.vocab_size) + math.log(2)
    assert workload.guessing == pytest.approx(known + 1)


def test_projection_and_model_learn_and_the_encoder_rests(workload_of):
    workload = workload_of(BOTH)
    found = workload.loss(workload.plan.batch(0), 0)
    (found.total / found.units).backward()
    assert {"projection.dense.weight", "projection.dense.bias"} <= workload.weights.keys()
    assert all(x.grad is not None and x.grad.any() for x in workload.guide.projection.parameters())
    assert all(x.grad is None for x in workload.guide.encoder.parameters())


def test_bfloat16_is_close(workload_of):
    wide, narrow = workload_of(BOTH), workload_of(BOTH, Precision.BFLOAT16)
    examples = wide.plan.batch(2)
    exact, found = (x.loss(examples, 2).parts for x in (wide, narrow))
    for name, (total, units) in exact.items():
        assert found[name][0] / units == pytest.approx(total / units, rel=0.03), name
    assert {x.dtype for x in narrow.guide.encoder.parameters()} == {torch.bfloat16}


def test_masks_are_undone(workload_of):
    workload = workload_of(BOTH)
    batch = workload.data.batch(workload.plan.batch(0), 0)
    sequences = [workload.data.corpus[int(n)].ids for n in workload.plan.batch(0)]
    assert (batch.packed.ids.numpy() != np.concatenate(sequences)).any()
    assert (unmasked(batch).ids.numpy() == np.concatenate(sequences)).all()


@pytest.fixture
def run(prepared, tokenizer_dir, config_file, encoder_dir, tmp_path):
    def run(name="model", **options):
        given = {"data": prepared, "tokenizer": tokenizer_dir, "steps": 20, "encoder": encoder_dir}
        given |= SETTINGS | options
        return pretrain(config_file, output=tmp_path / name, **given)

    return run


def test_states_are_learned(run, tmp_path):
    result = run(steps=150, learning_rate=1e-2, sentence_factor=0.5)
    losses = [entry["parts"] for entry in result.history if "loss" in entry]
    assert losses[-1][STATES] < 0.6 * losses[0][STATES]
    assert losses[-1][SENTENCES] < 0.6 * losses[0][SENTENCES]
    names = set(MobileBertForPreTraining.from_pretrained(tmp_path / "model").state_dict())
    assert not any("projection" in name for name in names)
    card = (tmp_path / "model/README.md").read_text()
    assert re.search(r"masked words, next sentences and the hidden states of encoder\S*\.", card)


def test_a_killed_run_goes_on_to_the_same_weights(
    run, prepared, tokenizer_dir, encoder_dir, config_file, tmp_path
):
    run("whole")
    output = tmp_path / "killed"
    arguments = ["pretrain", "--config", config_file, "--data", prepared, "--output", output]
    arguments += ["--tokenizer", tokenizer_dir, "--steps", "20", "--encoder", encoder_dir]
    for name, value in SETTINGS.items():
        arguments += [f"--{name.replace('_', '-')}", value]
    killed_at(arguments, output, "pretraining", 10)
    # The same weights with other heads compute something else.
    other = tmp_path / "other"
    shutil.copytree(encoder_dir, other)
    told = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(told | {"num_attention_heads": 2}))
    with pytest.raises(InputError, match="belongs to a run with other"):
        run("killed", encoder=other, resume=True)
    killed_at([*arguments, "--resume"], output, None, None)
    whole, killed = (
        load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed")
    )
    assert all(torch.equal(tensor, killed[name]) for name, tensor in whole.items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"state_factor": 0.0}, "both 0, so nothing of the encoder is learned"),
        ({"encoder_layer": 7}, "layer 7 is none of them"),
        ({"encoder": None, "encoder_layer": 2}, "encoder_layer is about an encoder"),
        (
            {"encoder": None, "state_factor": 2.0, "sentence_factor": 1.0},
            "state_factor, sentence_factor are about an encoder",
        ),
    ],
)
def test_settings_that_ask_for_nothing(run, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        run(**options)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_position_embeddings": 8}, "the encoder reads 8"),
        ({"type_vocab_size": 1}, "the encoder knows a single one"),
    ],
)
def test_encoders_that_cannot_read_the_data(run, tmp_path, tokenizer, settings, message):
    encoder = write_encoder(tmp_path / "encoder", tokenizer, **settings)
    with pytest.raises(InputError, match=message):
        run(encoder=encoder)
    assert not (tmp_path / "model").exists()


def test_another_vocabulary_is_refused(run, tmp_path, tokenizer):
    other = write_encoder(tmp_path / "other", tokenizer)
    small_tokenizer(other, words=[f"other{n}" for n in range(20)])
    with pytest.raises(InputError, match=r"other has another vocabulary \(25 words\)"):
        run(encoder=other)


def test_how_texts_are_read_does_not_matter(run, tmp_path, tokenizer):
    encoder = write_encoder(tmp_path / "cased", tokenizer)
    MobileBertTokenizerFast(str(encoder / "vocab.txt"), do_lower_case=False).save_pretrained(
        encoder
    )
    assert run(encoder=encoder, steps=2).report.teacher == "cased"
