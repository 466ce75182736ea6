"""Every format becomes rows, and how it was read is told."""

import bz2
import gzip
import json
import lzma
import zipfile

import pytest

from datasets.files import write, write_jsonl
from mobilebert.datasets.problems import Problem
from mobilebert.datasets.sources import open_rows
from mobilebert.errors import InputError, MissingExtraError

ROWS = [{"text": "a fine film", "label": "good"}, {"text": "a dull one", "label": "bad"}]
TABLES = {
    "rows.csv": "text,label\na fine film,good\na dull one,bad\n",
    "semicolons.csv": "text;label\na fine film;good\na dull one;bad\n",
    "tabs.csv": "text\tlabel\na fine film\tgood\na dull one\tbad\n",
    "rows.tsv": "text\tlabel\na fine film\tgood\na dull one\tbad\n",
    "rows.txt": "text\tlabel\na fine film\tgood\na dull one\tbad\n",
    "rows.data": "text\tlabel\na fine film\tgood\na dull one\tbad\n",
    "rows.jsonl": "".join(f"{json.dumps(row)}\n" for row in ROWS),
    "rows.log": "".join(f"{json.dumps(row)}\n" for row in ROWS),
    "rows.json": json.dumps(ROWS),
    "data.json": json.dumps({"data": ROWS}),
}


def cells(source):
    return [dict(row.cells) for row in source]


@pytest.mark.parametrize("name", TABLES)
def test_rows_of_a_format(name, tmp_path):
    source = open_rows(write(tmp_path, name, TABLES[name]))
    assert cells(source) == ROWS
    assert cells(source) == ROWS  # once more from the start


def test_parquet(tmp_path):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    source = open_rows(tmp_path / "rows.parquet")
    assert cells(source) == ROWS
    assert source.columns == ("text", "label")
    assert [row.place for row in source][1].endswith("rows.parquet, row 2")


def test_sizes_are_those_without_compression(tmp_path):
    import pyarrow
    import pyarrow.parquet

    texts = [f"{number} {'a' * 1000}" for number in range(100)]
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(
        pyarrow.table({"text": texts}), path, compression="zstd", row_group_size=10
    )
    assert path.stat().st_size < 50_000 < 100_000 < open_rows(path).size < 200_000
    path = sheet(tmp_path / "rows.xlsx", ["text"], *([text] for text in texts))
    assert path.stat().st_size < 12_000 < 100_000 < open_rows(path).size < 130_000


def test_xlsx(tmp_path):
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["text", "label"], *(list(row.values()) for row in ROWS), ["empty label", None]):
        book.active.append(row)
    book.save(tmp_path / "rows.xlsx")
    source = open_rows(tmp_path / "rows.xlsx")
    assert cells(source) == [*ROWS, {"text": "empty label", "label": ""}]
    assert next(row.place for row in source).endswith("rows.xlsx, row 2")


def sheet(path, *rows):
    import openpyxl

    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def changed(path, name, change):
    """Change a file within a .xlsx file."""
    with zipfile.ZipFile(path) as file:
        parts = {part: file.read(part) for part in file.namelist()}
    parts[name] = change(parts[name])
    with zipfile.ZipFile(path, "w") as file:
        for part, content in parts.items():
            file.writestr(part, content)
    return path


SHEET = "xl/worksheets/sheet1.xml"


def test_a_sheet_that_says_a_wrong_size(tmp_path):
    path = sheet(tmp_path / "rows.xlsx", ["text", "label"], *(list(row.values()) for row in ROWS))
    changed(path, SHEET, lambda content: content.replace(b'ref="A1:B3"', b'ref="A1:A2"'))
    assert cells(open_rows(path)) == ROWS


def test_a_sheet_by_its_content(tmp_path):
    path = sheet(tmp_path / "rows.xlsx", ["text", "label"], *(list(row.values()) for row in ROWS))
    assert cells(open_rows(path.rename(tmp_path / "rows.data"))) == ROWS


def test_columns_of_a_sheet_without_a_name(tmp_path):
    path = sheet(tmp_path / "rows.xlsx", ["text", "label"], ["a", "x", None, "y"], ["b", "x"])
    assert open_rows(path).columns == ("text", "label", "3", "4")
    assert [list(row.cells.values()) for row in open_rows(path)] == [
        ["a", "x", "", "y"],
        ["b", "x", "", ""],
    ]


