"""Sequences one behind the other, without padding: what training reads.

Dimensions: B sequences, T tokens of all sequences together, N heads, D head size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mobilebert.errors import InputError

__all__ = ["AttentionGroup", "AttentionLayout", "PackedBatch", "pack"]

IntArray = npt.NDArray[np.int64]

# Squared lengths of a group: its scores, four heads of float32, then stay in a cache of 2 MiB.
_GROUP_SQUARES = 1 << 17
# How much longer than a group's shortest sequence its longest may be, and what padding costs less
# than another group: squared lengths beyond the sequences' own.
_LONGER_SHARE, _CHEAP_SQUARES = 1.25, 1 << 14


@dataclass(frozen=True)
class AttentionGroup:
    """Sequences of similar length, padded among themselves for attention alone.

    Attributes:
        first: Row of the padded buffer where the group starts.
        count: Number of sequences.
        length: Of the longest.
        mask: What is added to the scores, [count, 1, 1, length]; None if all are equally long.
    """

    first: int
    count: int
    length: int
    mask: Tensor | None


@dataclass(frozen=True)
class AttentionLayout:
    """Where the rows of a packed batch stand while it attends.

    The buffer holds for each group its [count, N, length] rows of D numbers.

    Attributes:
        heads: N.
        slots: The row of [T * N, D] that each row of the buffer holds, [P]; 0 for padding.
        places: The row of the buffer that holds each row of [T * N, D], [T * N].
        padding: Which rows of the buffer hold nothing, [P, 1]; None where all hold something.
        groups: The groups.
        order: The number of each sequence in the batch, group by group.
        starts: The first row of each sequence, and the number of rows, [B + 1].
    """

    heads: int
    slots: Tensor
    places: Tensor
    padding: Tensor | None
    groups: tuple[AttentionGroup, ...]
    order: tuple[int, ...]
    starts: npt.NDArray[np.int32]

    @cached_property
    def joint_slots(self) -> Tensor:
        """The row of [T * 3 * N, D], queries, keys and values, that three buffers hold, [3 * P]."""
        token, head = self.slots // self.heads, self.slots % self.heads
        first = 3 * self.heads * token + head
        return torch.cat([first + part * self.heads for part in range(3)])

    @cached_property
    def joint_places(self) -> Tensor:
        """The row of three buffers that holds each row of [T * 3 * N, D], [T * 3 * N]."""
        places = self.places.view(-1, self.heads)
        parts = [places + part * len(self.slots) for part in range(3)]
        return torch.stack(parts, dim=1).flatten()


@dataclass(frozen=True)
class PackedBatch:
    """Token ids of several sequences, one sequence behind the other.

    Attributes:
        ids: Token ids, [T].
        types: Segment ids, [T].
        positions: Rows of the position table, [T].
        lengths: Tokens of each sequence, [B].
    """

    ids: Tensor
    types: Tensor
    positions: Tensor
    lengths: tuple[int, ...]

    def to(self, device: torch.device | str) -> Self:
        """Return the batch on a device."""
        ids, types, positions = (x.to(device) for x in (self.ids, self.types, self.positions))
        return type(self)(ids, types, positions, self.lengths)

    @cached_property
    def first(self) -> Tensor:
        """The row of each sequence's first token, [B]."""
        return self._on_device(self._starts)

    @cached_property
    def neighbours(self) -> tuple[Tensor, Tensor]:
        """The rows of the next and the previous token, [T] each; T where there is none."""
        total = len(self.ids)
        following, previous = np.arange(1, total + 1), np.arange(-1, total - 1)
        following[self._starts + np.asarray(self.lengths) - 1] = total
        previous[self._starts] = total
        return self._on_device(following), self._on_device(previous)

    @cached_property
    def _starts(self) -> IntArray:
        lengths = np.asarray(self.lengths, np.int64)
        starts: IntArray = np.cumsum(lengths) - lengths
        return starts

    @cached_property
    def _layouts(self) -> dict[int, AttentionLayout]:
        return {}

    def layout(self, heads: int) -> AttentionLayout:
        """Return where rows stand in the attention of a layer with some number of heads."""
        if heads not in self._layouts:
            self._layouts[heads] = self._new_layout(heads)
        return self._layouts[heads]

    def _new_layout(self, heads: int) -> AttentionLayout:
        lengths = np.asarray(self.lengths)
        order = np.argsort(-lengths, kind="stable")
        slots, groups, first = [], [], 0
        for members in _groups(order, lengths):
            own, longest = lengths[members], int(lengths[members[0]])
            within = np.arange(longest)
            real = within < own[:, None]
            tokens = np.where(real, self._starts[members][:, None] + within, -1)
            # [count, N, length]
            rows = tokens[:, None] * heads + np.arange(heads)[:, None]
            slots.append(np.where(real[:, None], rows, -1).reshape(-1))
            added = np.where(real, 0.0, -np.inf)[:, None, None].astype(np.float32)
            mask = None if real.all() else self._on_device(added)
            groups.append(AttentionGroup(first, len(members), longest, mask))
            first += slots[-1].size
        rows = np.concatenate(slots)
        places = np.empty(len(self.ids) * heads, np.int64)
        places[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
        padding = None if (rows >= 0).all() else self._on_device(rows[:, None] < 0)
        return AttentionLayout(
            heads,
            self._on_device(np.maximum(rows, 0)),
            self._on_device(places),
            padding,
            tuple(groups),
            tuple(int(number) for number in order),
            np.append(self._starts, len(self.ids)).astype(np.int32),
        )

    def _on_device(self, array: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.ids.device)


def _groups(order: IntArray, lengths: IntArray) -> Iterator[IntArray]:
    """Cut sequences, the longest first, where they get too short or too many."""
    start = 0
    while start < len(order):
        longest = int(lengths[order[start]])
        most = max(1, _GROUP_SQUARES // longest**2)
        rest = lengths[order[start : start + most]]
        cheap = np.cumsum(longest**2 - rest**2) <= _CHEAP_SQUARES
        fits = cheap | (longest <= rest * _LONGER_SHARE)
        end = start + int(fits.sum())  # lengths fall, so those that fit come first
        yield order[start:end]
        start = end


def pack(
    sequences: Sequence[Any],
    types: Sequence[Any] | None = None,
    *,
    device: torch.device | str = "cpu",
) -> PackedBatch:
    """Put sequences one behind the other.

    Args:
        sequences: Token ids of each sequence: lists, arrays or tensors of whole numbers.
        types: Segment ids of each sequence; zeros by default.
        device: Where the batch is to be.

    Raises:
        InputError: There is no sequence, one is empty or holds no whole numbers, or segments have
            other lengths.
    """
    rows = _rows("sequences", sequences)
    lengths = tuple(len(row) for row in rows)
    if not lengths or not min(lengths):
        raise InputError("A packed batch needs at least one sequence, and tokens in each.")
    ids = np.concatenate(rows)
    segments = np.zeros_like(ids)
    if types is not None:
        given = _rows("types", types)
        if tuple(len(row) for row in given) != lengths:
            raise InputError("types must have the lengths of sequences.")
        segments = np.concatenate(given)
    positions = np.concatenate([np.arange(length) for length in lengths])
    tensors = [torch.from_numpy(x) for x in (ids, segments, positions)]
    return PackedBatch(tensors[0], tensors[1], tensors[2], lengths).to(device)


def _rows(name: str, sequences: Sequence[Any]) -> list[IntArray]:
    rows = []
    for number, sequence in enumerate(sequences):
        row = np.asarray(sequence)
        if row.ndim != 1 or not (np.issubdtype(row.dtype, np.integer) or not row.size):
            raise InputError(
                f"{name}[{number}] must be a list of whole numbers, not {sequence!r:.80}."
            )
        rows.append(row.astype(np.int64))
    return rows
