"""Which encoding a text file is in."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mobilebert.datasets.compressed import open_bytes
from mobilebert.errors import InputError

__all__ = ["Encoding", "guess_encoding", "named_encoding"]

# Byte order marks, the longer ones first: UTF-32's begins as UTF-16's does.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_BLOCK = 1 << 20
_SAMPLE = 1 << 18


@dataclass(frozen=True)
class Encoding:
    """How the bytes of a file become text.

    Attributes:
        name: Python's name of it.
        reason: How it is known, for the person who reads the report.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class _Candidate:
    """An encoding, and what text in it looks like beyond ASCII.

    Attributes:
        name: Python's name of it.
        typical: Matches letters that such text is full of.
        share: How many of the letters beyond ASCII must be typical; signs say nothing.
        implausible: Matches what such text does not have.
        neutral: Matches letters that are not counted.
    """

    name: str
    typical: re.Pattern[str]
    share: float
    implausible: re.Pattern[str] | None = None
    neutral: re.Pattern[str] | None = None

    def fits(self, sample: bytes) -> bool:
        try:
            text = sample.decode(self.name)
        except UnicodeDecodeError:
            return False
        beyond = [character for character in text if not character.isascii()]
        if self.implausible and len(self.implausible.findall(text)) > _STRAY * len(beyond):
            return False
        if not self.share:
            return True
        letters = sum(map(str.isalpha, beyond))
        counted = letters - (len(self.neutral.findall(text)) if self.neutral else 0)
        return letters > 0 and len(self.typical.findall(text)) >= self.share * counted


def _beside_latin(letters: str) -> re.Pattern[str]:
    return re.compile(f"[a-z][{letters}]|[{letters}][a-z]", re.IGNORECASE)


# Share of characters that may be anything.
_STRAY = 0.02
# Letters for each wrong byte in what is meant to be UTF-8; elsewhere next to none is well formed.
_LETTERS_OF_UTF8 = 4
# The most frequent characters of Chinese, simplified and traditional: a tenth of any text.
_SIMPLIFIED = "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能子那得"
_TRADITIONAL = "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能子那得"
_LATIN = "A-Za-zÀ-ÖØ-öø-ÿĀ-ž"
# In the order in which they are tried: what fits one seldom fits an earlier one. Alphabets by their
# ten most frequent letters, because the bytes of one are letters of the other.
_CANDIDATES = (
    _Candidate("cp932", re.compile("[ぁ-ヿ]"), 0.3, re.compile("[｡-ﾟ]")),
    # Jamo alone, as in laughter, are where the kana of EUC-JP are.
    _Candidate("cp949", re.compile("[가-힣]"), 0.9, neutral=re.compile("[ㄱ-ㆎ]")),
    _Candidate("gb18030", re.compile(f"[{_SIMPLIFIED}]"), 0.1),
    _Candidate("big5", re.compile(f"[{_TRADITIONAL}]"), 0.1),
    _Candidate("cp1251", re.compile("[оеаинтсрвл]", re.I), 0.4, _beside_latin("а-яё")),
    _Candidate("cp1253", re.compile("[αάοόιίεέτσςνηή]", re.I), 0.4, _beside_latin("ά-ώ")),
    # Signs within words are letters of another page: "¹" is "ą" in Polish.
    _Candidate("cp1252", re.compile("."), 0, re.compile(f"(?<=[{_LATIN}])[¡-¿×÷](?=[{_LATIN}])")),
    _Candidate("cp1250", re.compile("."), 0),
)


def named_encoding(name: str, path: Path) -> Encoding:
    """Take an encoding that somebody has named, with the byte order mark that a file has in it.

    Args:
        name: The encoding.
        path: The file.

    Raises:
        InputError: Python knows no such encoding, or the file cannot be read.
    """
    try:
        found = codecs.lookup(name).name
        "a".encode(name)  # which "hex" and others of its kind refuse
    except (LookupError, ValueError):
        raise InputError(
            f"There is no encoding {name!r}; common ones are utf-8, cp949 and cp1252."
        ) from None
    with open_bytes(path) as file:
        marked = _marked(file.read(4))
    is_marked = marked is not None and found.startswith(marked.removesuffix("-sig"))
    return Encoding(marked if marked and is_marked else found, "given")


def guess_encoding(path: Path) -> Encoding:
    """Find the encoding of a file.

    A byte order mark decides. Else it is UTF-8 if all of it is: text in another encoding next to
    never is. Else the lines around the first byte that is not tell: UTF-8 with a few wrong bytes,
    which is refused, Korean, Japanese, Chinese, Cyrillic and Greek pages, or one of Latin letters.

    Args:
        path: The file.

    Raises:
        InputError: It cannot be read, nothing fits, or a few bytes of it are wrong.
    """
    with open_bytes(path) as file:
        if (marked := _marked(file.read(4))) is not None:
            return Encoding(marked, "by its byte order mark")
        file.seek(0)
        wrong = _first_that_is_not_utf8(iter(lambda: file.read(_BLOCK), b""))
        if wrong is None:
            return Encoding("utf-8", "all of it is UTF-8")
        file.seek(max(0, wrong - _SAMPLE // 2))
        sample = _whole_lines(file.read(_SAMPLE), first=wrong < _SAMPLE // 2)
    if _is_meant_as_utf8(sample):
        line = _line_of(path, wrong)
        raise InputError(
            f"{path} is UTF-8 but for byte {wrong:,} (line {line:,}) and perhaps a few "
            "others; mend them, or name another encoding with --encoding."
        )
    for candidate in _CANDIDATES:
        if candidate.fits(sample):
            return Encoding(candidate.name, f"guessed, because byte {wrong:,} is not UTF-8")
    raise InputError(
        f"{path} is not UTF-8 (byte {wrong:,}), and no other encoding fits; name it with "
        "--encoding, or save it as UTF-8."
    )


def _marked(start: bytes) -> str | None:
    """Return the encoding whose byte order mark a file begins with."""
    return next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)


def _first_that_is_not_utf8(blocks: Iterator[bytes]) -> int | None:
    """Return the place of the first byte that is not."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    place = 0
    for block in blocks:
        kept = len(decoder.getstate()[0])  # of a letter that the block before has begun
        try:
            decoder.decode(block)
        except UnicodeDecodeError as error:
            return place - kept + error.start
        place += len(block)
    kept = len(decoder.getstate()[0])
    return place - kept if kept else None


def _is_meant_as_utf8(sample: bytes) -> bool:
    """Tell whether nearly all that is beyond ASCII is UTF-8."""
    text = sample.decode("utf-8", errors="replace")
    mark = "\ufffd"  # in place of wrong bytes, but the text may have some of its own
    wrong = text.count(mark) - sample.count(mark.encode())
    letters = sum(not character.isascii() for character in text) - wrong
    return letters >= _LETTERS_OF_UTF8 * wrong > 0


def _line_of(path: Path, place: int) -> int:
    """Return the number of the line that a byte is in, from 1."""
    line = 1
    with open_bytes(path) as file:
        while place > 0 and (block := file.read(min(place, _BLOCK))):
            line += block.count(b"\n")
            place -= len(block)
    return line


def _whole_lines(sample: bytes, *, first: bool) -> bytes:
    """Leave out lines that were cut."""
    start = 0 if first else sample.find(b"\n") + 1
    end = sample.rfind(b"\n") + 1 if len(sample) == _SAMPLE else len(sample)
    return sample[start:end] if end > start else sample