def test_a_value_behind_the_last_column_of_a_sheet(tmp_path):
    path = sheet(tmp_path / "rows.xlsx", ["text", "label"], ["a", "x", "", "y"], ["b", "x", ""])
    changed(path, SHEET, lambda content: content.replace(b'ref="A1:D3"', b'ref="A1:C3"'))
    problem, row = open_rows(path).read()
    assert str(problem) == f"{path}, row 2: 4 cells, but there are 3 columns."
    assert row.cells == {"text": "b", "label": "x", "3": ""}


def test_a_sheet_that_is_damaged(tmp_path):
    path = sheet(tmp_path / "rows.xlsx", ["text"], ["a"], ["b"])
    changed(path, SHEET, lambda content: content[: -len(content) // 4])
    with pytest.raises(InputError, match="Cannot read .*rows.xlsx"):
        list(open_rows(path))


def test_a_book_without_a_sheet_of_cells(tmp_path):
    import openpyxl

    book = openpyxl.Workbook()
    book.create_chartsheet("chart").add_chart(openpyxl.chart.BarChart())
    book.remove(book.active)
    book.save(tmp_path / "rows.xlsx")
    with pytest.raises(InputError, match="rows.xlsx has no sheet with cells"):
        open_rows(tmp_path / "rows.xlsx")


def test_dates_that_python_does_not_have(tmp_path):
    import pyarrow
    import pyarrow.parquet

    years = pyarrow.array([2**60], pyarrow.timestamp("us"))
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"text": ["a"], "date": years}), path)
    with pytest.raises(InputError, match="Cannot read .*rows.parquet after row 0"):
        list(open_rows(path))


@pytest.mark.parametrize(
    ("name", "library"), [("rows.parquet", "pyarrow"), ("rows.xlsx", "openpyxl")]
)
def test_a_library_that_is_not_there(name, library, tmp_path, monkeypatch):
    def missing(module, *others):
        raise ModuleNotFoundError(f"No module named {library!r}", name=library)

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(MissingExtraError, match=r"pip install 'mobilebert\[train\]'"):
        open_rows(write(tmp_path, name, "x"))


