"""Rows become items; what is wrong with them is told with its place, refused or skipped."""

import json
import re

import pytest

from datasets.files import read, write, write_jsonl
from mobilebert.datasets.items import Answer, PlainItem, QuestionItem, TaggedItem
from mobilebert.datasets.problems import ProblemKind
from mobilebert.errors import InputError

CLASSES = "text-classification"
LABELS = "multi-label-classification"
NUMBERS = "regression"
TAGS = "token-classification"
QUESTIONS = "question-answering"
CHOICES = "multiple-choice"
PLAIN = "fill-mask"

GOOD = "text,label\na fine film,1\na dull one,0\n"
CONTEXT = "Paris is in France."


def question(**changes):
    row = {"id": "q", "question": "Where?", "context": CONTEXT, "answers": []}
    return row | changes


def spans(*triples):
    names = ("start", "end", "label")
    return {
        "text": "Ann Lee lives in New York.",
        "entities": [dict(zip(names, triple, strict=True)) for triple in triples],
    }


FLAGGED = [{"text": f"{n}", "x": 1, "y": n % 2} for n in range(20)]

# (task, rows, kind, a piece of the reason); the last of the rows is bad
BAD_ROWS = [
    (CLASSES, [{"text": "a", "label": "x"}, {"text": "b"}], "MISSING_LABEL", "label is missing"),
    (CLASSES, [{"text": "a", "label": "x"}, {"text": "b", "label": "nan"}], "MISSING_LABEL", ""),
    (CLASSES, [{"text": "a", "label": "x"}, {"text": " ", "label": "y"}], "EMPTY_TEXT", "empty"),
    (CLASSES, [{"text": "a", "label": "x"}, {"text": ["b"], "label": "y"}], "NOT_TEXT", "a list"),
    (CLASSES, [{"text": "a", "label": "x"}, {"text": "\ud83d", "label": "y"}], "NOT_TEXT", "D83D"),
    (CLASSES, [{"text": "a", "label": "x"}, {"text": "b", "label": {}}], "TEXT_AS_LABEL", "{}"),
    (
        CLASSES,
        [{"text": f"{n}", "label": "xy"[n % 2]} for n in range(9)]
        + [{"text": "b", "label": "the film was very long and dull"}],
        "TEXT_AS_LABEL",
        "looks like a text",
    ),
    (
        NUMBERS,
        [{"text": "a", "score": 1}, {"text": "b", "score": "good"}],
        "NOT_A_NUMBER",
        "'good'",
    ),
    (NUMBERS, [{"text": "a", "score": 1}, {"text": "b", "score": "3,5"}], "NOT_A_NUMBER", "point"),
    (NUMBERS, [{"text": "a", "score": 1}, {"text": "b", "score": "1_0"}], "NOT_A_NUMBER", "1_0"),
    (NUMBERS, [{"text": "a", "score": 1}, {"text": "b", "score": True}], "NOT_A_NUMBER", "True"),
    (NUMBERS, [{"text": "a", "score": 1}, {"text": "b", "score": 10**400}], "NOT_A_NUMBER", "1000"),
    (NUMBERS, [{"text": "a", "score": 1}, {"text": "b", "score": "NaN"}], "NOT_A_NUMBER", "finite"),
    (
        NUMBERS,
        [{"text": "a", "score": 1}, {"text": "b", "score": float("nan")}],
        "NOT_A_NUMBER",
        "not finite",
    ),
    (
        NUMBERS,
        [{"text": "a", "score": 1}, {"text": "b", "score": "-inf"}],
        "NOT_A_NUMBER",
        "finite",
    ),
    (NUMBERS, [{"text": "a", "score": 1}, {"text": "b", "score": ""}], "MISSING_LABEL", "missing"),
    (LABELS, [{"text": "a", "labels": ["x"]}, {"text": "b"}], "MISSING_LABEL", 'no label is ""'),
    (
        LABELS,
        [*FLAGGED, {"text": "b", "x": 1, "y": 2}],
        "TEXT_AS_LABEL",
        "'y'",
    ),
    (
        LABELS,
        [*FLAGGED, {"text": "b", "x": 1, "y": ""}],
        "MISSING_LABEL",
        "'y'",
    ),
    (TAGS, [{"words": ["a"], "tags": ["O"]}, {"words": ["a"], "tags": []}], "BAD_TAGS", "1 words"),
    (TAGS, [{"words": ["a"], "tags": ["O"]}, {"words": [" "], "tags": ["O"]}], "EMPTY_TEXT", ""),
    (
        TAGS,
        [{"words": ["a"], "tags": ["O"]}, {"words": ["b"]}],
        "MISSING_LABEL",
        "tags are missing",
    ),
    (TAGS, [spans(), spans((0, 3, "P"), (2, 7, "P"))], "BAD_SPANS", "2-7 overlaps the span 0-3"),
    (TAGS, [spans(), spans((17, 25, "L"), (0, 3, "P"))], "BAD_SPANS", "sort them"),
    (TAGS, [spans(), spans((0, 2, "P"))], "BAD_SPANS", "('An') begins or ends within a word"),
    (TAGS, [spans(), spans((3, 7, "P"))], "BAD_SPANS", "(' Lee') begins or ends"),
    (TAGS, [spans(), spans((20, 40, "P"))], "BAD_SPANS", "not within the 26 characters"),
    (TAGS, [spans(), spans((3, 3, "P"))], "BAD_SPANS", "not within"),
    (TAGS, [spans(), spans(("0", 3, "P"))], "BAD_SPANS", "is not {"),
    (TAGS, [spans(), spans((0, 3, None))], "MISSING_LABEL", "label is missing"),
    (TAGS, [spans(), {"text": "a", "entities": "b"}], "BAD_SPANS", "not a list"),
    (
        QUESTIONS,
        [question(), question(answers=[{"text": "France", "answer_start": 11}])],
        "BAD_ANSWER",
        "'France' does not stand at 11; it stands at 12",
    ),
    (
        QUESTIONS,
        [question(), question(answers=[{"text": "France", "answer_start": -7}])],
        "BAD_ANSWER",
        "does not stand at -7",
    ),
    (
        QUESTIONS,
        [question(), question(answers=[{"text": "Rome", "answer_start": -4}])],
        "BAD_ANSWER",
        "it is not in the context",
    ),
    (
        QUESTIONS,
        [question(), question(answers=[{"text": "Paris", "answer_start": None}])],
        "BAD_ANSWER",
        "a whole number",
    ),
    (QUESTIONS, [question(), question(answers="Paris", answer_start="²")], "BAD_ANSWER", "'²'"),
    (QUESTIONS, [question(), question(answers="Rome")], "BAD_ANSWER", "not in the context"),
    (QUESTIONS, [question(), question(answers=["Paris"])], "BAD_ANSWER", "answer_start"),
    (
        QUESTIONS,
        [question(), question(answers={"text": ["Paris"], "answer_start": []})],
        "BAD_ANSWER",
        "the same length",
    ),
    (QUESTIONS, [question(), question(is_impossible=False)], "MISSING_LABEL", "has no answer"),
    (
        QUESTIONS,
        [question(), question(answers="Paris", is_impossible=True)],
        "BAD_ANSWER",
        "impossible, but has the answer 'Paris'",
    ),
    (QUESTIONS, [question(), question(context="")], "EMPTY_TEXT", "the context is empty"),
    (
        CHOICES,
        [{"prompt": "a", "choices": ["b", "c"], "label": 0}] * 2
        + [{"prompt": "x", "choices": ["b", "c"], "label": 2}],
        "BAD_CHOICE",
        "the label 2 is none of 0 to 1",
    ),
    (
        CHOICES,
        [
            {"prompt": "a", "choices": ["b", "c"], "label": "B"},
            {"prompt": "x", "choices": ["b", "c"], "label": "E"},
        ],
        "BAD_CHOICE",
        "'E'",
    ),
    (
        CHOICES,
        [
            {"prompt": "a", "choice0": "b", "choice1": "c", "label": 0},
            {"prompt": "a", "choice0": "b", "choice1": "", "label": 0},
        ],
        "EMPTY_TEXT",
        "choice 1 is empty",
    ),
    (
        CHOICES,
        [
            {"prompt": "a", "choices": ["b", "c"], "label": 0},
            {"prompt": "x", "choices": ["b", "c"], "label": None},
        ],
        "MISSING_LABEL",
        "missing",
    ),
]


