import json
import sys
import time
import types
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mobilebert import (
    AutoTokenizer,
    MobileBertConfig,
    MobileBertForMaskedLM,
    MobileBertForPreTraining,
)
from mobilebert.corpora.manifest import Split
from mobilebert.corpora.prepared import PreparedCorpus
from mobilebert.directory_lock import alone_in
from mobilebert.errors import (
    ArgumentError,
    CheckpointError,
    ConfigError,
    InputError,
    MissingExtraError,
)
from mobilebert.pretraining.curves import read_curves
from mobilebert.pretraining.pretrain import pretrain
from mobilebert.torch import packed
from pretraining.small_text import (
    WORDS,
    killed_at,
    small_tokenizer,
    write_config,
    write_prepared,
)

REST = 1e-12  # a rate that moves no weight by as much as it can show
SETTINGS = {"batch_size": 16, "learning_rate": 3e-3, "checkpoint_every": 7, "micro_tokens": 200}


@pytest.fixture
def run(prepared, tokenizer_dir, config_file, tmp_path):
    """Pre-train into a directory of the test."""

    def run(name="model", **options):
        given = {"data": prepared, "tokenizer": tokenizer_dir, "steps": 20} | SETTINGS | options
        config = None if "init" in given else given.pop("config", config_file)
        return pretrain(config, output=tmp_path / name, **given)

    return run


def weights(directory):
    return load_file(Path(directory) / "model.safetensors")


def same(one, other):
    return all(torch.equal(x, other[name]) for name, x in one.items())


def test_no_position_is_left_over(run, tokenizer, tmp_path):
    config = write_config(tmp_path, len(tokenizer), max_position_embeddings=22)
    assert run(config=config, steps=1).report.data["longest sequence"] == "22 tokens"


def test_it_learns_what_follows(run, tmp_path):
    result = run(steps=300, learning_rate=1e-2, evaluate_every=100)
    assert result.metrics["masked_lm_accuracy"] > 0.5
    first = next(entry for entry in result.history if "loss" in entry)
    last = [entry for entry in result.history if "loss" in entry][-1]
    assert last["loss"] < 0.7 * first["loss"]
    assert last["parts"].keys() == {"masked words", "next sentence"}
    files = {path.name for path in (tmp_path / "model").iterdir()}
    wanted = {"config.json", "model.safetensors", "vocab.txt", "curves.jsonl", "README.md"}
    assert files >= wanted | {"report.json", "report.html"}
    assert "training" not in files
    report = json.loads((tmp_path / "model/report.json").read_text())
    assert report["kind"] == "pretraining"
    longest = report["data"]["longest sequence"]
    assert longest == "22 tokens (the model has positions for 32)"
    assert report["metrics"] == result.metrics
    assert {row["name"] for row in report["sources"]} == {"a.txt", "b.txt"}
    page = (tmp_path / "model/report.html").read_text()
    assert "masked words found" in page
    assert "<svg" in page
    assert "masked_lm_accuracy" in result.summary()


def test_text_without_pairs_is_told(run, tmp_path, tokenizer):
    blocks = tmp_path / "blocks"
    blocks.mkdir()
    directory = write_prepared(blocks, tokenizer, next_sentence=False)
    output = run(data=directory, steps=1).output_dir
    assert "Pre-trained on masked words.\n" in (output / "README.md").read_text()


