"""What a process does with a unit of text: ids, sequences, perhaps masks, and the files."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mobilebert.corpora.blocks import join_unit, plan_blocks
from mobilebert.corpora.manifest import Amount, ShardRecord, Split
from mobilebert.corpora.masking import Drawing, Masking, mask_tokens
from mobilebert.corpora.preparation_directory import PreparationDirectory
from mobilebert.corpora.segments import Vocabulary, segment_unit
from mobilebert.corpora.sequences import PlannedSequence, plan_pairs
from mobilebert.corpora.settings import MaskingTime, PreparationSettings
from mobilebert.corpora.shards import SEQUENCE_FIELDS, ShardArrays, write_shard
from mobilebert.corpora.text_ids import TextIds
from mobilebert.corpora.units import Unit

__all__ = ["ShardMaker"]

_Plans = list[PlannedSequence]


@dataclass(frozen=True)
class _Text:
    """The ids of a unit, what is planned in each pass, and tokens of each source."""

    tokens: NDArray[Any]
    passes: list[_Plans]
    pieces: dict[int, int]


class ShardMaker:
    """Makes the shards of units, each from nothing but its text, the settings and its number.

    Args:
        tokenizer: Gives ids.
        settings: How text becomes sequences.
        directory: Where shards go, and where it is noted that they are finished.
        key: All that decides what becomes of a text, as a text.
    """

    def __init__(
        self,
        tokenizer: Any,
        settings: PreparationSettings,
        directory: PreparationDirectory,
        key: str,
    ) -> None:
        self._settings, self._directory, self._key = settings, directory, key
        self._vocabulary = Vocabulary.of(tokenizer)
        self._text_ids = TextIds(tokenizer)
        self._masking: Masking | None = None
        if settings.masking is MaskingTime.STATIC:
            self._masking = Masking.of(
                tokenizer,
                self._vocabulary.size,
                share=settings.masked_share,
                whole_words=settings.whole_words,
                drawing=Drawing.EXACT,
                max_masked=settings.max_masked,
            )

    def make(self, unit: Unit) -> ShardRecord:
        """Make and write the shard of a unit.

        Raises:
            CheckpointError: It cannot be written.
        """
        text = self._planned(unit)
        made = [self._arrays(text.tokens, plans) for plans in text.passes if plans]
        arrays = self._masked(unit, _joined(made, text.tokens.dtype))
        sources = arrays.sequences["source"]
        lengths = np.diff(arrays.sequences["start"], append=np.uint32(len(arrays.tokens)))
        amounts = {
            source: Amount(
                int((sources == source).sum()),
                int(lengths[sources == source].sum(dtype=np.int64)),
                pieces,
            )
            for source, pieces in sorted(text.pieces.items())
        }
        files = write_shard(self._directory.path, unit.name, arrays)
        shard = ShardRecord(unit.name, unit.split, unit.fingerprint(self._key), amounts, files)
        self._directory.keep(shard)
        return shard

    def _planned(self, unit: Unit) -> _Text:
        settings, vocabulary = self._settings, self._vocabulary
        # What is held out is judged by, not learned: once is enough.
        passes = settings.passes if unit.split is Split.TRAIN else 1
        randoms = [Random(f"{settings.seed} {unit.name} {number}") for number in range(passes)]
        pieces: dict[int, int] = {}
        if settings.next_sentence:
            cut = segment_unit(unit.pieces, self._text_ids, vocabulary, settings.least_room)
            for number, source in enumerate(cut.sources):
                first, last = cut.documents[number : number + 2]
                count = cut.bounds[last] - cut.bounds[first]
                pieces[source] = pieces.get(source, 0) + count
            return _Text(
                cut.tokens, [list(plan_pairs(cut, settings, random)) for random in randoms], pieces
            )
        joined = join_unit(unit.pieces, self._text_ids, vocabulary)
        for start, end, source in joined.runs:
            pieces[source] = pieces.get(source, 0) + end - start
        planned = [
            list(plan_blocks(joined, settings, random, separator=vocabulary.sep, later=number > 0))
            for number, random in enumerate(randoms)
        ]
        return _Text(joined.tokens, planned, pieces)

    def _arrays(self, tokens: NDArray[Any], plans: _Plans) -> ShardArrays:
        """Copy the tokens of planned sequences, and put special tokens around them."""
        plan = np.array(plans, np.int64)  # [N, 6]
        first_start, first_end, second_start, second_end, follows, source = plan.T
        first, second = first_end - first_start, second_end - second_start
        paired = second > 0
        lengths = first + 2 + np.where(paired, second + 1, 0)
        ends = np.cumsum(lengths)
        starts = ends - lengths
        ids = np.empty(int(ends[-1]), tokens.dtype)
        ids[starts] = self._vocabulary.cls
        ids[starts + 1 + first] = self._vocabulary.sep
        ids[ends - 1] = self._vocabulary.sep
        for to, begin, count in (
            (starts + 1, first_start, first),
            (starts + 2 + first, second_start, second),
        ):
            within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
            ids[np.repeat(to, count) + within] = tokens[np.repeat(begin, count) + within]
        sequences = np.zeros(len(plans), SEQUENCE_FIELDS)
        sequences["start"] = starts
        sequences["first"] = first + 2
        sequences["source"] = source
        sequences["follows"] = follows
        return ShardArrays(ids, sequences)

    def _masked(self, unit: Unit, arrays: ShardArrays) -> ShardArrays:
        if self._masking is None:
            return arrays
        seeds = np.random.SeedSequence([self._settings.seed, unit.number, unit.split != "train"])
        generator = np.random.default_rng(seeds)
        tokens, sequences = arrays.tokens.copy(), arrays.sequences.copy()
        places, wanted, count = [], [], 0
        for number, (start, end) in enumerate(_extents(arrays)):
            masked = mask_tokens(tokens[start:end], self._masking, generator)
            tokens[start:end] = masked.ids
            places.append(masked.places)
            wanted.append(masked.wanted)
            sequences["masked"][number] = count
            count += len(masked.places)
        return ShardArrays(
            tokens,
            sequences,
            np.concatenate([np.empty(0, "<u2"), *places]).astype("<u2"),
            np.concatenate([np.empty(0, tokens.dtype), *wanted]).astype(tokens.dtype),
        )


def _extents(arrays: ShardArrays) -> Iterator[tuple[int, int]]:
    starts = arrays.sequences["start"].tolist()
    return zip(starts, [*starts[1:], len(arrays.tokens)], strict=True)


def _joined(parts: list[ShardArrays], kind: "np.dtype[Any]") -> ShardArrays:
    """Put passes one after the other."""
    if not parts:
        return ShardArrays(np.empty(0, kind), np.empty(0, SEQUENCE_FIELDS))
    place = 0
    for part in parts:
        part.sequences["start"] += np.uint32(place)
        place += len(part.tokens)
    return ShardArrays(
        np.concatenate([part.tokens for part in parts]),
        np.concatenate([part.sequences for part in parts]),
    )