@pytest.mark.parametrize(("task", "rows", "kind", "reason"), BAD_ROWS)
def test_a_bad_row(task, rows, kind, reason, tmp_path):
    path = write_jsonl(tmp_path, rows)
    with pytest.raises(InputError, match="--skip-bad-rows") as refused:
        read(task, path)
    message = str(refused.value)
    assert f"{path} has 1 bad row of {len(rows)} ({ProblemKind[kind]}: 1)" in message
    assert f"{path}, line {len(rows)}" in message
    assert reason in message
    items = read(task, path, on_error="skip")
    assert len(items) == len(rows) - 1 == len(list(items))
    assert items.counts[ProblemKind[kind]] == 1
    assert read(task, write_jsonl(tmp_path, rows[:-1], "good.jsonl")).counts.keys() <= {
        ProblemKind.DUPLICATE
    }


def test_the_first_three_of_many_are_named(tmp_path):
    path = write(tmp_path, "rows.csv", "text,label\n" + "fine,\n" * 6 + ",1\n" + "fine,1\n" * 2)
    with pytest.raises(InputError) as refused:
        read(CLASSES, path)
    message = str(refused.value)
    assert "7 bad rows of 9 (missing label: 6; empty text: 1)" in message
    # One of each kind at least.
    assert re.findall(r"line \d+", message) == ["line 2", "line 3", "line 8"]


