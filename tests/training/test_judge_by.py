"""The best weights are those of the metric that a run is to be judged by."""

import hashlib
import json
from dataclasses import asdict
from types import SimpleNamespace

import pytest

from mobilebert.datasets.items import FinetuneTask
from mobilebert.errors import InputError
from mobilebert.training import evaluation_texts
from mobilebert.training.finetune import _digest, finetune
from mobilebert.training.processes import Processes
from mobilebert.training.settings import FinetuneSettings
from pipelines.random_checkpoints import write_checkpoint

QUIET = {"max_steps": 4, "evaluate_every": 2, "batch_size": 4, "max_length": 24}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("start") / "encoder", "fill-mask")


def rows(path, labels):
    path.write_text("text,label\n" + "".join(f"film {n},{labels[n % 3]}\n" for n in range(30)))
    return path


@pytest.fixture
def scripted(monkeypatch):
    measured = evaluation_texts._class_metrics
    calls = []

    def scripted(*given):
        """Accuracy falls from one judging to the next, and the correlation rises."""
        calls.append(given)
        number = (len(calls) + 1) // 2  # each judging measures the model, and the majority
        return measured(*given) | {"accuracy": 0.9 - number / 10, "matthews": number / 10}

    monkeypatch.setattr(evaluation_texts, "_class_metrics", scripted)


@pytest.mark.parametrize(("metric", "best"), [(None, 2), ("accuracy", 2), ("matthews", 4)])
@pytest.mark.usefixtures("scripted")
def test_the_best_weights_are_those_of_the_metric(model, tmp_path, metric, best):
    train = rows(tmp_path / "rows.csv", "xyy")
    options = QUIET | ({} if metric is None else {"judge_by": metric})
    result = finetune(
        "text-classification", train=train, model=model, output=tmp_path / "m", **options
    )
    assert result.report.history.best_step == best
    assert result.report.evaluation.headline == (metric or "accuracy")
    assert result.report.settings["judge_by"] == metric


def test_the_f1_of_two_classes_is_refused_for_three(model, tmp_path):
    train = rows(tmp_path / "rows.csv", "xyz")
    options = QUIET | {"judge_by": "f1"}
    with pytest.raises(InputError, match="second of two classes, and there are 3; macro_f1"):
        finetune("text-classification", train=train, model=model, output=tmp_path / "m", **options)
    assert not (tmp_path / "m/training").exists()


@pytest.mark.parametrize(("told", "best"), [({}, 0), ({"judge_by": "matthews"}, 1)])
@pytest.mark.usefixtures("scripted")
def test_the_best_seed_is_that_of_the_metric(model, tmp_path, told, best):
    train = rows(tmp_path / "rows.csv", "xyy")
    options = QUIET | {"max_steps": 2, "seeds": 2} | told
    result = finetune(
        "text-classification", train=train, model=model, output=tmp_path / "m", **options
    )
    seeds = [run.metrics for run in result.report.seeds.runs]
    assert seeds[0]["accuracy"] > seeds[1]["accuracy"]
    assert seeds[0]["matthews"] < seeds[1]["matthews"]
    assert result.metrics == seeds[best]


def test_a_metric_that_is_refused_leaves_an_interrupted_run_as_it_is(model, tmp_path):
    train = rows(tmp_path / "rows.csv", "xyz")
    state = tmp_path / "m/training/seed-0/state.safetensors"
    state.parent.mkdir(parents=True)
    state.write_bytes(b"hours of work")
    options = QUIET | {"judge_by": "f1", "output": tmp_path / "m", "overwrite": True}
    with pytest.raises(InputError, match="second of two classes"):
        finetune("text-classification", train=train, model=model, **options)
    assert state.read_bytes() == b"hours of work"


LABELS = ("x", "y")


def digest(task, metric):
    data = SimpleNamespace(labels=LABELS, dev=())
    encoded = SimpleNamespace(examples=SimpleNamespace(digest=str))
    return _digest(task, FinetuneSettings(judge_by=metric), data, encoded, Processes())


@pytest.mark.parametrize(
    ("task", "usual", "other"),
    [
        (FinetuneTask.TEXT_CLASSIFICATION, "accuracy", "matthews"),
        (FinetuneTask.MULTI_LABEL, "micro_f1", "macro_f1"),
    ],
)
def test_a_run_that_is_told_the_usual_metric_is_the_same(task, usual, other):
    assert digest(task, usual) == digest(task, None) != digest(task, other)


def test_runs_from_before_there_was_a_choice_go_on():
    task, settings = FinetuneTask.REGRESSION, asdict(FinetuneSettings())
    del settings["judge_by"], settings["doc_stride"]
    before = f"{task} {json.dumps(settings, sort_keys=True)} 1{LABELS!r}"
    assert digest(task, None) == hashlib.sha256(before.encode()).hexdigest()
