"""Rows with choices become items, however the right one is named."""

import pytest

from datasets.files import read, write, write_jsonl
from mobilebert.datasets.items import ChoiceItem
from mobilebert.datasets.problems import ProblemKind
from mobilebert.errors import InputError

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


def sums(labels, choices=("2", "4", "6", "8")):
    """Return rows with choices that are numbers."""
    return [
        {"prompt": f"sum {n}", "choices": list(choices), "label": label}
        for n, label in enumerate(labels)
    ]


@pytest.mark.parametrize(
    ("labels", "places"),
    [
        (["2", "4", "6", "8"], [0, 1, 2, 3]),
        ([2, 4, 6, 8], [0, 1, 2, 3]),
        # One is enough that no choice has for a number; what is neither says nothing.
        (["2", "8", "4"], [0, 3, 1]),
        (["2", "8", "what?", "4"], [0, 3, 1]),
    ],
)
def test_labels_that_are_texts_though_numbers(labels, places, tmp_path):
    items = read(CHOICES, write_jsonl(tmp_path, sums(labels)), on_error="skip")
    assert [item.label for item in items] == places
    assert items.facts[-1].endswith("labels are the texts of choices")
    assert "counted" not in items.facts[-1]
    # A file whose own labels do not tell is read in the same way.
    dev = write_jsonl(tmp_path, sums(["2", "4", "3"]), "dev.jsonl")
    again = read(CHOICES, dev, on_error="skip", **items.options)
    assert [item.label for item in again] == [0, 1]
    assert again.counts == {ProblemKind.BAD_CHOICE: 1}
    assert again.problems[0].reason == "the label '3' is not the text of a choice."


def test_texts_of_which_some_are_numbers(tmp_path):
    rows = sums(["none", "2"], ["none", "1", "2", "3"])
    assert [item.label for item in read(CHOICES, write_jsonl(tmp_path, rows))] == [0, 2]


def test_one_number_that_is_no_text_says_that_labels_are_counted(tmp_path):
    items = read(CHOICES, write_jsonl(tmp_path, sums(["2", "0", "3"])))
    assert [item.label for item in items] == [2, 0, 3]
    assert items.facts[-1].endswith("choices are counted from 0")


def test_labels_that_mean_the_same_as_numbers_and_as_texts(tmp_path):
    items = read(CHOICES, write_jsonl(tmp_path, sums(["1", "3"], ["1", "2", "3"])))
    assert [item.label for item in items] == [0, 2]


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (["2", "4"], "counted from 1, and no other label tells which"),
        (
            ["2", "8", "3", "5"],
            r"both kinds: '8' \(.*, line 2\) is only a text, '3' \(.*, line 3\)",
        ),
    ],
)
def test_labels_that_may_be_numbers_or_texts_are_refused(labels, told, tmp_path):
    path = write_jsonl(tmp_path, sums(labels))
    with pytest.raises(InputError, match=f"line 1: the label '2' is the text.*{told}") as refused:
        read(CHOICES, path, on_error="skip")
    assert "Write all labels as letters" in str(refused.value)
    letters = ["BD"[place % 2] for place in range(len(labels))]
    items = read(CHOICES, write_jsonl(tmp_path, sums(letters), "letters.jsonl"))
    assert {item.label for item in items} == {1, 3}