def test_each_kind_of_problem_is_named_once(tmp_path):
    bad = [(",1", "empty text"), ("fine,", "missing label"), ("fine", "unreadable row")]
    path = write(tmp_path, "rows.csv", GOOD + "".join(f"{row}\n" * 3 for row, _ in bad))
    with pytest.raises(InputError) as refused:
        read(CLASSES, path)
    assert all(f"{kind}: 3" in str(refused.value) for _, kind in bad)
    assert re.findall(r"line \d+", str(refused.value)) == ["line 4", "line 7", "line 10"]


def test_rows_that_cannot_be_read_are_bad_too(tmp_path):
    path = write(tmp_path, "rows.csv", GOOD + "fine\n")
    with pytest.raises(InputError, match="line 4: 1 cells, but the header has 2"):
        read(CLASSES, path)
    assert len(read(CLASSES, path, on_error="skip")) == 2


def test_a_bad_sentence(tmp_path):
    path = write(tmp_path, "rows.conll", "a O\nb\n\nc O\n")
    with pytest.raises(InputError, match="line 2: 1 columns instead of 2"):
        read(TAGS, path)
    (item,) = read(TAGS, path, on_error="skip")
    assert item == TaggedItem(f"{path}, line 4", ("c",), ("O",))


EMPTY = [
    (CLASSES, "text,label\n", "has no rows"),
    (CLASSES, "", "has no rows"),
    (CLASSES, "text,label\n,\n", "has no usable rows"),
    (CLASSES, "text,label\nfine\n", "line 2: 1 cells"),
]


