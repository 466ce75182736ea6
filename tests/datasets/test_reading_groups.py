"""Items that are never split apart: articles, and rows that agree in a column."""

import json

import pytest

from datasets.files import read, write
from mobilebert.errors import InputError

CLASSES = "text-classification"
QUESTIONS = "question-answering"
CONTEXT = "Paris is in France."


def test_articles_are_groups(tmp_path):
    paragraph = {"context": CONTEXT, "qas": [{"id": 1, "question": "What?", "answers": []}]}
    articles = [{"title": name, "paragraphs": [paragraph] * 2} for name in ("A", "B")]
    items = read(QUESTIONS, write(tmp_path, "s.json", json.dumps({"data": articles})))
    assert items.groups == ["A", "A", "B", "B"]


def test_a_column_of_groups(tmp_path):
    path = write(tmp_path, "rows.csv", "text,label,user\na,1,ann\nb,,bob\nc,0,ann\n")
    assert read(CLASSES, path, on_error="skip", group="user").groups == ["ann", "ann"]
    assert read(CLASSES, path, on_error="skip").groups is None
    with pytest.raises(InputError, match="no column 'author'; there are 'text', 'label', 'user'"):
        read(CLASSES, path, group="author")


@pytest.mark.parametrize("cells", [("null", "null"), ("NaN", "NaN"), ('""', '" "'), ("", "null")])
def test_missing_groups_bind_nothing(tmp_path, cells):
    users = [f', "user": {cell}' if cell else "" for cell in (*cells, "7", "7")]
    rows = [f'{{"text": "t{n}", "label": "{n % 2}"{user}}}' for n, user in enumerate(users)]
    path = write(tmp_path, "rows.jsonl", "\n".join(rows))
    assert read(CLASSES, path, group="user").groups == ["", "", "7", "7"]