def test_what_it_writes_is_an_ordinary_checkpoint(run, tmp_path):
    result = run()
    model = MobileBertForMaskedLM.from_pretrained(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    inputs = tokenizer("worda [MASK] wordc", return_tensors="pt")
    with torch.no_grad():
        found = model(**inputs).logits
        wanted = result.model(**inputs).prediction_logits
    assert torch.equal(found, wanted)


def test_the_seed_decides(run):
    run("one")
    run("again")
    run("other", seed=1)
    root = run("more", micro_tokens=10000).output_dir.parent
    assert same(weights(root / "one"), weights(root / "again"))
    assert not same(weights(root / "one"), weights(root / "other"))
    for name, tensor in weights(root / "one").items():
        torch.testing.assert_close(weights(root / "more")[name], tensor, rtol=1e-3, atol=1e-4)


def test_it_goes_on_from_a_checkpoint(run, tmp_path):
    run()
    result = run("more", init=tmp_path / "model", steps=1, learning_rate=REST)
    for name, tensor in weights(tmp_path / "model").items():
        torch.testing.assert_close(weights(result.output_dir)[name], tensor, rtol=0, atol=1e-9)


def test_word_embeddings_of_another_model_are_taken(run, tmp_path):
    run()
    result = run("taken", vocabulary_from=tmp_path / "model", steps=1, learning_rate=REST)
    names = ["mobilebert.embeddings.word_embeddings.weight", "cls.predictions.bias"]
    found, given = weights(result.output_dir), weights(tmp_path / "model")
    for name in names:
        torch.testing.assert_close(found[name], given[name], rtol=0, atol=1e-9)
    assert not same(given, found)
    wide = write_config(tmp_path, 25, embedding_size=8)
    with pytest.raises(InputError, match=r"embedding_size"):
        run("wide", config=wide, vocabulary_from=tmp_path / "model", steps=1)
    assert not (tmp_path / "wide").exists()


def test_bfloat16_and_lamb_learn_too(run):
    result = run(precision="bfloat16", optimizer="lamb", learning_rate=1e-2, steps=60)
    losses = [entry["loss"] for entry in result.history if "loss" in entry]
    assert losses[-1] < losses[0]


def test_gradient_checkpointing_changes_nothing(run, tmp_path, monkeypatch):
    layers, run_layer = [], packed.run_layer

    def counted(layer, *inputs):
        layers.append(torch.is_grad_enabled())  # judging needs no layer twice
        return run_layer(layer, *inputs)

    monkeypatch.setattr(packed, "run_layer", counted)
    run("plain")
    once = layers.count(True)
    layers.clear()
    run("checkpointed", gradient_checkpointing=True)
    assert layers.count(True) == 2 * once > 0
    assert same(weights(tmp_path / "plain"), weights(tmp_path / "checkpointed"))


def test_epochs_are_passes_over_the_data(run):
    result = run(epochs=2.0, steps=None)
    assert result.history[-1]["step"] == 2 * 96 // 16
    with pytest.raises(InputError, match="steps is 20 and epochs 2: give one of them"):
        run("other", epochs=2.0)


def test_text_that_is_not_held_out_judges_nothing(run, tokenizer, tmp_path):
    (tmp_path / "data").mkdir()
    write_prepared(tmp_path / "data", tokenizer, held_out=0)
    result = run(data=tmp_path / "data")
    assert result.metrics == {}
    assert "Nothing was held out" in result.summary()


def test_killed_at_random_steps_it_ends_with_the_same_weights(
    run, prepared, tokenizer_dir, config_file, tmp_path
):
    run("whole", steps=40)
    output = tmp_path / "killed"
    arguments = ["pretrain", "--config", config_file, "--data", prepared, "--output", output]
    arguments += ["--tokenizer", tokenizer_dir, "--steps", "40"]
    for name, value in SETTINGS.items():
        arguments += [f"--{name.replace('_', '-')}", value]
    for step in np.sort(np.random.default_rng(int(time.time())).integers(1, 39, 2)):
        killed_at(arguments, output, "pretraining", int(step))
        if "--resume" not in arguments:
            arguments.append("--resume")
    killed_at(arguments, output, None, None)
    assert same(weights(tmp_path / "whole"), weights(output))
    steps = [entry["step"] for entry in read_curves(output / "curves.jsonl") if "loss" in entry]
    assert steps == sorted(set(steps))


def test_two_at_once_are_refused(run, tmp_path):
    with (
        alone_in(tmp_path / "model"),
        pytest.raises(InputError, match="Another run is at work"),
    ):
        run()
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"config": "mobilebert-huge"}, InputError, "neither a preset"),
        ({"optimizer": "sgd"}, InputError, "adamw, lamb"),
        ({"step": 3}, ArgumentError, "Did you mean steps"),
        ({"device": "tpu7"}, InputError, "choose auto, cpu"),
        ({"device": "cuda:9"}, InputError, "This machine has no"),
        ({"data": "nowhere"}, InputError, "nowhere"),
        ({"tokenizer": "nowhere/at-all/here"}, CheckpointError, "nowhere"),
        ({"init": "nowhere/at-all/here", "tokenizer": None}, CheckpointError, "nowhere"),
        ({"vocabulary_from": "nowhere/at-all/here"}, CheckpointError, "nowhere"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_made(
    run, tmp_path, options, error, said
):
    with pytest.raises(error, match=said):
        run(**options)
    assert not (tmp_path / "model").exists()


def test_what_is_refused_at_the_first_step_leaves_no_run_to_go_on_with(run, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="lr is 0"):
        run(learning_rate=0.0)
    assert not (tmp_path / "model/training").exists()
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"mobilebert\[tensorboard\]"):
        run(tensorboard=True)
    assert not (tmp_path / "model/training").exists()
    run()


class Writer:
    """Stands in for TensorBoard's."""

    told: ClassVar[list[tuple[str, int]]] = []

    def __init__(self, directory):
        assert directory.name == "tensorboard"

    def add_scalar(self, name, value, step):
        assert isinstance(value, float)
        self.told.append((name, step))

    def flush(self):
        pass


