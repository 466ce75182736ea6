"""Reading prepared data: sequences by number, from files mapped into memory."""

import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from mobilebert.corpora.manifest import Manifest, Split
from mobilebert.corpora.masking import Drawing, Masking
from mobilebert.corpora.settings import MaskingTime
from mobilebert.corpora.shards import NO_PAIR, array_file, check_files, read_sequences
from mobilebert.corpora.vocabulary_digest import vocabulary_digest
from mobilebert.errors import ArgumentError, InputError

__all__ = ["PreparedCorpus", "PreparedSequence"]

# A mapped file keeps a descriptor open, and systems allow 1,024 (256 on macOS).
_OPEN_FILES = 128


@dataclass(frozen=True, slots=True)
class PreparedSequence:
    """A sequence to pre-train on: ``[CLS] A [SEP] B [SEP]``, or ``[CLS] A [SEP]``.

    Attributes:
        ids: Token ids, int32 [T]. They have masks if those were drawn when the data were made.
        types: 0 for the first segment with its special tokens, 1 for the second, int32 [T].
        follows: Whether the second segment follows the first; None for a single segment.
        source: Number of the source.
        places: Which tokens are to be found, int32 [M]; None where masks are drawn when read.
        wanted: The ids that stood there, int32 [M]; None where masks are drawn when read.
    """

    ids: NDArray[np.int32]
    types: NDArray[np.int32]
    follows: bool | None
    source: int
    places: NDArray[np.int32] | None = None
    wanted: NDArray[np.int32] | None = None


