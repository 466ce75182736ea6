"""What a directory of prepared data says about itself: manifest.json, written last.

It holds nothing that depends on when, where or with how many processes the data were made, so the
same text and settings give the same bytes.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from mobilebert.corpora.settings import PreparationSettings
from mobilebert.errors import InputError, MobileBertError
from mobilebert.files import read_json

__all__ = [
    "MANIFEST_FILE",
    "Amount",
    "FileRecord",
    "Manifest",
    "ShardRecord",
    "SourceFile",
    "SourceRecord",
    "Split",
]

MANIFEST_FILE = "manifest.json"
FORMAT = 1


class Split(StrEnum):
    """What data are for."""

    TRAIN = "train"
    HELD_OUT = "held_out"


@dataclass(frozen=True)
class Amount:
    """How much there is of something prepared.

    Attributes:
        sequences: Sequences.
        tokens: Their tokens, special ones included.
        pieces: Tokens of the text they were made of, read once, without special ones.
    """

    sequences: int = 0
    tokens: int = 0
    pieces: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(
            self.sequences + other.sequences,
            self.tokens + other.tokens,
            self.pieces + other.pieces,
        )


@dataclass(frozen=True)
class FileRecord:
    """What a file of a shard must be.

    Attributes:
        size: Bytes.
        sha256: Digest of all of it.
        ends: Digest of its first and last bytes, which is checked whenever it is opened.
    """

    size: int
    sha256: str
    ends: str


@dataclass(frozen=True)
class ShardRecord:
    """A shard: what was made of one unit of text.

    Attributes:
        name: What its files are called, without what each holds.
        split: What it is for.
        fingerprint: Digest of the text and of all that decided what became of it.
        amounts: Number of the source -> how much it has of that.
        files: File name -> what the file must be.
    """

    name: str
    split: Split
    fingerprint: str
    amounts: Mapping[int, Amount]
    files: Mapping[str, FileRecord]

    @property
    def total(self) -> Amount:
        """How much it has of all sources."""
        return sum(self.amounts.values(), Amount())

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Take what `as_json` returned, read back.

        Raises:
            KeyError, TypeError, ValueError: It is something else.
        """
        return cls(
            str(stored["name"]),
            Split(stored["split"]),
            str(stored["fingerprint"]),
            {int(number): Amount(**amount) for number, amount in stored["amounts"].items()},
            {str(name): FileRecord(**record) for name, record in stored["files"].items()},
        )


@dataclass(frozen=True)
class SourceFile:
    """A file of text.

    Attributes:
        name: Its name, without the directory.
        sha256: Digest of its bytes.
    """

    name: str
    sha256: str


@dataclass(frozen=True)
class SourceRecord:
    """Where text comes from: a file, or a directory of files with one document each.

    Attributes:
        name: What it is called.
        files: Its files.
        documents: Documents.
        characters: Characters of their paragraphs.
        held_out_documents: Documents of which nothing is trained on.
        held_out_parts: Documents of which a part is held out.
        held_out_characters: Characters held out.
        train: What was made of the rest.
        held_out: What was made of what is held out.
    """

    name: str
    files: tuple[SourceFile, ...]
    documents: int
    characters: int
    held_out_documents: int
    held_out_parts: int
    held_out_characters: int
    train: Amount = Amount()
    held_out: Amount = Amount()

    @property
    def held_out_share(self) -> float:
        """Share of the characters that is held out."""
        return self.held_out_characters / max(1, self.characters)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Take the values of `dataclasses.asdict`, read back.

        Raises:
            KeyError, TypeError: It is something else.
        """
        read = dict(stored)
        for split in Split:
            read[str(split)] = Amount(**stored[str(split)])
        read["files"] = tuple(SourceFile(**file) for file in stored["files"])
        return cls(**read)


@dataclass(frozen=True)
class Manifest:
    """What a directory holds.

    Attributes:
        settings: How it was made.
        vocabulary: Digest of the tokenizer's vocabulary and normalisation.
        vocab_size: Tokens of the vocabulary.
        sources: Where the text comes from; sequences name them by number.
        shards: What there is of both splits.
    """

    settings: PreparationSettings
    vocabulary: str
    vocab_size: int
    sources: tuple[SourceRecord, ...]
    shards: tuple[ShardRecord, ...]

    def of(self, split: Split) -> Iterator[ShardRecord]:
        """Yield the shards of a split, in order."""
        return (shard for shard in self.shards if shard.split is split)

    def total(self, split: Split) -> Amount:
        """Say how much there is of a split."""
        return sum((shard.total for shard in self.of(split)), Amount())

    def to_json(self) -> str:
        """Return the content of manifest.json."""
        content = {
            "format": FORMAT,
            "settings": self.settings.as_json(),
            "vocabulary": self.vocabulary,
            "vocab_size": self.vocab_size,
            "sources": [dataclasses.asdict(source) for source in self.sources],
            "shards": [shard.as_json() for shard in self.shards],
        }
        return json.dumps(content, indent=1) + "\n"

    def digest(self) -> str:
        """Return a digest of all data, for fingerprints; the data themselves are not read."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read the manifest of a directory.

        Raises:
            InputError: There is none, it is damaged, or it is of a format that is not known.
        """
        path = directory / MANIFEST_FILE
        if not path.is_file():
            raise InputError(
                f"{directory} has no {MANIFEST_FILE}, so it holds no prepared data or they are not "
                "finished; make them with `mobilebert prepare-pretraining`."
            )
        try:
            stored = read_json(path)
            if stored.get("format") != FORMAT:
                raise InputError(
                    f"{path} has the format {stored.get('format')!r}, and this version reads "
                    f"{FORMAT}; prepare the data again."
                )
            return cls(
                PreparationSettings.from_json(stored["settings"]),
                str(stored["vocabulary"]),
                int(stored["vocab_size"]),
                tuple(SourceRecord.from_json(source) for source in stored["sources"]),
                tuple(ShardRecord.from_json(shard) for shard in stored["shards"]),
            )
        except MobileBertError as error:
            raise InputError(str(error)) from None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{path} is damaged ({error}); prepare the data again.") from None
