"""Encodings of files are found, or named, or refused."""

import codecs

import pytest

from mobilebert.datasets import encodings
from mobilebert.datasets.encodings import guess_encoding, named_encoding
from mobilebert.errors import InputError

TEXTS = {
    "cp949": "이 영화는 정말 재미있었다,1\n배우들의 연기가 훌륭하다,1\n지루하고 길었다,0\n",
    "cp932": "この映画はとても面白かった,1\n退屈で長かった,0\n",
    "gb18030": "这部电影非常好看，我很喜欢,1\n太无聊了,0\n",
    "big5": "這部電影非常好看，我很喜歡,1\n太無聊了,0\n",
    "cp1250": "Zażółć gęślą jaźń,1\nPříliš žluťoučký kůň,0\n",
    "cp1251": "Этот фильм был очень хорош,1\nСкучно и долго,0\n",
    "cp1252": "Café crème brûlée était délicieux – “très bon”,1\nÜber schöne Möbel,0\n",
    "cp1253": "Η ταινία ήταν πολύ καλή,1\nΒαρετή και μεγάλη,0\n",
    "utf-8": "이 영화, café,1\n",
    "utf-8-sig": "이 영화, café,1\n",
    "utf-16": "이 영화, café,1\n",
    "utf-32": "이 영화, café,1\n",
}
ENGLISH = "A very good film with a café in it,1\n"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "rows.csv"


@pytest.mark.parametrize("times", [1, 3000])
@pytest.mark.parametrize("name", TEXTS)
def test_text_in_its_encoding(name, times, file):
    file.write_bytes(("text,label\n" + times * TEXTS[name]).encode(name))
    assert guess_encoding(file).name == name


def test_one_letter_far_behind_is_found(file, monkeypatch):
    monkeypatch.setattr(encodings, "_BLOCK", 64)
    monkeypatch.setattr(encodings, "_SAMPLE", 128)
    file.write_bytes(("plain\n" * 100 + ENGLISH + "plain\n" * 100).encode("cp1252"))
    found = guess_encoding(file)
    assert found.name == "cp1252"
    assert "byte 627 is not UTF-8" in found.reason


def test_a_letter_cut_by_a_block_is_utf8(file, monkeypatch):
    monkeypatch.setattr(encodings, "_BLOCK", 3)
    file.write_text("가나다라" * 9, encoding="utf-8")
    assert guess_encoding(file).name == "utf-8"


def test_a_letter_cut_at_the_end_is_not(file):
    file.write_bytes("text\nplain é".encode()[:-1])
    assert guess_encoding(file).name != "utf-8"


KOREAN_SIGNS = [
    "★★★☆☆ 재밌다 ㅋㅋㅋㅋㅋㅋ,1\n",
    "♥♥♥♥♥♥♥♥♥♥ 최고… “강추” ㅠㅠ,1\n",
    "ㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋ,1\n",
]


@pytest.mark.parametrize("text", KOREAN_SIGNS)
def test_korean_with_signs_and_jamo(file, text):
    file.write_bytes(("text,label\n" + text).encode("cp949"))
    assert guess_encoding(file).name == "cp949"


def test_japanese_kana_are_no_jamo(file):
    file.write_bytes((3 * TEXTS["cp932"]).encode("euc-jp"))
    assert guess_encoding(file).name != "cp949"


@pytest.mark.parametrize("block", [7, 1 << 20])
@pytest.mark.parametrize("stray", [b"\xe9", b"\xff", "가".encode()[:2]])
@pytest.mark.parametrize("name", ["cp949", "cp1252", "cp1251", "gb18030"])
def test_utf8_with_a_stray_byte_is_refused(file, monkeypatch, name, stray, block):
    monkeypatch.setattr(encodings, "_BLOCK", block)
    start = f"text,label\n{TEXTS[name]}a".encode()
    file.write_bytes(start + stray + f"b,0\n{TEXTS[name]}".encode())
    place = f"byte {len(start)} \\(line {start.count(10) + 1}\\).*--encoding"
    with pytest.raises(InputError, match=place):
        guess_encoding(file)


def test_marks_of_lost_letters_are_utf8(file):
    file.write_text("caf\ufffd cr\ufffdme", encoding="utf-8")
    assert guess_encoding(file).name == "utf-8"


def test_an_empty_file_is_utf8(file):
    file.touch()
    assert guess_encoding(file).name == "utf-8"


def test_bytes_of_no_encoding_are_refused(file, monkeypatch):
    monkeypatch.setattr(encodings, "_CANDIDATES", ())
    file.write_bytes(b"\xff\xff")
    with pytest.raises(InputError, match="no other encoding fits; name it with --encoding"):
        guess_encoding(file)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="Cannot read .*No such file"):
        guess_encoding(tmp_path / "none.csv")


def test_a_name_is_taken_as_python_knows_it(file):
    file.touch()
    assert named_encoding("UHC", file).name == codecs.lookup("cp949").name
    with pytest.raises(InputError, match="no encoding 'klingon'"):
        named_encoding("klingon", file)


@pytest.mark.parametrize(
    ("written", "named", "wanted"),
    [
        ("utf-8-sig", "UTF8", "utf-8-sig"),
        ("utf-8", "utf-8", "utf-8"),
        ("utf-16", "utf-16-le", "utf-16"),
        ("utf-16-le", "utf-16-le", "utf-16-le"),
        ("utf-32", "utf-32", "utf-32"),
        ("utf-8-sig", "cp1252", "cp1252"),
    ],
)
def test_a_mark_is_no_part_of_the_text(file, written, named, wanted):
    file.write_bytes("text,label\n".encode(written))
    found = named_encoding(named, file)
    assert found.name == wanted
    text = file.read_text(found.name)
    assert text.startswith("text") == (named != "cp1252")