@pytest.mark.parametrize(("task", "content", "message"), EMPTY)
def test_nothing_to_read(task, content, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read(task, write(tmp_path, "rows.csv", content))


def test_only_bad_rows(tmp_path):
    with pytest.raises(InputError, match="has no usable rows"):
        read(CLASSES, write(tmp_path, "rows.csv", "text,label\nfine,\n"), on_error="skip")


def test_empty_and_repeated_rows_are_told(tmp_path):
    path = write(tmp_path, "rows.csv", GOOD + ",\na fine film,1\na fine film,0\nA fine film,1\n")
    items = read(CLASSES, path)
    assert len(items) == 5
    assert items.counts == {
        ProblemKind.EMPTY_ROW: 1,
        ProblemKind.DUPLICATE: 1,
        ProblemKind.CONTRADICTION: 1,
    }
    assert [str(problem) for problem in items.problems] == [
        f"{path}, line 4: the row is empty.",
        f"{path}, line 5: the same as {path}, line 2.",
        f"{path}, line 6: another label than the same text in {path}, line 2.",
    ]


def test_a_column_of_texts_is_no_column_of_labels(tmp_path):
    rows = "".join(f"{n},the film number {n} was quite good\n" for n in range(40))
    with pytest.raises(InputError, match="looks like text in the label column.*--column label"):
        read(CLASSES, write(tmp_path, "rows.csv", f"text,label\n{rows}"), on_error="skip")


def test_many_short_labels_are_classes(tmp_path):
    rows = "".join(f"text {n},intent_{n}\n" for n in range(40))
    assert len(read(CLASSES, write(tmp_path, "rows.csv", f"text,label\n{rows}")).labels) == 40


def test_long_names_are_classes_where_others_are_long(tmp_path):
    names = ["a name of a class that is long"] * 2 + ["one more name of a class"]
    rows = "".join(f"text {n},{name}\n" for n, name in enumerate(names))
    assert len(read(CLASSES, write(tmp_path, "rows.csv", f"text,label\n{rows}"))) == 3


def test_more_labels_than_any_model_has(tmp_path, monkeypatch):
    monkeypatch.setattr("mobilebert.datasets.label_texts._MOST_LABELS", 10)
    rows = "".join(f"text {n},intent_{n}\n" for n in range(40))
    with pytest.raises(InputError, match="11 different values in 11 rows"):
        read(CLASSES, write(tmp_path, "rows.csv", f"text,label\n{rows}"))


# (task, rows, the labels of the items)
GOOD_LABELS = [
    (CLASSES, [{"text": "a", "label": 1}, {"text": "b", "label": 1.0}], ["1", "1"]),
    (CLASSES, [{"text": "a", "label": " x "}, {"text": "b", "label": True}], ["x", "True"]),
    (CLASSES, [{"text": "a", "label": "4.0"}, {"text": "b", "label": "4.5"}], ["4", "4.5"]),
    (CLASSES, [{"text": "a", "label": "None"}, {"text": "b", "label": "NA"}], ["None", "NA"]),
    (NUMBERS, [{"text": "a", "label": "1e-3"}, {"text": "b", "label": -2}], [1e-3, -2.0]),
    (LABELS, [{"text": "a", "label": ["x", 3]}, {"text": "b", "label": []}], [("x", "3"), ()]),
    (LABELS, [{"text": "a", "label": "x,y"}, {"text": "b", "label": ""}], [("x", "y"), ()]),
    (LABELS, [{"text": "a", "label": "x; y"}, {"text": "b", "label": "y"}], [("x", "y"), ("y",)]),
    (LABELS, [{"text": "a", "label": "x|y|x"}, {"text": "b", "label": "y"}], [("x", "y"), ("y",)]),
    (
        LABELS,
        [{"text": "a", "label": "['x', 'y']"}, {"text": "b", "label": "[]"}],
        [("x", "y"), ()],
    ),
    (
        LABELS,
        [{"text": "a", "x": 1, "y": 0}, {"text": "b", "x": "1", "y": True}],
        [("x",), ("x", "y")],
    ),
    (
        LABELS,
        [{"text": "a", "label": "x, y;z"}, {"text": "b", "label": "z"}],
        [("x, y", "z"), ("z",)],
    ),
]


@pytest.mark.parametrize(("task", "rows", "labels"), GOOD_LABELS)
def test_labels(task, rows, labels, tmp_path):
    assert [item.label for item in read(task, write_jsonl(tmp_path, rows))] == labels


def test_separators_are_told(tmp_path):
    items = read(LABELS, write(tmp_path, "rows.csv", 'text,label\na,"x;y"\nb,y\n'))
    assert "labels are separated by semicolons" in items.facts[-1]
    assert items.labels == {"x": 1, "y": 2}


def test_spans_become_tags(tmp_path):
    rows = [
        spans((0, 7, "PER"), (17, 25, "LOC")),
        {"text": "서울은 中国", "entities": [[0, 3, "L"], [4, 5, "C"], [5, 6, "D"]]},
        {"text": "x_y-z", "entities": [{"start": 2, "end": 3, "type": "Y"}]},
    ]
    first, second, third = read(TAGS, write_jsonl(tmp_path, rows))
    assert first.words == ("Ann", "Lee", "lives", "in", "New", "York", ".")
    assert first.tags == ("B-PER", "I-PER", "O", "O", "B-LOC", "I-LOC", "O")
    assert second.words == ("서울은", "中", "国")
    assert second.tags == ("B-L", "B-C", "B-D")
    assert third.words == ("x", "_", "y", "-", "z")
    assert third.tags == ("O", "O", "B-Y", "O", "O")


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ([{"text": "France", "answer_start": 12}], (Answer("France", 12),)),
        ({"text": ["Paris"], "answer_start": [0]}, (Answer("Paris", 0),)),
        ("France", (Answer("France", 12),)),
        ("", ()),
        ([], ()),
        (None, ()),
    ],
)
def test_answers(answers, found, tmp_path):
    path = write_jsonl(tmp_path, [question(answers=answers, title="Cities")])
    (item,) = read(QUESTIONS, path)
    place = f"{path}, line 1 (question q)"
    assert item == QuestionItem(place, "q", "Where?", CONTEXT, found, "Cities")


