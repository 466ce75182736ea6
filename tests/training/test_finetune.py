import csv
import errno
import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from mobilebert import pipeline
from mobilebert.directory_lock import alone_in
from mobilebert.errors import ArgumentError, CheckpointError, InputError
from mobilebert.reports.findings import findings
from mobilebert.torch import packed
from mobilebert.training import run
from mobilebert.training.adamw import AdamW
from mobilebert.training.batching import BatchPlan
from mobilebert.training.finetune import finetune
from mobilebert.training.run import steps_of
from mobilebert.training.settings import FinetuneSettings
from mobilebert.training.tasks import resolve_finetune_task
from pipelines.random_checkpoints import write_checkpoint
from tolerances import FOLDED_LOGITS, TWO_PROCESSES

GOOD = ("fine", "lovely", "great", "warm", "charming")
BAD = ("dull", "poor", "awful", "cold", "boring")
QUIET = {"epochs": 12, "batch_size": 8, "learning_rate": 1e-3, "max_length": 32}


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A random encoder with a pre-training head, as it would be published."""
    directory = tmp_path_factory.mktemp("start") / "encoder"
    return str(write_checkpoint(directory, "fill-mask", attention_probs_dropout_prob=0.1))


def sentences(count, seed=0):
    drawn = np.random.default_rng(seed)
    for number in range(count):
        words = GOOD if number % 2 else BAD
        yield f"a {drawn.choice(words)} and {drawn.choice(words)} film {number}", words is GOOD


@pytest.fixture(scope="session")
def reviews(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "reviews.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["review", "sentiment"])
        writer.writerows([text, "good" if good else "bad"] for text, good in sentences(80))
    return path


def tuned(model, train, output, task="text-classification", **options):
    return finetune(task, train=train, model=model, output=output, **(QUIET | options))


@pytest.fixture(scope="session")
def result(model, reviews, tmp_path_factory):
    return tuned(model, reviews, tmp_path_factory.mktemp("tuned") / "model")


def test_it_learns_and_says_so(result):
    assert result.metrics["accuracy"] > 0.8
    assert result.metrics["accuracy"] > result.report.evaluation.baseline["accuracy"]
    losses = [entry["loss"] for entry in result.history if "loss" in entry]
    assert losses[0] < 2 * np.log(2)
    assert losses[-1] < 0.7 * losses[0]
    assert "accuracy" in result.summary()
    run = f'Use it: mobilebert run --model {result.output_dir} "A text."'
    assert result.summary().endswith(run)


def test_the_directory_has_everything(result):
    names = {path.name for path in result.output_dir.iterdir()}
    assert names == {
        *("model.safetensors", "config.json", "report.html", "report.json", "README.md"),
        *("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    }
    report = json.loads((result.output_dir / "report.json").read_text())
    assert report["evaluation"]["metrics"]["accuracy"] == result.metrics["accuracy"]
    assert report["data"]["train_items"] + report["data"]["dev_items"] == 80
    counted = sum(row["count"] for row in report["data"]["lengths"])
    assert counted == report["data"]["train_items"]
    assert result.report_path.read_text().startswith("<!DOCTYPE html>")


def test_a_pipeline_uses_it(result):
    classify = pipeline("text-classification", str(result.output_dir))
    rows = list(sentences(80))
    told = [answer["label"] == "good" for answer in classify([text for text, _ in rows])]
    assert np.mean([a == b for a, (_, b) in zip(told, rows, strict=True)]) > 0.8


def logits_of(model, tokenizer, text):
    with torch.no_grad():
        return model(**tokenizer(text, return_tensors="pt")).logits[0]


def test_transformers_loads_it_with_equal_logits(result):
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(result.output_dir)
    tokenizer = transformers.AutoTokenizer.from_pretrained(result.output_dir)
    assert theirs.config.id2label == {0: "bad", 1: "good"}
    rows = [logits_of(theirs, tokenizer, text) for text, _ in sentences(20)]
    ours = [logits_of(result.model, result.tokenizer, text) for text, _ in sentences(20)]
    found, wanted = torch.stack(rows), torch.stack(ours)
    span = wanted.max() - wanted.min()
    assert (found - wanted).abs().max() < FOLDED_LOGITS * span
    assert (found + 0.001 * span - wanted).abs().max() > FOLDED_LOGITS * span


def test_the_same_seed_gives_the_same_model(result, model, reviews, tmp_path):
    again = tuned(model, reviews, tmp_path / "again")
    other = tuned(model, reviews, tmp_path / "other", seed=1)
    weights = result.model.state_dict()
    assert all(torch.equal(x, weights[name]) for name, x in again.model.state_dict().items())
    assert any(not torch.equal(x, weights[name]) for name, x in other.model.state_dict().items())


@pytest.mark.parametrize(
    ("options", "by_rows"),
    [
        ({}, True),
        ({"r_drop": 1.0, "micro_tokens": 40, "layer_decay": 0.9}, True),
        ({"optimizer": "lamb"}, False),
        ({"freeze": "embeddings"}, False),
    ],
)
def test_a_step_looks_at_the_words_that_were_read(
    model, reviews, tmp_path, monkeypatch, options, by_rows
):
    steps = []
    move = AdamW._move_rows
    monkeypatch.setattr(AdamW, "_move_rows", lambda *given: (steps.append(1), move(*given)))
    some = tuned(model, reviews, tmp_path / "some", epochs=1, **options)
    assert bool(steps) is by_rows
    assert not some.model.mobilebert.embeddings.word_embeddings.sparse
    monkeypatch.setattr(run, "gradients_by_rows", lambda table: nullcontext())
    count = len(steps)
    whole = tuned(model, reviews, tmp_path / "whole", epochs=1, **options)
    assert len(steps) == count
    for name, weight in whole.model.state_dict().items():
        np.testing.assert_allclose(some.model.state_dict()[name], weight, **TWO_PROCESSES)


def test_masked_words_look_at_all_words(model, tmp_path, monkeypatch):
    monkeypatch.setattr(AdamW, "_move_rows", None)
    text = tmp_path / "text.txt"
    text.write_text("\n".join(sentence for sentence, _ in sentences(40)))
    tuned(model, text, tmp_path / "words", "fill-mask", epochs=1)


def test_several_seeds(model, reviews, tmp_path):
    several = tuned(model, reviews, tmp_path / "m", seeds=2, epochs=1)
    assert [run.seed for run in several.report.seeds.runs] == [0, 1]
    best = max(run.metrics["accuracy"] for run in several.report.seeds.runs)
    assert " over 2 seeds; the model is that of the best one" in several.summary()
    assert several.metrics["accuracy"] == best


def test_a_seed_that_was_given_up_is_told_where_another_is_the_best(
    model, reviews, tmp_path, monkeypatch
):
    tune = run.TuningRun.tune

    def given_up(tuning, **options):
        progress = tune(tuning, **options)
        progress.gave_up = True
        return progress

    monkeypatch.setattr(run.TuningRun, "tune", given_up)
    several = tuned(model, reviews, tmp_path / "m", seeds=2, max_steps=1)
    seeds = several.report.seeds.runs
    (other,) = (one.seed for one in seeds if one.metrics != several.metrics)
    said = [found.sentence for found in findings(several.report) if "given up" in found.sentence]
    assert [sentence.split(",")[0] for sentence in said] == [
        f"The run of seed {other} was given up"
    ]
    assert "count in mean and deviation" in said[0]


OPTIONS = [
    {"optimizer": "lamb", "learning_rate": 1e-2},
    {"lora_rank": 2},
    {"freeze": "encoder"},
    {"layer_decay": 0.8, "head_learning_rate": 1e-2},
    {"r_drop": 1.0, "label_smoothing": 0.1},
    {"class_weights": "balanced"},
    {"sampling": "balanced"},
    {"precision": "bfloat16", "gradient_checkpointing": True, "micro_tokens": 40},
    {"schedule": "cosine", "patience": 1, "evaluate_every": 2, "max_steps": 9, "clip": 0},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: next(iter(options)))
def test_every_setting_runs_and_saves_an_ordinary_model(model, reviews, tmp_path, options):
    found = tuned(model, reviews, tmp_path / "m", epochs=1, **(options))
    assert np.isfinite(found.metrics["loss"])
    loaded = type(found.model).from_pretrained(found.output_dir)
    weights = found.model.state_dict()
    assert loaded.state_dict().keys() == weights.keys()
    assert all(torch.equal(x, weights[name]) for name, x in loaded.state_dict().items())


def test_gradient_checkpointing_computes_layers_twice(model, reviews, tmp_path, monkeypatch):
    layers, run_layer = [], packed.run_layer

    def counted(layer, *inputs):
        layers.append(torch.is_grad_enabled())  # judging needs no layer twice
        return run_layer(layer, *inputs)

    monkeypatch.setattr(packed, "run_layer", counted)
    tuned(model, reviews, tmp_path / "plain", max_steps=2)
    once = layers.count(True)
    layers.clear()
    tuned(model, reviews, tmp_path / "checkpointed", max_steps=2, gradient_checkpointing=True)
    assert layers.count(True) == 2 * once > 0


@pytest.mark.parametrize("there", [False, True])
def test_an_accelerator_that_is_not_used_is_told(
    model, reviews, tmp_path, monkeypatch, capsys, there
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    with pytest.raises(InputError, match="body"):  # once reading has begun
        tuned(model, reviews, tmp_path / "m", columns={"text": "body"}, progress=True)
    said = capsys.readouterr().err
    assert "Reading" in said
    assert ("accelerator (CUDA) is not used" in said) is there


class Interrupted(Exception):
    pass


def test_an_interrupted_run_goes_on(result, model, reviews, tmp_path, monkeypatch):
    from mobilebert.training.loop import TrainingLoop

    step = TrainingLoop._step

    def interrupted(self):
        if self.progress.step == 17:
            raise Interrupted
        step(self)

    output = tmp_path / "model"
    monkeypatch.setattr(TrainingLoop, "_step", interrupted)
    with pytest.raises(Interrupted):
        tuned(model, reviews, output, checkpoint_every=5)
    monkeypatch.undo()
    with pytest.raises(InputError, match="--resume"):
        tuned(model, reviews, output, checkpoint_every=5)
    with pytest.raises(InputError, match="other data, settings, another model or another"):
        tuned(model, reviews, output, checkpoint_every=5, resume=True, learning_rate=2e-3)
    whole = tuned(model, reviews, tmp_path / "whole", checkpoint_every=5)
    resumed = tuned(model, reviews, output, checkpoint_every=5, resume=True)
    weights = whole.model.state_dict()
    assert all(torch.equal(x, weights[name]) for name, x in resumed.model.state_dict().items())
    assert not (output / "training").exists()


def test_a_model_that_is_there_is_not_replaced(result, model, reviews):
    with pytest.raises(InputError, match="is not empty"):
        tuned(model, reviews, result.output_dir)
    with pytest.raises(InputError, match="no interrupted run"):
        tuned(model, reviews, result.output_dir, resume=True)
    with pytest.raises(InputError, match="not both"):
        tuned(model, reviews, result.output_dir, resume=True, overwrite=True)


def test_two_at_once_are_refused(model, reviews, tmp_path):
    with alone_in(tmp_path / "m"), pytest.raises(InputError, match="Another run is at work"):
        tuned(model, reviews, tmp_path / "m", epochs=1)
    assert not (tmp_path / "m").exists()


def test_overwriting(model, reviews, tmp_path):
    output = tmp_path / "m"
    tuned(model, reviews, output, max_steps=2)
    before = (output / "model.safetensors").read_bytes()
    tuned(model, reviews, output, max_steps=2, overwrite=True, seed=1)
    assert (output / "model.safetensors").read_bytes() != before


def test_a_full_disk_is_told_before_anything_is_computed(model, reviews, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(CheckpointError, match="has 0 MB left"):
        tuned(model, reviews, tmp_path / "m")
    assert {path.name for path in tmp_path.iterdir()} <= {"m"}
    monkeypatch.undo()
    assert tuned(model, reviews, tmp_path / "m", max_steps=1).report_path.exists()


@pytest.mark.parametrize("last", ["report.json", "report.html"])
def test_a_disk_that_fills_in_the_end_keeps_the_states(model, reviews, tmp_path, monkeypatch, last):
    write, output = Path.write_bytes, tmp_path / "m"

    def filled(path, data):
        if path.name.startswith(f".{last}."):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", filled)
    with pytest.raises(CheckpointError, match=f"{last}: No space left on device"):
        tuned(model, reviews, output, max_steps=3)
    assert list((output / "training").glob("*/state.safetensors"))
    monkeypatch.undo()
    with pytest.raises(InputError, match="--resume"):
        tuned(model, reviews, output, max_steps=3)
    resumed = tuned(model, reviews, output, max_steps=3, resume=True)
    assert [entry["event"] for entry in resumed.history if "event" in entry] == ["resumed"]
    weights = tuned(model, reviews, tmp_path / "whole", max_steps=3).model.state_dict()
    assert all(torch.equal(x, weights[name]) for name, x in resumed.model.state_dict().items())
    assert resumed.report_path.exists()
    assert not (output / "training").exists()


def test_a_path_that_is_a_file_is_told(model, reviews, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CheckpointError, match="Cannot make directory"):
        tuned(model, reviews, tmp_path / "file" / "m")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"epochs": -1}, InputError, "epochs must be at least 0"),
        ({"epochs": float("inf")}, InputError, "epochs must be a number, not inf"),
        ({"learning_rte": 1}, ArgumentError, "Did you mean learning_rate"),
        ({"task": "parsing"}, InputError, "Unknown task 'parsing'"),
        ({"model": "/nowhere"}, CheckpointError, "nowhere"),
        ({"train": "/nowhere.csv"}, InputError, "Cannot read /nowhere.csv"),
        ({"columns": {"text": "body"}}, InputError, "body"),
        ({"freeze": "toes"}, InputError, "toes"),
        ({"seeds": 0}, InputError, "seeds"),
    ],
)
def test_what_cannot_be_used_is_refused(model, reviews, tmp_path, options, error, message):
    given = {"task": "text-classification", "train": reviews, "model": model} | options
    with pytest.raises(error, match=message):
        finetune(given.pop("task"), output=tmp_path / "m", **(QUIET | given))


def test_names_of_tasks():
    assert resolve_finetune_task("NER") == "token-classification"
    assert resolve_finetune_task("fill_mask") == "fill-mask"


def test_many_examples_go_to_files_beside_the_output(result, model, reviews, tmp_path, monkeypatch):
    from mobilebert.training import finetune as module

    encode, kept_in = module.encode_items, []

    def few_in_memory(*arguments, directory=None, **keywords):
        encoded = encode(*arguments, directory=directory, memory_limit=10, **keywords)
        if directory is not None:  # those to judge by stay in memory
            kept_in.append((directory, sorted(path.name for path in directory.iterdir())))
        return encoded

    monkeypatch.setattr(module, "encode_items", few_in_memory)
    output = tmp_path / "new" / "model"
    mapped = tuned(model, reviews, output)
    ((directory, files),) = kept_in
    assert directory.parent == tmp_path
    assert "ids.npy" in files
    assert not directory.exists()
    weights = result.model.state_dict()
    assert all(torch.equal(x, weights[name]) for name, x in mapped.model.state_dict().items())


def test_there_is_something_to_resume(model, reviews, tmp_path):
    with pytest.raises(InputError, match="no interrupted run"):
        tuned(model, reviews, tmp_path / "nothing", resume=True)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("epochs", [1e308, 10**400])
def test_more_epochs_than_there_are_numbers_for(epochs):
    plan = BatchPlan([5] * 80, 8, 0)
    assert steps_of(FinetuneSettings(epochs=epochs, max_steps=7), plan) == 7
