"""Labels get other names than a file has."""

import pytest

from datasets.files import read, write, write_jsonl
from mobilebert.datasets.label_names import check_occurring
from mobilebert.errors import InputError

NAMES = {"1.0": "good", "0": "bad"}


def test_classes_get_names_and_others_stay(tmp_path):
    path = write(tmp_path, "rows.csv", "text,label\na,1\nb,0\nc,2\nd,1\n")
    items = read("text-classification", path, label_names=NAMES)
    assert [item.label for item in items] == ["good", "bad", "2", "good"]
    assert items.labels == {"good": 2, "bad": 1, "2": 1}
    assert "'0' is 'bad'" in items.facts[-1]


def test_two_labels_with_one_name_are_one(tmp_path):
    path = write(tmp_path, "rows.csv", "text,label\na,1;2\nb,3\n")
    items = read("multi-label-classification", path, label_names={"1": "low", "2": "low"})
    assert [item.label for item in items] == [("low",), ("3",)]


def test_tags_get_names(tmp_path):
    path = write(tmp_path, "rows.conll", "Ann 1\nruns 0\n\nBob 1\n")
    items = read("token-classification", path, label_names={"1": "B-person", "0": "O"})
    assert [item.tags for item in items] == [("B-person", "O"), ("B-person",)]


def test_another_file_is_read_alike(tmp_path):
    path = write(tmp_path, "rows.csv", "text,label\na,1\nb,0\n")
    items = read("text-classification", path, label_names=NAMES)
    again = read("text-classification", path, **items.options)
    assert [item.label for item in again] == ["good", "bad"]


@pytest.mark.parametrize(
    ("task", "names", "message"),
    [
        ("regression", NAMES, "regression has no labels to name"),
        ("text-classification", {"1": " "}, "cannot be empty"),
    ],
)
def test_names_that_cannot_be_given_are_refused(tmp_path, task, names, message):
    path = write_jsonl(tmp_path, [{"text": "a", "label": 1}, {"text": "b", "label": 0}])
    with pytest.raises(InputError, match=message):
        read(task, path, label_names=names)


def test_a_label_that_does_not_occur_is_a_slip_of_the_pen():
    check_occurring("f.csv", {"0": "bad"}, ["bad", "1"])
    with pytest.raises(InputError, match=r"f.csv: no row has the label '2' .* 'good'; the others"):
        check_occurring("f.csv", {"2": "good"}, [str(number) for number in range(12)])