@pytest.mark.parametrize("name", ["rows.parquet", "rows.xlsx"])
def test_a_file_that_is_something_else(name, tmp_path):
    with pytest.raises(InputError, match=f"Cannot read .*{name}"):
        open_rows(write(tmp_path, name, "text,label\n"))


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)],
)
def test_a_compressed_file(suffix, compress, tmp_path):
    content = compress(TABLES["rows.csv"].encode())
    assert cells(open_rows(write(tmp_path, f"rows.csv{suffix}", content))) == ROWS
    with pytest.raises(InputError, match="Cannot read"):
        open_rows(write(tmp_path, f"cut.csv{suffix}", content[: len(content) // 2]))
    changed = content[:10] + b"\xff" * 9 + content[19:]
    with pytest.raises(InputError, match="Cannot read"):
        open_rows(write(tmp_path, f"changed.csv{suffix}", changed))


def test_lines_of_text(tmp_path):
    source = open_rows(write(tmp_path, "plain.txt", "one\n\n  two\x85 and \x0b \r\nthree"))
    assert [row.cells["text"] for row in source] == ["one", "", "  two\x85 and \x0b ", "three"]


def test_sentences(tmp_path):
    content = "-DOCSTART- -X- O\n\nEU NNP B-ORG\n. . O\n\n\nHere RB O\n"
    (first, second) = open_rows(write(tmp_path, "rows.conll", content))
    assert first.cells == {"tokens": ["EU", "."], "tags": ["B-ORG", "O"]}
    assert (first.line, second.line) == (3, 7)


def test_sentences_are_known_by_their_content(tmp_path):
    source = open_rows(write(tmp_path, "test.annotated", "EU\tB-ORG\n.\tO\n\nHere\tO\n"))
    assert source.file_format == "conll"
    assert "read as conll because of its content" in source.facts[0]


def test_a_sentence_with_a_bad_line_is_a_problem(tmp_path):
    path = write(tmp_path, "rows.conll", "a O\nb\nc\n\nd O\n\ne X O\n")
    first, second, third = open_rows(path).read()
    assert isinstance(first, Problem)
    assert isinstance(third, Problem)
    assert second.cells["tokens"] == ["d"]
    assert str(first).startswith(f"{path}, line 2: 1 columns instead of 2")
    with pytest.raises(InputError, match="line 2"):
        list(open_rows(path))


# (content, the tokens of each sentence, or the line that is bad)
SIGNS = [
    ("# newdoc\nEU\tB-ORG\n.\tO\n", [["EU", "."]]),
    ("EU\tB-ORG\n\n# newdoc\n.\tO\n", [["EU"], ["."]]),
    ("EU\tB-ORG\n# said so\n#\tO\n", [["EU", "#"]]),
    ("# O\n1 O\n", [["#", "1"]]),
    ("# text = We are first\n# O\n1 O\n", [["#", "1"]]),
    ("EU B-ORG\n\n# text = We are first\n# O\n1 O\n", [["EU"], ["#", "1"]]),
    ("We O\n# 1 O\nare O\n", ["line 2: 3 columns instead of 2"]),
    ("We\tO\n#\nare\tO\n", ["line 2: 1 columns instead of 2"]),
    ("We\tO\nare first O\n", ["line 2: 1 columns instead of 2"]),
    ("-DOCSTART- -X- O\n\n# O\n1 O\n", [["#", "1"]]),
    ("# id 7-f\tdomain=en\nEU _ _ B-ORG\n. _ _ O\n", [["EU", "."]]),
    ("EU _ _ O\n# id 7-f\tdomain=en\n. _ _ O\n", [["EU", "."]]),
    ("# newdoc\nEU B-ORG\n\n# newdoc\n. O\n", [["EU"], ["."]]),
    ("# CD\n1 CD\n", [["#", "1"]]),
]


@pytest.mark.parametrize(("content", "sentences"), SIGNS)
def test_comments_and_the_token_that_begins_them(content, sentences, tmp_path):
    rows = open_rows(write(tmp_path, "rows.conll", content)).read()
    told = [str(row) if isinstance(row, Problem) else row.cells["tokens"] for row in rows]
    assert len(told) == len(sentences)
    for found, wanted in zip(told, sentences, strict=True):
        assert found == wanted if isinstance(wanted, list) else wanted in found


@pytest.mark.parametrize("end", ["\n", "\n\n", "\n\n \n"])
def test_empty_lines_at_the_end_of_a_table_are_no_sentences(end, tmp_path):
    path = write(tmp_path, "rows.txt", f"text\tlabel\nfine\tgood{end}")
    assert open_rows(path).file_format == "tsv"
    assert open_rows(write(tmp_path, "s.txt", f"EU\tO\n\n.\tO{end}")).file_format == "conll"


@pytest.mark.parametrize("content", ["EU\tB-ORG\n.\tO\n\n", "EU\tNNP\tB-ORG\n.\t.\tO\n\n \n"])
def test_the_only_sentence_of_a_file_may_end_with_an_empty_line(content, tmp_path):
    (row,) = open_rows(write(tmp_path, "rows.txt", content))
    assert row.cells == {"tokens": ["EU", "."], "tags": ["B-ORG", "O"]}


def test_squad(tmp_path):
    answer = {"text": "a film", "answer_start": 5}
    questions = [{"id": "q1", "question": "What?", "answers": [answer]}]
    paragraph = {"context": "It's a film.", "qas": questions}
    articles = {"data": [{"title": "Films", "paragraphs": [paragraph]}], "version": "1.1"}
    (row,) = open_rows(write(tmp_path, "squad.json", json.dumps(articles, indent=1)))
    assert row.cells == {**questions[0], "context": "It's a film.", "title": "Films"}
    assert '"q1"' in (tmp_path / "squad.json").read_text().splitlines()[row.line - 1]
    # Published files are one line.
    assert row.place.endswith(f"squad.json, line {row.line} (question q1)")


def test_parts_of_squad_that_are_no_objects_are_problems(tmp_path):
    question = {"question": "What?", "answers": [{"text": "a film", "answer_start": 5}]}
    good = {"context": "It's a film.", "qas": [question, "no question"]}
    articles = [
        {"title": "Films", "paragraphs": [good, 7, {"context": "No questions."}]},
        {"paragraphs": "text"},
    ]
    path = write(tmp_path, "squad.json", json.dumps({"data": articles}))
    row, *problems = open_rows(path).read()
    assert row.cells["question"] == "What?"
    assert list(map(str, problems)) == [
        f"{path}, Films, the paragraph \"It's a film.\": question 2 is 'no question', and not an "
        "object.",
        f"{path}, Films: paragraph 2 is 7, and not an object.",
        f"{path}, Films, the paragraph 'No questions.': a list of questions is expected, not None.",
        f"{path}, article 2: a list of paragraphs is expected, not 'text'.",
    ]
    with pytest.raises(InputError, match="question 2 is 'no question'"):
        list(open_rows(path))


def test_several_files_with_labels(tmp_path):
    good = write(tmp_path, "films.pos", "a fine film\n")
    bad = write(tmp_path, "films.neg", b"a d\xfcll one\n")
    source = open_rows([f"{good}=good", f"{bad}=bad"])
    assert cells(source) == [
        {"text": "a fine film", "label": "good"},
        {"text": "a düll one", "label": "bad"},
    ]
    assert source.columns == ("text", "label")
    assert "all rows have the label 'good'" in source.facts[1]
    assert "cp1252" in source.facts[2]


def test_empty_lines_of_a_file_with_a_label_are_empty_rows(tmp_path):
    path = write(tmp_path, "films.pos", "a fine film\n\n \n")
    first, *empty = open_rows([f"{path}=good"])
    assert first.cells == {"text": "a fine film", "label": "good"}
    assert [row.is_empty for row in (first, *empty)] == [False, True, True]


def test_a_file_whose_name_has_a_sign(tmp_path):
    path = write(tmp_path, "a=b.txt", "fine\n")
    assert open_rows(path).columns == ("text",)


def test_facts(tmp_path):
    path = write(
        tmp_path, "rows.csv", "문장;label\n재미있는 영화,1;1\n지루한 영화;0\n".encode("cp949")
    )
    (facts,) = open_rows(path).facts
    assert facts.startswith(f"{path}: encoding cp949 (guessed, because byte 0 is not UTF-8)")
    assert "delimiter semicolon" in facts
    assert "columns 문장, label" in facts


@pytest.mark.parametrize("delimiter", ["~", "tab", "\\t"])
@pytest.mark.parametrize("name", ["rows.csv", "rows.txt", "rows.pos"])
def test_a_delimiter_that_is_given(delimiter, name, tmp_path):
    sign = "~" if delimiter == "~" else "\t"
    path = write(tmp_path, name, f"text{sign}label\na, b{sign}1\n")
    rows = open_rows(path, delimiter=delimiter)
    assert [row.cells for row in rows] == [{"text": "a, b", "label": "1"}]
    assert f"delimiter {'tab' if sign != '~' else repr(sign)} (given)" in rows.facts[0]
    assert open_rows(path, delimiter="~", file_format="txt").columns == ("text",)


BAD = [
    ("rows.csv", {"file_format": "xml"}, "There is no format 'xml'; there are csv, tsv"),
    ("rows.csv", {"encoding": "klingon"}, "no encoding 'klingon'"),
    ("rows.csv", {"encoding": "rot13"}, "no encoding 'rot13'"),
    ("rows.csv", {"encoding": "hex"}, "no encoding 'hex'"),
    ("rows.csv", {"delimiter": "::"}, "A delimiter is one character"),
    ("rows.csv", {"delimiter": '"'}, "A delimiter is one character"),
    ("rows.csv", {"delimiter": "\n"}, "A delimiter is one character"),
    ("none.csv", {}, "Cannot read .*none.csv: No such file"),
    (".", {}, "is a directory; name its files"),
    ("twice.csv", {}, "'text' is there twice"),
    ("latin.csv", {"encoding": "utf-8"}, "latin.csv, line 2 is not utf-8 .given.: "),
]


@pytest.mark.parametrize(("name", "options", "message"), BAD)
def test_what_cannot_be_opened(name, options, message, tmp_path):
    write(tmp_path, "rows.csv", TABLES["rows.csv"])
    write(tmp_path, "twice.csv", "text,text\na,b\n")
    write(tmp_path, "latin.csv", b"text,label\n" + b"caf\xe9,1\n" * 9)
    with pytest.raises(InputError, match=message):
        list(open_rows(tmp_path / name, **options))


@pytest.mark.parametrize("content", ["{", "5", '{"data": 5}', "[" * 100_000])
def test_json_that_is_nothing_of_ours(content, tmp_path):
    with pytest.raises(InputError, match="rows.json"):
        list(open_rows(write(tmp_path, "rows.json", content)))


def test_lines_that_are_not_objects(tmp_path):
    path = write(tmp_path, "rows.jsonl", '{"text": "a"}\n["b"]\n\n{"text"\n')
    _, second, third = open_rows(path).read()
    assert "line 2: a line is a JSON object" in str(second)
    assert "line 4: not JSON" in str(third)


def test_objects_of_other_kinds(tmp_path):
    path = write_jsonl(tmp_path, [{"text": "a", "more": [1]}, {"label": None}])
    assert cells(open_rows(path)) == [{"text": "a", "more": [1]}, {"label": None}]
    assert open_rows(path).columns is None
