"""What a run begins with: which head a tuned model keeps."""

import pytest
import torch

from mobilebert.datasets.items import FinetuneTask
from mobilebert.training.finetune import finetune
from mobilebert.training.start import Start
from pipelines.random_checkpoints import write_checkpoint

TASK = FinetuneTask.TEXT_CLASSIFICATION
NAMES = {0: "good", 1: "bad", 2: "so-so"}


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tuned") / "model"
    return write_checkpoint(directory, "text-classification", id2label=NAMES)


@pytest.fixture(scope="module")
def head(tuned):
    model = Start(TASK, tuned, tuple(NAMES.values())).model(0)
    assert not list(model.newly_initialized_weights)
    return model.classifier


def test_the_same_labels_keep_the_head_and_its_order(tuned, head):
    labels = Start(TASK, tuned, ()).in_its_order(("bad", "good", "so-so"))
    assert labels == ("good", "bad", "so-so")
    start = Start(TASK, tuned, labels)
    assert start.config().id2label == NAMES
    assert torch.equal(start.model(0).classifier.weight, head.weight)


@pytest.mark.parametrize("labels", [("a", "b", "c"), ("LABEL_0", "LABEL_1", "LABEL_2")])
def test_as_many_other_labels_begin_with_a_new_head(tuned, head, labels):
    assert Start(TASK, tuned, ()).in_its_order(labels) == labels
    model = Start(TASK, tuned, labels).model(0)
    assert set(model.newly_initialized_weights) == {"classifier.weight", "classifier.bias"}
    assert not torch.equal(model.classifier.weight, head.weight)
    assert not model.classifier.bias.any()


def test_names_that_nobody_chose_are_names_of_others(tmp_path):
    plain = write_checkpoint(tmp_path / "plain", "text-classification")
    assert list(Start(TASK, plain, ("0", "1", "2")).model(0).newly_initialized_weights)
    same = Start(TASK, plain, ("LABEL_0", "LABEL_1", "LABEL_2"))
    assert not list(same.model(0).newly_initialized_weights)


T = FinetuneTask
NUMBER, LABEL = {"num_labels": 1}, {"id2label": {0: "a"}}
CHOICE = "multiple_choice"


@pytest.mark.parametrize(
    ("trained", "fields", "task", "is_new"),
    [
        ("text-classification", NUMBER | {"problem_type": "regression"}, T.REGRESSION, False),
        ("text-classification", NUMBER, T.REGRESSION, False),
        (
            "text-classification",
            LABEL | {"problem_type": "multi_label_classification"},
            T.REGRESSION,
            True,
        ),
        (CHOICE, NUMBER, T.REGRESSION, True),
        ("token-classification", NUMBER, T.REGRESSION, True),
        (CHOICE, NUMBER, T.MULTIPLE_CHOICE, False),
        ("text-classification", NUMBER, T.MULTIPLE_CHOICE, True),
        ("question-answering", {"num_labels": 2}, T.QUESTION_ANSWERING, False),
    ],
)
def test_a_head_is_kept_for_the_task_it_was_trained_for(tmp_path, trained, fields, task, is_new):
    there = write_checkpoint(tmp_path / "there", trained, **fields)
    new = Start(task, there, ()).model(0).newly_initialized_weights
    assert ("classifier.weight" in new, "classifier.bias" in new) == (is_new, is_new)


@pytest.mark.parametrize("task", [T.MULTI_LABEL, T.TOKEN_CLASSIFICATION])
def test_the_same_labels_in_another_task_begin_with_a_new_head(tmp_path, task):
    fields = {"id2label": NAMES, "problem_type": "single_label_classification"}
    there = write_checkpoint(tmp_path / "there", "text-classification", **fields)
    new = Start(task, there, tuple(NAMES.values())).model(0).newly_initialized_weights
    assert set(new) == {"classifier.weight", "classifier.bias"}


def test_a_regression_of_another_unit_begins_near_the_targets(tmp_path, caplog):
    numbers = {"num_labels": 1, "problem_type": "regression"}
    there = write_checkpoint(tmp_path / "there", "text-classification", **numbers)
    rows = [f"film {number},{1990 + number % 20}" for number in range(40)]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *rows]))
    result = finetune(
        T.REGRESSION,
        train=tmp_path / "rows.csv",
        model=there,
        output=tmp_path / "m",
        max_steps=1,
        max_length=16,
    )
    (loss,) = [entry["loss"] for entry in result.history if "loss" in entry]
    assert loss < 2
    assert "shifted and scaled" in caplog.text


def test_tuning_goes_on_with_the_labels_of_the_checkpoint(tuned, tmp_path):
    rows = [f"film {number},{name}" for number in range(12) for name in NAMES.values()]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *rows]))
    result = finetune(
        TASK,
        train=tmp_path / "rows.csv",
        model=tuned,
        output=tmp_path / "m",
        max_steps=1,
        max_length=16,
    )
    assert result.model.config.id2label == NAMES
