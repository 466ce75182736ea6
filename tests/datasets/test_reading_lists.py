"""Lists that stand in a cell as text, as programs write them into tables."""

import csv

import pytest

from datasets.files import read
from mobilebert.datasets.problems import ProblemKind
from mobilebert.errors import InputError

LABELS = "multi-label-classification"
TAGS = "token-classification"

# (what stands in the cell, the labels)
LISTS = [
    ("['joy', 'love']", ("joy", "love")),
    ("['joy' 'love']", ("joy", "love")),
    ("['joy'\n 'love']", ("joy", "love")),
    ('["joy", "love"]', ("joy", "love")),
    ("""["it's", 'love, too']""", ("it's", "love, too")),
    ("['it\\'s']", ("it's",)),
    ("[u'joy', u'love',]", ("joy", "love")),
    ("[3 5]", ("3", "5")),
    ("[3, 5.0]", ("3", "5")),
    ("[joy, great love]", ("joy", "great love")),
    ("[]", ()),
    ("[ ]", ()),
    ("[joy], [sad]", ("[joy]", "[sad]")),
    ("[joy]", ("[joy]",)),
]
NO_LISTS = [
    ('["a", null]', "MISSING_LABEL"),
    ("['a', None]", "MISSING_LABEL"),
    ("[{[1]}]", "TEXT_AS_LABEL"),
    ("[['a' 'b']]", "TEXT_AS_LABEL"),
    ("['a''b']", "TEXT_AS_LABEL"),
    ("['a' 'b' ... 'y' 'z']", "TEXT_AS_LABEL"),
    ("['a' 'b', 'c']", "TEXT_AS_LABEL"),
    ("['a' b']", "TEXT_AS_LABEL"),
    ("['\\x']", "TEXT_AS_LABEL"),
]


def table(directory, names, *rows):
    path = directory / "rows.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    return path


@pytest.mark.parametrize(("cell", "labels"), LISTS)
def test_labels_in_brackets(cell, labels, tmp_path):
    path = table(tmp_path, ("text", "labels"), ("a text", cell), ("another", "['joy']"))
    assert next(iter(read(LABELS, path))).label == labels


@pytest.mark.parametrize(("cell", "kind"), NO_LISTS)
def test_labels_in_brackets_that_are_no_list(cell, kind, tmp_path):
    path = table(tmp_path, ("text", "labels"), ("a text", "['joy']"), ("another", cell))
    assert read(LABELS, path, on_error="skip").counts == {ProblemKind[kind]: 1}


# (words, tags, the words, the tags)
SENTENCES = [
    ("['EU', 'rejects']", "['B-ORG', 'O']", ("EU", "rejects"), ("B-ORG", "O")),
    ("['EU' 'rejects']", "[3 0]", ("EU", "rejects"), ("3", "0")),
    ('["EU", "rejects"]', "B-ORG O", ("EU", "rejects"), ("B-ORG", "O")),
    ("EU rejects", "['B-ORG', 'O']", ("EU", "rejects"), ("B-ORG", "O")),
    ("[EU, rejects]", "[B-ORG, O]", ("EU", "rejects"), ("B-ORG", "O")),
    ("[ laughs ]", "O O O", ("[", "laughs", "]"), ("O", "O", "O")),
    ("[CLS] EU [SEP]", "[CLS] O [SEP]", ("[CLS]", "EU", "[SEP]"), ("[CLS]", "O", "[SEP]")),
]


@pytest.mark.parametrize(("words", "tags", "read_words", "read_tags"), SENTENCES)
def test_words_and_tags_in_a_table(words, tags, read_words, read_tags, tmp_path):
    (item,) = read(TAGS, table(tmp_path, ("tokens", "tags"), (words, tags)))
    assert (item.words, item.tags) == (read_words, read_tags)


@pytest.mark.parametrize("tags", ["['O', ['O']]", "['O', 'O", "['O' 'O', 'O']", "[O 'O]"])
def test_tags_that_are_no_list(tags, tmp_path):
    path = table(tmp_path, ("tokens", "tags"), ("['a', 'b']", "['O', 'O']"), ("['a', 'b']", tags))
    with pytest.raises(InputError, match="line 3: the tags are .*list") as refused:
        read(TAGS, path)
    assert str(ProblemKind.BAD_TAGS) in str(refused.value)


def sheet(directory, *rows):
    import openpyxl

    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(directory / "rows.xlsx")
    return directory / "rows.xlsx"


def test_an_empty_cell_of_a_sheet_says_that_there_is_no_label(tmp_path):
    path = sheet(tmp_path, ("text", "labels"), ("a text", "joy, love"), ("another", None))
    assert [item.label for item in read(LABELS, path)] == [("joy", "love"), ()]


def test_an_empty_cell_of_a_sheet_is_no_class(tmp_path):
    path = sheet(tmp_path, ("text", "label"), ("a text", "joy"), ("another", None))
    items = read("text-classification", path, on_error="skip")
    assert items.counts == {ProblemKind.MISSING_LABEL: 1}


def test_null_of_parquet_is_a_missing_label(tmp_path):
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({"text": ["a text", "another"], "labels": ["joy", None]})
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet")
    items = read(LABELS, tmp_path / "rows.parquet", on_error="skip")
    assert items.counts == {ProblemKind.MISSING_LABEL: 1}
