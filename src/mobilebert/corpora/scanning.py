"""The first reading of a file: how many documents it has, how long they are, and which."""

import hashlib
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NoReturn

from mobilebert.corpora.text_files import Paragraph, TextFile
from mobilebert.errors import InputError

__all__ = ["ScannedFile", "file_digest", "scan"]


@dataclass(frozen=True)
class ScannedFile:
    """What is known of a file after it was read once; 16 bytes for each document.

    Attributes:
        text: The file.
        fingerprints: 64 bits of the text of each document, which others have as good as never.
        sizes: Characters of each document.
    """

    text: TextFile
    fingerprints: "array[int]"
    sizes: "array[int]"

    @property
    def characters(self) -> int:
        """Characters of all documents."""
        return sum(self.sizes)

    def documents(self) -> Iterator[tuple[int, Iterator[str]]]:
        """Yield the fingerprint and the paragraphs of each document, read anew.

        All paragraphs of a document are to be taken before the next one.

        Raises:
            InputError: The file has changed since.
        """
        count = 0
        for number, paragraphs in _documents(self.text.read()):
            if number >= len(self.fingerprints):
                self._refuse()
            yield self.fingerprints[number], self._unchanged(number, paragraphs)
            count += 1
        if count != len(self.fingerprints):
            self._refuse()

    def _unchanged(self, number: int, paragraphs: Iterator[str]) -> Iterator[str]:
        seen = _Fingerprint()
        for paragraph in paragraphs:
            seen.add(paragraph)
            yield paragraph
        if seen.value != self.fingerprints[number]:
            self._refuse()

    def _refuse(self) -> NoReturn:
        raise InputError(f"{self.text.path} has changed while it was read; begin again.")


class _Fingerprint:
    """64 bits of the text of a document."""

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=8)

    def add(self, paragraph: str) -> None:
        self._digest.update(paragraph.encode("utf-8", "surrogatepass"))
        self._digest.update(b"\n")

    @property
    def value(self) -> int:
        return int.from_bytes(self._digest.digest(), "little")


def _documents(paragraphs: Iterator[Paragraph]) -> Iterator[tuple[int, Iterator[str]]]:
    for number, document in groupby(paragraphs, key=lambda paragraph: paragraph[0]):
        yield number, (text for _, text in document)


def scan(text: TextFile, read: Callable[[int], None] = lambda characters: None) -> ScannedFile:
    """Read a file once.

    Args:
        text: The file.
        read: Is told how many characters were read since the last time.

    Raises:
        InputError: It cannot be read, or has no text.
    """
    fingerprints, sizes = array("Q"), array("Q")
    for _, paragraphs in _documents(text.read()):
        seen = _Fingerprint()
        size = 0
        for paragraph in paragraphs:
            seen.add(paragraph)
            size += len(paragraph)
        fingerprints.append(seen.value)
        sizes.append(size)
        read(size)
    if not sizes:
        raise InputError(f"{text.path} has no text.")
    return ScannedFile(text, fingerprints, sizes)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of the bytes of a file.

    Raises:
        InputError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from None
