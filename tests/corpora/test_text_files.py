"""Files of text: documents and paragraphs, whatever they are kept in, and what is refused."""

import bz2
import gzip
import json
import lzma

import pytest

from corpora.texts import write
from mobilebert.corpora import text_files
from mobilebert.corpora.text_files import find_files, open_text
from mobilebert.errors import InputError

DOCS = [["One one.", "One two."], ["Zwei – eins."], ["Three one.", "Three two."]]
FLAT = [(n, paragraph) for n, doc in enumerate(DOCS) for paragraph in doc]
TEXT = "\n\n \n  One one.  \r\nOne two.\r\n\t\n\nZwei – eins.\n\nThree one.\nThree two."


def paragraphs(path, **options):
    return list(open_text(path, **options).read())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", TEXT.encode()),
        ("a", TEXT.encode()),
        ("a.txt", TEXT.encode("utf-8-sig")),
        ("a.txt", TEXT.encode("utf-16")),
        ("a.txt", TEXT.encode("cp1252")),
        ("a.txt.xz", lzma.compress(TEXT.encode())),
        ("a.gz", gzip.compress(TEXT.encode())),
        ("a.text.bz2", bz2.compress(TEXT.encode())),
    ],
    ids=range(8),
)
def test_plain_text(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert paragraphs(tmp_path / name) == FLAT


def test_rows_are_documents(tmp_path):
    pyarrow = pytest.importorskip("pyarrow.parquet")
    rows = [{"id": n, "text": "\n".join(doc)} for n, doc in enumerate(DOCS)]
    rows.insert(1, {"id": 9, "text": " \n"})
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "a.jsonl").write_text(lines)
    (tmp_path / "a.jsonl.xz").write_bytes(lzma.compress(lines.encode()))
    table = __import__("pyarrow").Table.from_pylist(rows)
    pyarrow.write_table(table, tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.jsonl.xz", "a.parquet"):
        assert paragraphs(tmp_path / name) == FLAT


def test_rows_without_text_are_counted(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "One"}\n{"text": null}\n{"text": "Two"}\n{"text": " "}\n')
    file = open_text(path)
    for _ in range(2):  # anew in each reading
        assert list(file.read()) == [(0, "One"), (1, "Two")]
        assert file.left_out.rows == 2


def test_the_column_of_the_text(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"title": "A", "prose": "One\\nTwo"}\n')
    assert paragraphs(path, text_column="prose") == [(0, "One"), (0, "Two")]
    with pytest.raises(InputError, match="'title', 'prose'; say with --text-column"):
        open_text(path)
    with pytest.raises(InputError, match="no column 'body'; there are 'title', 'prose'"):
        open_text(path, text_column="body")
    path.write_text('{"title": "A", "content": "One"}\n{"title": "B"}\n')
    with pytest.raises(InputError, match="line 2 has no 'content'"):
        paragraphs(path)
    path.write_text('{"text": ["One"]}\n')
    with pytest.raises(InputError, match="line 1: the text is .*list"):
        paragraphs(path)


def test_lines_without_end_are_parted_between_words(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "_LONGEST_LINE", 20)
    words = " ".join(f"word{n}" for n in range(40))
    (tmp_path / "a.txt").write_text(words + "\n\nlast")
    found = paragraphs(tmp_path / "a.txt")
    assert all(len(text) <= 40 for _, text in found)
    assert " ".join(text for number, text in found if number == 0) == words
    assert found[-1] == (1, "last")


@pytest.mark.parametrize("ends", ["\n", "\r\n", "   \n", " " * 30 + "\n"])
@pytest.mark.parametrize("length", [19, 20, 21, 40, 60, 61])
def test_a_border_stands_only_where_a_line_is_empty(tmp_path, monkeypatch, length, ends):
    monkeypatch.setattr(text_files, "_LONGEST_LINE", 20)
    long = "x" * length
    text = ends.join([long, "two", " " * 45, " " * 45 + long, " " * 70 + "four " + long])
    (tmp_path / "a.txt").write_bytes(text.encode())
    found = paragraphs(tmp_path / "a.txt")
    joined = ["".join(text for number, text in found if number == n) for n in (0, 1)]
    assert joined == [f"{long}two", f"{long}four{long}"]
    assert {number for number, _ in found} == {0, 1}


REFUSED = {
    "a.bin": (bytes(range(256)) * 50, "NUL characters|is not UTF-8"),
    "b.txt": (b"some text\n" + bytes(2000), "2,000 NUL characters among 2,010"),
    "c.txt": (("text " * 900).encode("utf-16-le"), "NUL characters"),
    "d.csv": (b"a,b\n", "no file of text that is read here"),
    "e.txt.xz": (lzma.compress(b"text " * 9000)[:-30], "Cannot read .*e.txt.xz"),
    "f.jsonl": (b'{"text": "a"}\nnot JSON\n', "f.jsonl, line 2"),
    "g.jsonl": (b"", "no rows"),
    "h.parquet": (b"PAR1", "Cannot read .*h.parquet"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_text_is_refused(tmp_path, name):
    content, reason = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=reason):
        paragraphs(find_files([tmp_path / name])[0])


def test_another_encoding_than_was_said(tmp_path):
    (tmp_path / "a.txt").write_bytes("Größe\n".encode("cp1252"))
    with pytest.raises(InputError, match=r"a.txt is not utf-8 \(given\).*--encoding"):
        paragraphs(tmp_path / "a.txt", encoding="utf-8")
    with pytest.raises(InputError, match="no encoding 'utf-9'"):
        paragraphs(tmp_path / "a.txt", encoding="utf-9")


def test_directories_are_read_in_order_of_names(tmp_path):
    for name in ("b/b.txt", "a.txt.xz", "c.jsonl", ".hidden/d.txt", "e.csv", "f.pdf", "g"):
        write(tmp_path, name, [["x"]])
    assert find_files([tmp_path]) == [
        tmp_path / name for name in ("a.txt.xz", "b/b.txt", "c.jsonl")
    ]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["nowhere.txt"], "Cannot read nowhere.txt"),
        ([], "no file to read"),
        (["empty"], "empty has no files of text"),
        (["a.txt", "./a.txt"], "is there twice"),
        (["a.txt", "."], "is there twice"),
    ],
)
def test_names_that_are_refused(tmp_path, monkeypatch, names, reason):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    write(tmp_path, "a.txt", [["x"]])
    with pytest.raises(InputError, match=reason):
        find_files(names)
