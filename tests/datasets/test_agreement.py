"""There is something to learn, and what is judged by was learned."""

import pytest

from datasets.files import read, write, write_jsonl
from mobilebert.datasets.agreement import check_tags, check_training, without_unseen_labels
from mobilebert.datasets.items import FinetuneTask
from mobilebert.datasets.problems import ProblemKind
from mobilebert.errors import InputError

NOTHING = [
    ("text-classification", [{"text": "a", "label": "x"}, {"text": "b", "label": "x"}], "'x'"),
    ("token-classification", [{"words": ["a"], "tags": ["O"]}], "'O'"),
    ("regression", [{"text": "a", "score": 3}, {"text": "b", "score": 3.0}], "the same target"),
    ("multi-label-classification", [{"text": "a", "labels": []}], "none of the 1 rows"),
]
ENOUGH = [
    ("text-classification", [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]),
    ("token-classification", [{"words": ["a", "b"], "tags": ["O", "B-X"]}]),
    ("regression", [{"text": "a", "score": 3}, {"text": "b", "score": 4}]),
    ("multi-label-classification", [{"text": "a", "labels": ["x"]}]),
    ("multiple-choice", [{"prompt": "a", "choices": ["b", "c"], "label": 0}]),
    ("fill-mask", [{"text": "a"}]),
]


@pytest.mark.parametrize(("task", "rows", "message"), NOTHING)
def test_nothing_to_learn(task, rows, message, tmp_path):
    items = read(task, write_jsonl(tmp_path, rows))
    with pytest.raises(InputError, match=f"rows.jsonl, line 1: .*{message}"):
        check_training(FinetuneTask(task), items)


@pytest.mark.parametrize(("task", "rows"), ENOUGH)
def test_something_to_learn(task, rows, tmp_path):
    check_training(FinetuneTask(task), read(task, write_jsonl(tmp_path, rows)))


def test_tags_that_are_numbers(tmp_path):
    path = write_jsonl(tmp_path, [{"tokens": ["EU", "rejects"], "ner_tags": [3, 0]}])
    items = read("token-classification", path)
    for check in (check_training, check_tags):
        with pytest.raises(InputError, match=r"line 1: the tags are numbers.*\(0, 3\).*0=O,1=B-"):
            check(FinetuneTask.TOKEN_CLASSIFICATION, items)
    names = {"0": "O", "3": "B-ORG"}
    check_training(
        FinetuneTask.TOKEN_CLASSIFICATION, read("token-classification", path, label_names=names)
    )
    classes = write_jsonl(tmp_path, [{"text": "a", "label": 0}, {"text": "b", "label": 1}])
    check_training(FinetuneTask.TEXT_CLASSIFICATION, read("text-classification", classes))


@pytest.fixture
def parts(tmp_path):
    train = write(tmp_path, "train.csv", "text,label,user\na,x,1\nb,y,2\n")
    dev = write(tmp_path, "dev.csv", "text,label,user\nc,y,3\nd,z,4\n\ne,z,5\nf,x,6\n")
    return [read("text-classification", path, group="user") for path in (train, dev)]


def test_labels_the_training_data_do_not_have(parts, tmp_path):
    train, dev = parts
    with pytest.raises(InputError, match="has 2 bad rows of 4 .label that training") as refused:
        without_unseen_labels(train.labels, dev)
    assert f"{tmp_path / 'dev.csv'}, line 3: the label 'z' is not in the" in str(refused.value)
    left = without_unseen_labels(train.labels, dev, "skip")
    assert [item.text for item in left] == ["c", "f"]
    assert left.groups == ["3", "6"]
    assert left.labels == {"y": 1, "x": 1}
    assert left.counts == {ProblemKind.UNSEEN_LABEL: 2}
    assert len(left.problems) == 2


def test_labels_that_are_all_known(parts):
    train, dev = parts
    assert without_unseen_labels(dev.labels, train) is train


def test_no_label_that_is_known(parts):
    train, dev = parts
    with pytest.raises(InputError, match="No row to judge by"):
        without_unseen_labels(train.labels, dev.only([1, 2]), "skip")


def test_a_tag_the_training_data_do_not_have(tmp_path):
    paths = [write(tmp_path, f"{tag}.conll", f"a O\nb {tag}\n\nc O\n") for tag in ("B-X", "B-Y")]
    train, dev = (read("token-classification", path) for path in paths)
    assert len(without_unseen_labels(train.labels, dev, "skip")) == 1


@pytest.mark.parametrize(("task", "rows", "message"), NOTHING)
def test_it_is_said_which_rows_are_counted(task, rows, message, tmp_path):
    items = read(task, write_jsonl(tmp_path, rows))
    count = len(rows)
    with pytest.raises(InputError, match=f"{count} rows ha"):
        check_training(FinetuneTask(task), items)
    with pytest.raises(InputError, match=f"{count} rows to learn from ha"):
        check_training(FinetuneTask(task), items, is_part=True)


def test_rows_that_were_left_out_are_not_counted(tmp_path):
    path = write(tmp_path, "rows.csv", "text,label\na,x\nb,x\nc,\n")
    items = read("text-classification", path, on_error="skip")
    with pytest.raises(InputError, match="all 2 usable rows have the same label 'x'"):
        check_training(FinetuneTask.TEXT_CLASSIFICATION, items)


def test_labels_that_a_model_does_not_have(parts):
    with pytest.raises(InputError, match="line 3: the label 'z' is nothing for it. "):
        without_unseen_labels(["x", "y"], parts[1], reason="is nothing for it")
