"""What a report says about data."""

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import numpy.typing as npt

__all__ = ["EXAMPLES_KEPT", "DataFile", "DataSummary", "LengthBin", "ProblemKind"]

EXAMPLES_KEPT = 100
"""Rows of one problem that a report names; all are counted."""


# Share of the items whose lengths are drawn to scale.
_USUAL = 0.99


@dataclass(kw_only=True)
class DataFile:
    """A file that was read.

    Attributes:
        path: Its name; of several files that were read as one, all with commas between.
        role: ``train`` or ``dev``.
        rows: Rows in it.
        used: Rows that became items.
        facts: How it was read, in sentences: encoding, delimiter, columns.
        names: The names of the files without directories.
    """

    path: str
    role: str = "train"
    rows: int = 0
    used: int = 0
    facts: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class ProblemKind:
    """Rows that have the same thing wrong with them.

    Attributes:
        kind: What is wrong.
        count: Rows.
        examples: The first hundred: the place and the reason.
        skipped: Whether they were left out.
    """

    kind: str
    count: int
    examples: list[str] = field(default_factory=list)
    skipped: bool = True


@dataclass(kw_only=True)
class LengthBin:
    """Items of similar length.

    Attributes:
        least: Shortest length that counts here, in tokens.
        most: Longest that does.
        count: Items.
    """

    least: int
    most: int
    count: int

    @classmethod
    def over(cls, lengths: npt.ArrayLike, bins: int = 24) -> list[Self]:
        """Count lengths in bins of equal width, and a last one for what is much longer.

        Args:
            lengths: In tokens, [items].
            bins: How many at most.

        Returns:
            From the shortest length to the longest; nothing for no lengths.
        """
        found = np.asarray(lengths, np.int64)
        if not found.size:
            return []
        first, longest = int(found.min()), int(found.max())
        usual = int(np.quantile(found, _USUAL))
        # A single long one would make the others one bin.
        few = longest > 2 * usual
        end = usual if few else longest
        width = (end - first) // (bins - few) + 1
        last = (end - first) // width + few
        counts = np.bincount(np.minimum((found - first) // width, last)).tolist()
        starts = (first + width * place for place in range(len(counts)))
        made = [
            cls(least=start, most=start + width - 1, count=count)
            for start, count in zip(starts, counts, strict=True)
        ]
        return [*made[:-1], replace(made[-1], most=max(made[-1].most, longest))]


@dataclass(kw_only=True)
class DataSummary:
    """The data.

    Attributes:
        files: What was read.
        train_items: Items to train on.
        dev_items: Items to judge by.
        split: How dev items were set apart or drawn; empty where all of a file are used.
        problems: Rows that could not be used as they were, by kind.
        train_labels: How often each label occurs in what is trained on.
        dev_labels: How often each occurs in what is judged by.
        lengths: Lengths of the items trained on before they are cut, special tokens included.
        token_limit: Longest input that is trained on, in tokens; None for no limit.
        long_items: Items longer than this.
        long_text: What is done with them: ``window``, ``head_tail``, ``truncate`` or
            ``blocks``.
        pairs: Whether items are pairs of texts.
        leaks: Dev items whose text (of questions, the context) stands in train as well.
        leak_examples: Some of them.
    """

    files: list[DataFile] = field(default_factory=list)
    train_items: int = 0
    dev_items: int = 0
    split: str = ""
    problems: list[ProblemKind] = field(default_factory=list)
    train_labels: dict[str, int] = field(default_factory=dict)
    dev_labels: dict[str, int] = field(default_factory=dict)
    lengths: list[LengthBin] = field(default_factory=list)
    token_limit: int | None = None
    long_items: int = 0
    long_text: str = ""
    pairs: bool = False
    leaks: int = 0
    leak_examples: list[str] = field(default_factory=list)
