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
