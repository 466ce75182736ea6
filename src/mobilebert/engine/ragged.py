"""Texts one behind the other, without padding: what the engine reads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.errors import InputError
from mobilebert.reference import PadNeighbor

__all__ = ["RaggedBatch"]

IntArray = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class RaggedBatch:
    """The real tokens of several texts.

    Attributes:
        ids: Token ids, [T].
        positions: Row of the position table, [T].
        types: Segment ids, [T].
        following: Id of the next neighbour in the trigram, [T]; -1 for zeros.
        previous: Id of the previous neighbour, [T]; -1 for zeros.
        starts: Where each text starts and the last ends, [texts + 1].
    """

    ids: IntArray
    positions: IntArray
    types: IntArray
    following: IntArray
    previous: IntArray
    starts: IntArray

    @classmethod
    def from_rows(cls, rows: Any, types: Any | None = None) -> "RaggedBatch":
        """Join texts of any lengths.

        Args:
            rows: Token ids of each text.
            types: Segment ids of each text; zeros by default.

        Raises:
            InputError: A text is no list of whole numbers, or segments have other lengths.
        """
        texts = _texts("input_ids", rows)
        lengths = [len(text) for text in texts]
        ids = np.concatenate([np.empty(0, np.int64), *texts])
        segments = np.zeros_like(ids)
        if types is not None:
            given = _texts("token_type_ids", types)
            if [len(text) for text in given] != lengths:
                raise InputError("token_type_ids must have the lengths of input_ids.")
            segments = np.concatenate([segments[:0], *given])
        starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        owner = np.repeat(np.arange(len(texts)), lengths)
        following, previous = np.full_like(ids, -1), np.full_like(ids, -1)
        same = owner[1:] == owner[:-1]
        following[:-1][same] = ids[1:][same]
        previous[1:][same] = ids[:-1][same]
        return cls(ids, np.arange(len(ids)) - starts[owner], segments, following, previous, starts)

    def parts(
        self, tokens: int, wanted: IntArray | None
    ) -> Iterator[tuple["RaggedBatch", IntArray]]:
        """Cut the batch into batches of whole texts.

        Args:
            tokens: How many tokens a part has at most, unless a single text is longer.
            wanted: Rows of this batch, rising; all by default.

        Yields:
            A part, and the wanted rows of it, counted in it.
        """
        starts, first = self.starts, 0
        while first < len(starts) - 1:
            room = starts[first] + tokens
            end = max(first + 1, int(np.searchsorted(starts, room, side="right")) - 1)
            low, high = int(starts[first]), int(starts[end])
            rows = slice(low, high)
            part = RaggedBatch(
                self.ids[rows],
                self.positions[rows],
                self.types[rows],
                self.following[rows],
                self.previous[rows],
                starts[first : end + 1] - starts[first],
            )
            if wanted is None:
                chosen: IntArray = np.arange(high - low)
            else:
                chosen = wanted[(wanted >= low) & (wanted < high)] - low
            yield part, chosen
            first = end

    def rows_of(self, pairs: IntArray) -> IntArray:
        """Return the rows of (text, position) pairs, [M, 2].

        Raises:
            InputError: A pair is outside its text.
        """
        texts, places = pairs[:, 0], pairs[:, 1]
        lengths = np.diff(self.starts)
        if ((texts < 0) | (texts >= len(lengths))).any() or (
            (places < 0) | (places >= lengths[texts])
        ).any():
            raise InputError("positions holds a pair outside the texts.")
        rows: IntArray = self.starts[texts] + places
        return rows

    @classmethod
    def from_padded(
        cls,
        input_ids: IntArray,
        attention_mask: IntArray,
        token_type_ids: IntArray,
        pad_neighbor: PadNeighbor = PadNeighbor.ZERO,
    ) -> "RaggedBatch":
        """Take the real tokens out of padded rows; positions are those of the padded row.

        Args:
            input_ids: Token ids, [B, S].
            attention_mask: 1 for tokens, 0 for padding, [B, S].
            token_type_ids: Segment ids, [B, S].
            pad_neighbor: What a padding neighbour contributes to the trigram.
        """
        real = attention_mask != 0
        neighbours = input_ids
        if pad_neighbor is PadNeighbor.ZERO:
            neighbours = np.where(real, input_ids, -1)
        following, previous = np.full_like(neighbours, -1), np.full_like(neighbours, -1)
        following[:, :-1] = neighbours[:, 1:]
        previous[:, 1:] = neighbours[:, :-1]
        positions = np.broadcast_to(np.arange(input_ids.shape[1]), input_ids.shape)
        starts = np.concatenate([[0], np.cumsum(real.sum(axis=1))])
        return cls(
            input_ids[real],
            positions[real],
            token_type_ids[real],
            following[real],
            previous[real],
            starts,
        )


def _texts(name: str, rows: Any) -> list[npt.NDArray[np.int64]]:
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise InputError(
            f"{name} must be a list of texts (lists of token ids) or a padded array, not "
            f"{rows!r:.80}."
        )
    texts = []
    for number, row in enumerate(rows):
        try:
            text = np.asarray(row if len(row) else np.empty(0, np.int64))
        except (TypeError, ValueError):
            text = np.asarray(None)
        if text.ndim != 1 or not np.issubdtype(text.dtype, np.integer):
            raise InputError(f"{name}[{number}] must be a list of whole numbers, not {row!r:.80}.")
        texts.append(text.astype(np.int64))
    return texts
