"""Columns are given or guessed, what was guessed is told, and doubtful guesses are refused."""

import pytest

from datasets.files import read, write, write_jsonl
from mobilebert.errors import InputError

CLASSES = "text-classification"
LABELS = "multi-label-classification"
NUMBERS = "regression"
TAGS = "token-classification"
QUESTIONS = "question-answering"
CHOICES = "multiple-choice"
PLAIN = "fill-mask"

FILMS = [
    ("a fine film with good music", "good", "12", "http://films/1"),
    ("quite a dull one and far too long", "bad", "3", "http://films/2"),
    ("nothing to see here but a dog", "bad", "8", "http://films/3"),
    ("all my friends went out happy", "good", "2", "http://films/4"),
    ("one of the best of the year", "good", "7", "http://films/5"),
    ("never go to see this one please", "bad", "5", "http://films/6"),
    ("a film about a girl and her cat", "good", "1", "http://films/7"),
    ("the camera shakes and so did I", "bad", "9", "http://films/8"),
    ("one hour of rain is not a plot", "bad", "4", "http://films/9"),
]


def table(*columns, names=None):
    rows = [[film["wlnu".index(column)] for column in columns] for film in FILMS]
    lines = ([",".join(names)] if names else []) + [",".join(row) for row in rows]
    return "\n".join(lines) + "\n"


# (task, content, field -> column)
GUESSES = [
    (CLASSES, table("w", "l", names=["text", "label"]), {"text": "text", "label": "label"}),
    (CLASSES, table("u", "w", "l", names=["id", "Review_Text", "Class"]), {"text": "Review_Text"}),
    (CLASSES, table("w", "l", names=["리뷰", "감정"]), {"text": "리뷰", "label": "감정"}),
    (CLASSES, table("w", "l"), {"text": "1", "label": "2"}),
    (CLASSES, table("u", "l", "w"), {"text": "3", "label": "2"}),
    (CLASSES, table("w", "n", "l", names=["blurb", "n", "verdict"]), {"label": "verdict"}),
    (NUMBERS, table("w", "n"), {"text": "1", "label": "2"}),
    (NUMBERS, table("w", "n", "l", names=["review", "stars", "label"]), {"label": "stars"}),
    (PLAIN, table("u", "w", "l", names=["link", "blurb", "verdict"]), {"text": "blurb"}),
    (
        CLASSES,
        table("w", "w", "l", names=["premise", "hypothesis", "label"]),
        {"text": "premise", "text_pair": "hypothesis", "label": "label"},
    ),
    (
        CLASSES,
        table("w", "w", "l", names=["#1 String", "#2 String", "Quality"]),
        {"text": "#1 String", "text_pair": "#2 String", "label": "Quality"},
    ),
]


@pytest.mark.parametrize(("task", "content", "columns"), GUESSES)
def test_a_guess(task, content, columns, tmp_path):
    items = read(task, write(tmp_path, "rows.csv", content))
    assert items.options["columns"].items() >= columns.items()
    for field, column in columns.items():
        assert f"{field} is {column!r} (" in items.facts[-1]


def test_columns_of_zeros_and_ones_are_labels(tmp_path):
    rows = [
        {"comment_text": film[0], "toxic": n % 2, "insult": 1, "n": int(film[2])}
        for n, film in enumerate(FILMS)
    ]
    items = read(LABELS, write_jsonl(tmp_path, rows))
    assert items.options["columns"]["label"] == "toxic+insult"
    assert items.items[1].label == ("toxic", "insult")


def test_a_column_of_one_value_is_no_label(tmp_path):
    content = "".join(f"{'gb'[n % 2]},none,This is sentence {n}.\n" for n in range(30))
    items = read(CLASSES, write(tmp_path, "rows.csv", content))
    assert items.options["columns"] == {"text": "3", "label": "1"}


def test_numbers_that_count_rows_are_no_target(tmp_path):
    content = "".join(f"{n},{film[0]},{film[2]}\n" for n, film in enumerate(FILMS))
    items = read(NUMBERS, write(tmp_path, "rows.csv", content))
    assert items.options["columns"] == {"text": "2", "label": "3"}