def test_curves_are_written_for_tensorboard_too(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", types.ModuleType("tensorboard"))
    fake = types.ModuleType("torch.utils.tensorboard.writer")
    fake.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.ModuleType("fake"))
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard.writer", fake)
    result = run(tensorboard=True, evaluate_every=20)
    steps = [entry["step"] for entry in result.history if "loss" in entry]
    assert [step for name, step in Writer.told if name == "pretraining/loss"] == steps
    assert ("pretraining/masked words", 20) in Writer.told
    assert ("pretraining/masked_lm_accuracy", 20) in Writer.told


def test_a_configuration_and_a_checkpoint_are_too_much(prepared, tmp_path):
    with pytest.raises(InputError, match="one of config"):
        pretrain(data=prepared, output=tmp_path / "model")
    with pytest.raises(InputError, match="one of config"):
        pretrain("mobilebert-mini", init="x", data=prepared, output=tmp_path / "model")


def test_models_that_do_not_fit_the_data_are_refused(run, tmp_path, tokenizer):
    for rows in (9, 30):
        with pytest.raises(InputError, match=f"vocabulary of {rows}"):
            run(config=write_config(tmp_path, rows))
    short = write_config(tmp_path, len(tokenizer), max_position_embeddings=10)
    with pytest.raises(InputError, match="reads 10"):
        run(config=short)
    other = small_tokenizer(tmp_path, ["a", "b"])
    with pytest.raises(InputError, match="another vocabulary"):
        run(tokenizer=other, config=write_config(tmp_path, 7))
    (tmp_path / "config.json").write_text('{"hidden_size": -1}')
    with pytest.raises(ConfigError):
        run(config=tmp_path / "config.json")
    assert not (tmp_path / "model").exists()


def test_held_out_text_that_the_model_cannot_read_is_refused(run, tmp_path, tokenizer):
    (tmp_path / "data").mkdir()
    data = write_prepared(tmp_path / "data", tokenizer, train=4, held_out=48)
    learned, judged = (int(PreparedCorpus.open(data, split).lengths.max()) for split in Split)
    assert learned < judged  # else this says nothing
    short = write_config(tmp_path, len(tokenizer), max_position_embeddings=learned)
    with pytest.raises(InputError, match=f"held-out sequences of {judged} .* reads {learned} "):
        run(data=data, config=short)
    assert not (tmp_path / "model").exists()


def test_pairs_are_nothing_for_a_model_of_one_segment(run, tmp_path, tokenizer):
    single = write_config(tmp_path, len(tokenizer), type_vocab_size=1)
    with pytest.raises(InputError, match=r"model knows a single one .*--no-next-sentence"):
        run(config=single)
    assert not (tmp_path / "model").exists()


def test_words_of_another_vocabulary_are_refused(run, tmp_path):
    run(steps=1)
    small_tokenizer(tmp_path / "model", WORDS[::-1])  # as many, in another order
    with pytest.raises(InputError, match="tokenizer of another vocabulary"):
        run("taken", vocabulary_from=tmp_path / "model")
    assert not (tmp_path / "taken").exists()


def test_a_model_whose_weights_are_no_numbers_is_refused(run, tmp_path, config_file):
    model = MobileBertForPreTraining(MobileBertConfig.from_json_file(config_file))
    with torch.no_grad():
        model.get_parameter("cls.predictions.bias")[3] = torch.nan
    model.save_pretrained(tmp_path / "broken")
    with pytest.raises(CheckpointError, match=r"broken has .* in cls\.predictions\.bias"):
        run(init=tmp_path / "broken")
    assert not (tmp_path / "model").exists()


def test_a_model_of_fewer_rows_than_there_are_tokens_is_refused(run, tmp_path):
    config = MobileBertConfig.from_json_file(write_config(tmp_path, 9))
    MobileBertForPreTraining(config).save_pretrained(tmp_path / "few")
    with pytest.raises(InputError, match="has 25 tokens, and the model rows for 9"):
        run(init=tmp_path / "few")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_data_that_were_truncated_are_refused(run, tokenizer, tmp_path, split):
    (tmp_path / "data").mkdir()
    write_prepared(tmp_path / "data", tokenizer)
    tokens = next((tmp_path / "data").glob(f"{split}*tokens*"))
    tokens.write_bytes(tokens.read_bytes()[:-40])
    with pytest.raises(InputError, match=tokens.name):
        run(data=tmp_path / "data")


def test_an_output_that_holds_something_is_left_alone(run, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        run()
    with pytest.raises(InputError, match="no interrupted run"):
        run(resume=True)
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["thesis.txt"]