class PreparedCorpus(Sequence[PreparedSequence]):
    """The sequences of a split of prepared data, in the order in which they were written.

    Sources and lengths are in memory, 13 bytes for each sequence; tokens stay on disk.

    Attributes:
        directory: Where it is.
        split: Which split it is.
        manifest: What the directory holds.
        lengths: Tokens of each sequence, int32 [N].
        sources: Number of the source of each, uint16 [N].
        follows: Whether its second segment follows, 0 or 1; -1 for a single segment, int8 [N].
        source_names: Names of the sources, by number.
    """

    def __init__(self, directory: Path, manifest: Manifest, split: Split) -> None:
        self.directory, self.manifest, self.split = directory, manifest, split
        self._shards = [shard for shard in manifest.of(split) if shard.total.sequences]
        for shard in self._shards:
            check_files(directory, shard)
        known = [read_sequences(directory, shard) for shard in self._shards]
        totals = [shard.total for shard in self._shards]
        self._ends = np.cumsum([total.sequences for total in totals], dtype=np.int64)
        self.lengths = _joined(
            [
                np.diff(part["start"], append=np.uint32(total.tokens)).astype(np.int32)
                for part, total in zip(known, totals, strict=True)
            ],
            np.int32,
        )
        self.sources = _joined([part["source"] for part in known], np.uint16)
        self.follows = _joined([part["follows"] for part in known], np.int8)
        self.source_names = tuple(source.name for source in manifest.sources)
        self._starts = _joined([part["start"] for part in known], np.uint32)
        self._first = _joined([part["first"] for part in known], np.uint16)
        self._masked: NDArray[np.uint32] | None = None
        if manifest.settings.masking is MaskingTime.STATIC:
            self._masked = _joined([part["masked"] for part in known], np.uint32)
        self._open: OrderedDict[str, NDArray[Any]] = OrderedDict()

    @classmethod
    def open(cls, directory: str | os.PathLike[str], split: str = Split.TRAIN) -> Self:
        """Open a split of prepared data.

        Args:
            directory: What `mobilebert.prepare_pretraining` wrote.
            split: ``"train"`` or ``"held_out"``.

        Raises:
            InputError: There are no such data, they are not finished, or a file was truncated,
                exchanged or damaged.
        """
        try:
            chosen = Split(split.replace("-", "_"))
        except ValueError:
            words = " or ".join(repr(str(word)) for word in Split)
            raise InputError(f"A split is {words}, not {split!r}.") from None
        manifest = Manifest.read(Path(directory))
        corpus = cls(Path(directory), manifest, chosen)
        if not len(corpus):
            raise InputError(
                f"{directory} has no {chosen.replace('_', '-')} sequences (it was prepared with "
                f"--held-out {manifest.settings.held_out:g}); prepare the data again with another "
                "share."
            )
        return corpus

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, index: int) -> PreparedSequence: ...

    @overload
    def __getitem__(self, index: slice) -> list[PreparedSequence]: ...

    def __getitem__(self, index: int | slice) -> PreparedSequence | list[PreparedSequence]:
        if isinstance(index, slice):
            return [self._read(place) for place in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"There are {len(self):,} sequences; {index} is none of them.")
        return self._read(int(index) % len(self))

    def _read(self, index: int) -> PreparedSequence:
        shard = int(np.searchsorted(self._ends, index, side="right"))
        start, length = int(self._starts[index]), int(self.lengths[index])
        ids = self._array(shard, "tokens")[start : start + length].astype(np.int32)
        types = np.zeros(length, np.int32)
        types[self._first[index] :] = 1
        follows = int(self.follows[index])
        places = wanted = None
        if self._masked is not None:
            first = int(self._masked[index])
            last = self._last_mask(index, shard)
            places = self._array(shard, "places")[first:last].astype(np.int32)
            wanted = self._array(shard, "wanted")[first:last].astype(np.int32)
        return PreparedSequence(
            ids,
            types,
            None if follows == NO_PAIR else bool(follows),
            int(self.sources[index]),
            places,
            wanted,
        )

    def _last_mask(self, index: int, shard: int) -> int:
        assert self._masked is not None  # asked for static masks alone
        if index + 1 < self._ends[shard]:
            return int(self._masked[index + 1])
        return len(self._array(shard, "places"))

    def _array(self, shard: int, name: str) -> NDArray[Any]:
        file = array_file(self._shards[shard].name, name)
        array = self._open.get(file)
        if array is None:
            array = self._open[file] = self._mapped(file)
            if len(self._open) > _OPEN_FILES:
                self._open.popitem(last=False)
        self._open.move_to_end(file)
        return array

    def _mapped(self, file: str) -> NDArray[Any]:
        try:
            array: NDArray[Any] = np.load(self.directory / file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise InputError(f"Cannot read {self.directory / file}: {error}.") from None
        return array.view(np.ndarray)  # slices of a memmap are slow: they look for the file's name

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": OrderedDict()}

    def digest(self) -> str:
        """Return a digest of the data and their split, for fingerprints of runs."""
        return f"{self.manifest.digest()}-{self.split}"

    def check_vocabulary(self, tokenizer: Any) -> None:
        """Refuse a tokenizer that gives other ids than the one the data were prepared with.

        Raises:
            InputError: It does; the message has both digests.
        """
        digest = vocabulary_digest(tokenizer)
        if digest != self.manifest.vocabulary:
            raise InputError(
                f"{self.directory} was prepared with another vocabulary or other normalisation "
                f"(digest {self.manifest.vocabulary[:16]}, {self.manifest.vocab_size:,} tokens) "
                f"than the tokenizer given (digest {digest[:16]}, {len(tokenizer):,} tokens). "
                "Prepare the data again with --tokenizer set to this model, or take the tokenizer "
                "they were prepared with."
            )

    def masking(self, tokenizer: Any, vocab_size: int) -> Masking:
        """Return how words are masked when sequences are read, as the data were prepared for.

        Args:
            tokenizer: Their tokenizer.
            vocab_size: Rows of the model's vocabulary.

        Raises:
            ArgumentError: Masks were drawn when the data were made.
            InputError: As `Masking.of`.
        """
        settings = self.manifest.settings
        if settings.masking is MaskingTime.STATIC:
            raise ArgumentError(
                f"The masks of {self.directory} were drawn when it was made (--masking static); "
                "each sequence has them as places and wanted."
            )
        return Masking.of(
            tokenizer,
            vocab_size,
            share=settings.masked_share,
            whole_words=settings.whole_words,
            drawing=Drawing.EXACT,
            max_masked=settings.max_masked,
        )


def _joined(parts: list[NDArray[Any]], kind: Any) -> NDArray[Any]:
    return np.concatenate(parts).astype(kind, copy=False) if parts else np.empty(0, kind)
