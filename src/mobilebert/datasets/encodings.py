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
        typical: Matches characters that such text is full of.
        share: How many of the characters beyond ASCII must be typical.
        implausible: Matches what such text does not have.
    """

    name: str
    typical: re.Pattern[str]
    share: float
    implausible: re.Pattern[str] | None = None

    def fits(self, sample: bytes) -> bool:
        try:
            text = sample.decode(self.name)
        except UnicodeDecodeError:
            return False
        beyond = sum(not character.isascii() for character in text)
        if self.implausible and len(self.implausible.findall(text)) > _STRAY * beyond:
            return False
        return len(self.typical.findall(text)) >= self.share * beyond


def _beside_latin(letters: str) -> re.Pattern[str]:
    return re.compile(f"[a-z][{letters}]|[{letters}][a-z]", re.IGNORECASE)


# Share of characters that may be anything.
_STRAY = 0.02
# The most frequent characters of Chinese, simplified and traditional: a tenth of any text.
_SIMPLIFIED = "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能子那得"
_TRADITIONAL = "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能子那得"
_LATIN = "A-Za-zÀ-ÖØ-öø-ÿĀ-ž"
# In the order in which they are tried: what fits one seldom fits an earlier one. Alphabets by their
# ten most frequent letters, because the bytes of one are letters of the other.
_CANDIDATES = (
    _Candidate("cp932", re.compile("[ぁ-ヿ]"), 0.3, re.compile("[｡-ﾟ]")),
    _Candidate("cp949", re.compile("[가-힣]"), 0.9),
    _Candidate("gb18030", re.compile(f"[{_SIMPLIFIED}]"), 0.1),
    _Candidate("big5", re.compile(f"[{_TRADITIONAL}]"), 0.1),
    _Candidate("cp1251", re.compile("[оеаинтсрвл]", re.I), 0.4, _beside_latin("а-яё")),
    _Candidate("cp1253", re.compile("[αάοόιίεέτσςνηή]", re.I), 0.4, _beside_latin("ά-ώ")),
    # Signs within words are letters of another page: "¹" is "ą" in Polish.
    _Candidate("cp1252", re.compile("."), 0, re.compile(f"(?<=[{_LATIN}])[¡-¿×÷](?=[{_LATIN}])")),
    _Candidate("cp1250", re.compile("."), 0),
)


def named_encoding(name: str) -> Encoding:
    """Take an encoding that somebody has named.

    Raises:
        InputError: Python knows no such encoding.
    """
    try:
        return Encoding(codecs.lookup(name).name, "given")
    except LookupError:
        raise InputError(
            f"There is no encoding {name!r}; common ones are utf-8, cp949 and cp1252."
        ) from None


def guess_encoding(path: Path) -> Encoding:
    """Find the encoding of a file.

    A byte order mark decides. Else it is UTF-8 if all of it is: text in another encoding next to
    never is. Else the lines around the first byte that is not tell: Korean, Japanese, Chinese,
    Cyrillic and Greek pages, or one of Latin letters.

    Args:
        path: The file.

    Raises:
        InputError: It cannot be read, or nothing fits.
    """
    with open_bytes(path) as file:
        start = file.read(4)
        for mark, name in _MARKS.items():
            if start.startswith(mark):
                return Encoding(name, "by its byte order mark")
        file.seek(0)
        wrong = _first_that_is_not_utf8(iter(lambda: file.read(_BLOCK), b""))
        if wrong is None:
            return Encoding("utf-8", "all of it is UTF-8")
        file.seek(max(0, wrong - _SAMPLE // 2))
        sample = _whole_lines(file.read(_SAMPLE), first=wrong < _SAMPLE // 2)
    for candidate in _CANDIDATES:
        if candidate.fits(sample):
            return Encoding(candidate.name, f"guessed, because byte {wrong:,} is not UTF-8")
    raise InputError(
        f"{path} is not UTF-8 (byte {wrong:,}), and no other encoding fits; name it with "
        "--encoding, or save it as UTF-8."
    )


def _first_that_is_not_utf8(blocks: Iterator[bytes]) -> int | None:
    """Return the place of the first byte that is not, about."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    place = 0
    for block in blocks:
        try:
            decoder.decode(block)
        except UnicodeDecodeError as error:
            return place + error.start
        place += len(block)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return place
    return None


def _whole_lines(sample: bytes, *, first: bool) -> bytes:
    """Leave out lines that were cut."""
    start = 0 if first else sample.find(b"\n") + 1
    end = sample.rfind(b"\n") + 1 if len(sample) == _SAMPLE else len(sample)
    return sample[start:end] if end > start else sample
