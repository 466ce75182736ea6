"""Rows with choices become items, however the right one is named."""

import pytest

from datasets.files import read, write, write_jsonl
from mobilebert.datasets.items import ChoiceItem

CHOICES = "multiple-choice"

# (labels, what they mean)
CHOICE_LABELS = [
    ([0, 2], [0, 2]),
    ([1, 2], [1, 2]),
    (["1", "3"], [0, 2]),
    ([1.0, 3.0], [0, 2]),
    (["A", "c"], [0, 2]),
    (["a cat", "an owl"], [1, 2]),
]


@pytest.mark.parametrize(("labels", "places"), CHOICE_LABELS)
def test_right_choices(labels, places, tmp_path):
    rows = [
        {"prompt": f"I see {n}", "choices": ["a dog", "a cat", "an owl"], "label": label}
        for n, label in enumerate(labels)
    ]
    path = write_jsonl(tmp_path, rows)
    assert [item.label for item in read(CHOICES, path)] == places


def test_choices_with_names(tmp_path):
    choices = {"label": ["1", "2", "3"], "text": ["b", "c", "d"]}
    rows = [{"question": f"{name}", "choices": choices, "answerKey": name} for name in ("1", "2")]
    items = read(CHOICES, write_jsonl(tmp_path, rows))
    assert [(item.label, item.choices) for item in items] == [(n, ("b", "c", "d")) for n in (0, 1)]


def test_choices_counted_as_told(tmp_path):
    rows = [{"prompt": "a", "choices": ["b", "c", "d"], "label": n} for n in (1, 2)]
    items = read(CHOICES, write_jsonl(tmp_path, rows), first_choice=1)
    assert [item.label for item in items] == [0, 1]


def test_choices_that_are_numbers(tmp_path):
    rows = [{"prompt": "a", "choices": ["10", "20"], "label": label} for label in ("10", "20", "1")]
    assert [item.label for item in read(CHOICES, write_jsonl(tmp_path, rows))] == [0, 1, 1]


def test_choices_in_columns(tmp_path):
    path = write(tmp_path, "rows.tsv", "q\tr\tA\tB\tn\nwho\tis it\tann\tbob\t1\n")
    (item,) = read(CHOICES, path, columns={"prompt": "q+r", "choices": "A+B", "label": "n"})
    assert item == ChoiceItem(f"{path}, line 2", "who is it", ("ann", "bob"), 1)