def test_answers_in_a_table(tmp_path):
    content = (
        f"question,context,answer,answer_start\nWhere?,{CONTEXT},France,12\nWho?,{CONTEXT},,\n"
    )
    first, second = read(QUESTIONS, write(tmp_path, "rows.csv", content))
    assert first.answers == (Answer("France", 12),)
    assert second.answers == ()
    assert first.id == "2"
    with pytest.raises(InputError, match="'France' does not stand at 13"):
        read(QUESTIONS, write(tmp_path, "bad.csv", content.replace("12", "13")))


def test_paragraphs(tmp_path):
    path = write(tmp_path, "rows.txt", "one\n\n \ntwo\n")
    items = read(PLAIN, path)
    assert list(items) == [
        PlainItem(f"{path}, line {n}", text) for n, text in [(1, "one"), (4, "two")]
    ]
    assert not items.counts
    again = read(PLAIN, write(tmp_path, "again.txt", "one\n\ntwo\n\none\n"))
    assert again.counts == {ProblemKind.DUPLICATE: 1}


def test_a_word_for_what_to_do_about_bad_rows(tmp_path):
    with pytest.raises(InputError, match="'refuse' or 'skip', not 'ignore'"):
        read(CLASSES, write(tmp_path, "rows.csv", GOOD), on_error="ignore")


def test_another_file_is_read_in_the_same_way(tmp_path):
    content = "review,a,b,c,n\nfine film,x,y,z,1\ndull film,x,y,z,3\n"
    columns = {"prompt": "review", "choices": "a+b+c", "label": "n"}
    train = read(CHOICES, write(tmp_path, "train.csv", content), columns=columns)
    assert train.options == {"columns": columns, "first_choice": 1}
    dev = read(
        CHOICES, write(tmp_path, "dev.csv", content[: content.index("dull")]), **train.options
    )
    assert [item.label for item in (*train, *dev)] == [0, 2, 0]
    train = read(LABELS, write_jsonl(tmp_path, [{"text": "a", "label": "x;y"}]))
    assert train.options == {"columns": {"text": "text", "label": "label"}, "separator": ";"}


def test_columns_are_known_as_told(tmp_path):
    path = write(tmp_path, "rows.csv", GOOD)
    columns = {"text": "text", "label": "label"}
    assert "label is 'label' (given)" in read(CLASSES, path, columns=columns).facts[-1]
    told = read(CLASSES, path, columns=columns, reason="as in the training data")
    assert "label is 'label' (as in the training data)" in told.facts[-1]


def test_questions_without_an_answer_are_counted(tmp_path):
    answer = {"text": "France", "answer_start": 12}
    rows = [question(id=n, answers=[answer] * (n > 1)) for n in range(5)]
    paragraph = {"context": CONTEXT, "qas": rows}
    squad = {"version": "1.1", "data": [{"title": "A", "paragraphs": [paragraph]}]}
    for path in (
        write(tmp_path, "s.json", json.dumps(squad)),
        write_jsonl(tmp_path, rows),
    ):
        assert read(QUESTIONS, path).facts[-1].endswith("; 2 of 5 questions have no answer")
    path = write_jsonl(tmp_path, rows[2:])
    assert "0 of 3 questions have no answer" in read(QUESTIONS, path).facts[-1]
    assert "no answer" not in read(CLASSES, write(tmp_path, "rows.csv", GOOD)).facts[-1]
