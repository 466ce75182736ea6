"""Tables are read as they were written, and what was guessed is right or told."""

import csv
import io

import pytest
from hypothesis import given, settings, strategies as st

from datasets.files import write
from mobilebert.datasets.problems import Problem
from mobilebert.datasets.sources import open_rows

# (file name, content, columns, cells of the first row)
LAYOUTS = [
    ("header.csv", "text,label\nfine,1\n", ("text", "label"), ["fine", "1"]),
    ("korean.csv", "리뷰,평점\n좋아요,5\n", ("리뷰", "평점"), ["좋아요", "5"]),
    ("pandas.csv", ",text,label\n0,fine,1\n", ("1", "text", "label"), ["0", "fine", "1"]),
    ("unknown.csv", "blurb,verdict\nfine film,1\ndull,0\n", ("blurb", "verdict"), None),
    ("none.csv", "a fine film,1\ndull,0\n", ("1", "2"), ["a fine film", "1"]),
    ("cola.tsv", "gj04\t1\t\tHe slept.\ngj04\t0\t*\tHim slept.\n", ("1", "2", "3", "4"), None),
    ("one.csv", "text\nfine\n", ("text",), ["fine"]),
    ("bare.tsv", 'a "b" c\t1\n"d\t0\n', ("1", "2"), ['a "b" c', "1"]),
    ("quoted.tsv", '"a ""b""\tc\nd"\t1\ne\t0\n', ("1", "2"), ['a "b"\tc\nd', "1"]),
    ("widths.tsv", '"a\tb\t1\nc\td\t0\ne" f\tg\t0\n', ("1", "2", "3"), ['"a', "b", "1"]),
    ("pairs.tsv", 'x\ty\t1\n"a\tb\t1\nc\td"\t0\n', ("1", "2", "3"), ["x", "y", "1"]),
    ("first.tsv", "1\ta? 0\n2\tb\t0\n3\tc\t0\n", ("1", "2", "3"), ["2", "b", "0"]),
    ("classes.csv", "word,kind\na,x\nb,x\nc,y\nd,y\n", ("word", "kind"), ["a", "x"]),
    (
        "spam.csv",
        "v1,v2,,\nham,go on,,\nspam,win,,\nham,I go,,\nspam,x,,\n",
        ("v1", "v2", "3", "4"),
        ["ham", "go on", "", ""],
    ),
    ("swallowed.tsv", 't\tc\n"a\t1\nb\t0\nc"\t1\n', ("t", "c"), ['"a', "1"]),
    ("all.tsv", '"t"\t"c"\n"a\t1\nb"\t"0"\n', ("t", "c"), ["a\t1\nb", "0"]),
    ("lines.tsv", 't\tc\n"a\nb"\t0\nc\t1\nd\t1\n', ("t", "c"), ["a\nb", "0"]),
    ("label.tsv", "spam\twin\nham\tgo on\nspam\tx\n", ("1", "2"), ["spam", "win"]),
    ("label.csv", "spam,win a prize of some hundred pounds now\nham,go\n", ("1", "2"), None),
    ("flags.csv", "text,0,1\na fine film,0,1\ndull,1,0\n", ("text", "0", "1"), None),
    ("index.csv", "title,0,1\na fine film,0,1\ndull,1,0\n", ("title", "0", "1"), None),
    ("toxic.csv", "toxic,1\nfine,0\n", ("1", "2"), ["toxic", "1"]),
    ("title.tsv", "title\t3\nlove\t4\nhate\t1\n", ("1", "2"), ["title", "3"]),
    ("stars.csv", "text,3,2\nfine film,3,1\ndull,2,2\n", ("1", "2", "3"), None),
    (
        "survey.csv",
        "Timestamp,Review,How satisfied are you with our service?\n1,fine,very\n2,bad,not at all\n",
        ("Timestamp", "Review", "How satisfied are you with our service?"),
        ["1", "fine", "very"],
    ),
    ("topic.tsv", "what was it all about today\ttopic\na\tb\n", ("1", "2"), None),
    ("number.tsv", "title\t3.5\nlove\t4.5\n", ("1", "2"), ["title", "3.5"]),
    ("long.csv", "text,label,why is it so good or bad\na,1,b\n", None, ["a", "1", "b"]),
    ("twice.csv", "text,label\na,x\ntext,label\nb,y\n", ("text", "label"), ["a", "x"]),
    ("texts.csv", "one is\nlike others\n", ("1",), ["one is"]),
]


