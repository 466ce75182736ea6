"""`finetune` on a checkpoint whose first token reaches 2.5e7: calm, and ordinary in the end."""

import json
import math
import shutil

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import save_file

from mobilebert.hub import BUNDLED_MODEL, BUNDLED_MODELS
from mobilebert.tasks import TASKS
from mobilebert.torch.packed import pack
from mobilebert.training.finetune import finetune
from mobilebert.training.loop import TrainingLoop
from mobilebert.training.settings import Precision
from mobilebert.training.tuned_model import TunedModel
from outlier_model import OUTLIERS, outlier_config, outlier_tensors
from tolerances import FOLDED_LOGITS

SMALL = {
    "vocab_size": 30522,
    "hidden_size": 64,
    "num_hidden_layers": 9,  # outliers grow in the seventh and the eighth
    "num_attention_heads": 2,
    "intermediate_size": 36,
    "embedding_size": 16,
    "intra_bottleneck_size": 24,
    "max_position_embeddings": 64,
    "num_feedforward_networks": 2,
}
WORDS = "film good bad plot actor scene music story long short dull warm nice cold year".split()
ROWS, STEPS = 40, 3


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Checkpoints by `classifier_activation`: the pooler is nothing, or a layer and tanh."""
    return {
        activation: write(tmp_path_factory.mktemp("outliers"), classifier_activation=activation)
        for activation in (False, True)
    }


@pytest.fixture(scope="module")
def model(models):
    return models[False]


def write(directory, **fields):
    config = outlier_config(**SMALL, architectures=["MobileBertModel"], **fields)
    tensors = outlier_tensors(config, TASKS["feature_extraction"], 0)
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    config.save_pretrained(directory)
    for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(BUNDLED_MODELS[BUNDLED_MODEL] / name, directory / name)
    return directory


def texts():
    drawn = np.random.default_rng(0)
    return [" ".join(drawn.choice(WORDS, drawn.integers(3, 15))) + f" {n}" for n in range(ROWS)]


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


WORD_ROWS = [text.split() for text in texts()]
TAGGED = lines(
    {"tokens": words, "tags": ["B-x" if word in ("film", "bad") else "O" for word in words]}
    for words in WORD_ROWS
)
ASKED = json.dumps(
    {
        "data": [
            {
                "title": f"t{n}",
                "paragraphs": [
                    {
                        "context": " ".join(words),
                        "qas": [
                            {
                                "id": str(n),
                                "question": "which one?",
                                "answers": [{"text": words[0], "answer_start": 0}],
                            }
                        ],
                    }
                ],
            }
            for n, words in enumerate(WORD_ROWS)
        ]
    }
)

# Task -> rows, and the largest first loss of the tuned model.
CASES = {
    "text-classification": (
        lines({"text": text, "label": f"c{n % 4}"} for n, text in enumerate(texts())),
        2 * math.log(4),
    ),
    "multi-label-classification": (
        lines(
            {"text": text, "labels": [x for j, x in enumerate("abc") if n >> j & 1]}
            for n, text in enumerate(texts())
        ),
        2 * math.log(2),
    ),
    "regression": (
        lines({"text": text, "score": 100 + n % 13} for n, text in enumerate(texts())),
        2.0,  # in units of the variance
    ),
    "token-classification": (TAGGED, 2 * math.log(2)),
    # The start among as many positions as the longest of these sequences has.
    "question-answering": (ASKED, 2 * math.log(24)),
    "multiple-choice": (
        lines(
            {"prompt": "he went", "choices": texts()[n : n + 3], "label": n % 3}
            for n in range(ROWS - 3)
        ),
        2 * math.log(3),
    ),
}


# Twenty seeds in both precisions: every task at least three times in each, with and without
# `classifier_activation`, which the heads of four tasks read.
SEEDS = [
    pytest.param(task, precision, activation, seed, id=f"{task}-{precision}-{activation}-{seed}")
    for precision in Precision
    for seed in range(20)
    for task in [list(CASES)[seed % len(CASES)]]
    for activation in [seed // len(CASES) % 2 == 1]
]


def tuned_for(task, model, directory, **options):
    """Tune for a few steps."""
    train = directory / ("rows.json" if task == "question-answering" else "rows.jsonl")
    train.write_text(CASES[task][0])
    given = {"max_steps": STEPS, "batch_size": 12, "max_length": 48} | options
    given.setdefault("evaluate_every", given["max_steps"])
    return finetune(task, train=train, model=model, output=directory / "m", **given)


def first_steps(task, model, directory, **options):
    """Losses of the first steps, and what happened in them."""
    result = tuned_for(task, model, directory, **options)
    assert all(weight.isfinite().all() for weight in result.model.state_dict().values())
    assert math.isfinite(result.metrics[result.report.evaluation.headline])
    losses = [entry["loss"] for entry in result.history if "loss" in entry]
    assert len(losses) == STEPS
    return losses, [entry for entry in result.history if "event" in entry]


@pytest.mark.parametrize(("task", "precision", "activation", "seed"), SEEDS)
def test_the_first_steps_are_calm(models, tmp_path, task, precision, activation, seed):
    losses, events = first_steps(task, models[activation], tmp_path, precision=precision, seed=seed)
    assert not events
    assert np.isfinite(losses).all()
    assert max(losses) <= CASES[task][1]


def test_a_head_that_reads_raw_features_is_not(model, tmp_path, monkeypatch):
    """The twin."""
    as_they_are = torch.zeros(SMALL["hidden_size"]), torch.ones(SMALL["hidden_size"])
    monkeypatch.setattr("mobilebert.training.head._statistics", lambda *_: as_they_are)
    losses, _ = first_steps("text-classification", model, tmp_path)
    assert losses[0] > 100 * CASES["text-classification"][1]


# A pooled task, whose features bfloat16 rounds most, and one that reads every token.
@pytest.mark.parametrize(
    ("task", "precision"),
    [("text-classification", "bfloat16"), ("token-classification", "float32")],
)
def test_twenty_seeds_of_one_task_are_calm(model, tmp_path, monkeypatch, task, precision):
    entries, note = [], TrainingLoop.note

    def kept(loop, entry):
        entries.append(entry)
        note(loop, entry)

    monkeypatch.setattr(TrainingLoop, "note", kept)
    result = tuned_for(task, model, tmp_path, max_steps=2, precision=precision, seeds=20)
    assert not [entry for entry in entries if "event" in entry]
    losses = [entry["loss"] for entry in entries if "loss" in entry]
    assert len(losses) == 2 * 20
    assert all(loss <= CASES[task][1] for loss in losses)  # and not of NaN
    judged = [run.metrics for run in result.report.seeds.runs]
    assert len(judged) == 20
    assert all(math.isfinite(value) for metrics in judged for value in metrics.values())


POOLED = ("text-classification", "multi-label-classification", "regression", "multiple-choice")
PEERS = {
    **dict.fromkeys(POOLED, "MobileBertForSequenceClassification"),
    "multiple-choice": "MobileBertForMultipleChoice",
    "token-classification": "MobileBertForTokenClassification",
    "question-answering": "MobileBertForQuestionAnswering",
}


@torch.no_grad()
def told_in_training(tuned, rows):
    """Scores of the head that was trained, of standardised features."""
    tuned.model.eval()
    tuned.head.eval()
    return torch.cat([tuned.logits(pack([row])) for row in rows])


@torch.no_grad()
def told_by_transformers(theirs, rows):
    found = []
    for row in rows:
        choices = "MultipleChoice" in type(theirs).__name__
        told = theirs(torch.tensor(row)[None, None] if choices else torch.tensor(row)[None])
        places = "start_logits" in told
        scores = torch.stack((told.start_logits, told.end_logits), -1) if places else told.logits
        found.append(scores.flatten(0, -2))
    return torch.cat(found)


@pytest.mark.parametrize(
    ("task", "activation"),
    [(task, activation) for task in CASES for activation in (False, True)[: 1 + (task in POOLED)]],
)
def test_transformers_gives_the_logits_of_training(models, tmp_path, monkeypatch, task, activation):
    kept, start = [], TunedModel.start_head

    def starting(tuned, *arguments):
        kept.append(tuned)
        start(tuned, *arguments)

    monkeypatch.setattr(TunedModel, "start_head", starting)
    rates = {"learning_rate": 1e-3, "head_learning_rate": 3e-2}
    result = tuned_for(task, models[activation], tmp_path, max_steps=6, **rates)
    theirs = getattr(transformers, PEERS[task]).from_pretrained(result.output_dir)
    rows = [result.tokenizer(text)["input_ids"] for text in texts()[:8]]
    wanted = told_in_training(kept[0], rows)
    bound = FOLDED_LOGITS * (wanted.max() - wanted.min())
    assert (told_by_transformers(theirs, rows) - wanted).abs().max() < bound
    (name,) = {"mobilebert.pooler.dense"} if activation else set(kept[0].head.names)
    theirs.get_submodule(name).weight.data[:, list(OUTLIERS)] *= 1.01
    assert (told_by_transformers(theirs, rows) - wanted).abs().max() > bound


def tagged(model, tmp_path, **options):
    """Tune for tags, which read every token and move what made the outliers most."""
    tmp_path.mkdir()
    train = tmp_path.with_suffix(".jsonl")
    train.write_text(TAGGED)
    given = {"max_steps": 20, "batch_size": 16, "max_length": 48, "learning_rate": 1e-3} | options
    result = finetune("token-classification", train=train, model=model, output=tmp_path, **given)
    losses = [entry["loss"] for entry in result.history if "loss" in entry]
    return losses, [entry for entry in result.history if "event" in entry]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": "lamb"},
        {"precision": "bfloat16"},
        {"lora_rank": 2},
        {"lora_rank": 2, "lora_on": "query,dense"},
    ],
    ids=str,
)
def test_it_trains_without_going_back(model, tmp_path, options):
    losses, events = tagged(model, tmp_path / "m", **options)
    assert not events
    assert max(losses) < 2 * math.log(2)
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


def test_ordinary_steps_lose_it(model, tmp_path, monkeypatch):
    """The twin."""
    monkeypatch.setattr("mobilebert.training.run.limit_steps", lambda *_: None)
    _, events = tagged(model, tmp_path / "m")
    assert events[-1]["event"] == "gave up"
    assert "diverges even with" in events[-1]["reason"]