def test_numbers_of_classes_before_other_classes(tmp_path):
    content = "".join(f"{'gj'[n % 2]}04\t{n % 2}\t\tThis is sentence {n}.\n" for n in range(30))
    items = read(CLASSES, write(tmp_path, "rows.tsv", content))
    assert items.options["columns"] == {"text": "4", "label": "2"}
    assert "label is '2' (numbers of classes)" in items.facts[-1]


TAGGED = [
    ({"tokens": ["a"], "ner_tags": [3]}, {"words": "tokens", "tags": "ner_tags"}),
    ({"text": "a", "entities": []}, {"text": "text", "spans": "entities"}),
    ({"text": "a", "label": [[0, 1, "X"]]}, {"text": "text", "spans": "label"}),
    ({"words": "a b", "tags": "O O"}, {"words": "words", "tags": "tags"}),
]


@pytest.mark.parametrize(("row", "columns"), TAGGED)
def test_tags_or_spans(row, columns, tmp_path):
    assert read(TAGS, write_jsonl(tmp_path, [row])).options["columns"] == columns


CHOICE_NAMES = [
    ("context,question,answer0,answer1,label", "context+question", "answer0+answer1"),
    ("prompt,option_a,option_b,answer", "prompt", "option_a+option_b"),
    ("#id,warrant0,warrant1,correctLabelW0orW1,reason,claim", "reason+claim", "warrant0+warrant1"),
    ("question,choice2,choice1,label", "question", "choice1+choice2"),
]


@pytest.mark.parametrize(("names", "prompt", "choices"), CHOICE_NAMES)
def test_choices(names, prompt, choices, tmp_path):
    count = names.count(",") + 1
    rows = f"{','.join(['1'] * count)}\n{','.join(['0'] * count)}\n"
    items = read(CHOICES, write(tmp_path, "rows.csv", f"{names}\n{rows}"))
    assert items.options["columns"]["prompt"] == prompt
    assert items.options["columns"]["choices"] == choices


DOUBTFUL = [
    (CLASSES, table("w", "w", "l"), "the text is not clear; there are '1', '2', '3'"),
    (CLASSES, table("w", "l", "l", names=["text", "a", "b"]), "the label is not clear"),
    (CLASSES, table("w"), "the label is not clear"),
    (CLASSES, "text\na\nb\n", "FILE=LABEL"),
    (CLASSES, table("n", "n"), "the text is not clear"),
    (NUMBERS, table("w", "l"), "the label is not clear"),
    (NUMBERS, table("w", "n", "n", names=["text", "a", "b"]), "the label is not clear"),
    (QUESTIONS, table("w", "l", names=["question", "x"]), "the context is not clear"),
    (CHOICES, table("w", "l", names=["question", "x"]), "each choice is not clear"),
    (CHOICES, table("w", "w", "w", names=["prompt", "a1", "choice1"]), "each choice"),
    (TAGS, table("w", "l", names=["words", "x"]), "the tags is not clear"),
    (TAGS, table("w", "l", names=["text", "x"]), "the spans is not clear"),
]


@pytest.mark.parametrize(("task", "content", "message"), DOUBTFUL)
def test_a_doubtful_guess(task, content, message, tmp_path):
    with pytest.raises(InputError, match=message) as refused:
        read(task, write(tmp_path, "rows.csv", content), on_error="skip")
    assert "Say it with --column" in str(refused.value)


def test_columns_that_are_given(tmp_path):
    path = write(tmp_path, "rows.csv", table("w", "w", "l"))
    items = read(CLASSES, path, columns={"text": "2", "text_pair": "1"})
    assert items.options["columns"] == {"text": "2", "text_pair": "1", "label": "3"}
    assert "text is '2' (given)" in items.facts[-1]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": "4"}, "no column '4'; there are '1', '2', '3'"),
        ({"context": "1"}, "has the fields text, text_pair, label, not 'context'"),
        ({"label": "3+4"}, "no column '4'"),
    ],
)
def test_columns_that_are_not_there(columns, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read(CLASSES, write(tmp_path, "rows.csv", table("w", "w", "l")), columns=columns)