@pytest.mark.parametrize(("name", "content", "columns", "first"), LAYOUTS)
def test_layout(name, content, columns, first, tmp_path):
    source = open_rows(write(tmp_path, name, content))
    assert columns is None or source.columns == columns
    rows = [row for row in source.read() if not isinstance(row, Problem)]
    if first is not None:
        assert list(rows[0].cells.values()) == first


def test_a_header_that_is_given(tmp_path):
    path = write(tmp_path, "rows.csv", "text,label\nfine,1\n")
    assert open_rows(path, header=False).columns == ("1", "2")
    assert len(list(open_rows(path, header=False))) == 2
    assert open_rows(path, header=["a", "b"]).columns == ("a", "b")
    path = write(tmp_path, "numbers.csv", "1,2\nfine,1\n")
    assert open_rows(path, header=True).columns == ("1", "2")
    assert len(list(open_rows(path, header=True))) == 1


def test_records_that_cannot_be_read(tmp_path):
    path = write(tmp_path, "rows.csv", 'text,label\nfine,1\nfine\n"a" b,1\n\ndull,0\n"open,1\n')
    rows = list(open_rows(path).read())
    problems = [str(row) for row in rows if isinstance(row, Problem)]
    assert [row.line for row in rows if not isinstance(row, Problem)] == [2, 6]
    assert [problem.split(": ")[0] for problem in problems] == [
        f"{path}, line {line}" for line in (3, 4, 7)
    ]
    assert "1 cells, but the header has 2" in problems[0]


# (what stands at line 3, the lines that are bad)
OPEN_QUOTES = [
    ('"open,1\n', [3]),
    ('"open,1\n"closed,1\n', [3, 4]),
    ('"open\nand wide",1,2\n', [3, 4]),
    ('a,"b" c\n', [3]),
]


@pytest.mark.parametrize(("content", "bad"), OPEN_QUOTES)
@pytest.mark.parametrize("rest", ["dull,0\n" * 50, 'dull,"0\n1"\n' * 50])
def test_an_open_quote_costs_no_other_rows(content, bad, rest, tmp_path):
    rows = list(
        open_rows(write(tmp_path, "rows.csv", f"text,label\nfine,1\n{content}{rest}")).read()
    )
    problems = [row for row in rows if isinstance(row, Problem)]
    assert [int(row.place.split()[-1]) for row in problems] == bad
    assert len(rows) - len(problems) == 51


CELLS = st.text(
    st.one_of(
        st.sampled_from("\"'\n\r,;\t| 😂é한"),
        st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="\0\ufeff"),
    ),
    max_size=8,
)


@settings(derandomize=True)
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6))
@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
def test_what_was_written_comes_back(rows, delimiter, tmp_path_factory):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "label"), *rows])
    path = write(tmp_path_factory.getbasetemp(), "round.csv", text.getvalue())
    assert [
        (row.cells["text"], row.cells["label"]) for row in open_rows(path, delimiter=delimiter)
    ] == rows


PLAIN = st.text(
    st.one_of(
        st.sampled_from("\"', 😂é한"),
        st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff"),
    ),
    max_size=8,
)


@settings(derandomize=True)
@given(rows=st.lists(st.tuples(PLAIN, PLAIN), min_size=1, max_size=6))
def test_bare_quotes_between_tabs_come_back(rows, tmp_path_factory):
    # A first cell with a quote in it says that none stands around cells.
    written = [("text", "label"), ('"a" b', "c"), *rows]
    content = "".join("\t".join(row) + "\n" for row in written)
    path = write(tmp_path_factory.getbasetemp(), "bare.tsv", content)
    assert [(row.cells["text"], row.cells["label"]) for row in open_rows(path)] == written[1:]
