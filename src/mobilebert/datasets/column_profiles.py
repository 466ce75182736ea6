"""What stands in a column: texts, classes, numbers."""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

__all__ = ["FLAGS", "Profile"]

# A class is named with a word or a few.
_LONGEST_CLASS = 40
_MOST_CLASSES = 200
# Texts have more words than names do.
_WORDS_OF_A_TEXT = 2.0
# Beyond that, other values are mistakes.
_MOST = 0.9

FLAGS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
"""What says that a label is there, or not."""


class Profile:
    """What the values of a column are like.

    Args:
        name: The column.
        values: Its first values.
    """

    def __init__(self, name: str, values: Sequence[Any]) -> None:
        self.name = name
        texts = [str(value).strip() for value in values if value is not None]
        self._values = [text for text in texts if text]
        self._total = len(values)
        self._complete = len(self._values) == len(values)

    @cached_property
    def length(self) -> float:
        """Characters in a value, on average."""
        return sum(map(len, self._values)) / max(1, len(self._values))

    @cached_property
    def _different(self) -> set[str]:
        return set(self._values)

    @cached_property
    def _numbers(self) -> list[float]:
        try:
            return [float(value) for value in self._values]
        except ValueError:
            return []

    @property
    def is_text(self) -> bool:
        """Whether it has sentences: several words, or beyond ASCII several characters."""
        if not self._values or self._numbers:
            return False
        words = sum(
            len(value.split()) if value.isascii() else max(len(value.split()), len(value) / 3)
            for value in self._values
        )
        often = len(self._different) * 3 < len(self._values) and len(self._values) > 9
        return words / len(self._values) > _WORDS_OF_A_TEXT and not often

    @property
    def is_class(self) -> bool:
        """Whether it has few different, short values, and one in each row."""
        few = min(_MOST_CLASSES, max(2, len(self._values) // 4))
        return (
            self._complete
            and 0 < len(self._different) <= few
            and max(map(len, self._different)) <= _LONGEST_CLASS
        )

    @property
    def varies(self) -> bool:
        """Whether it has several values."""
        return len(self._different) > 1

    @property
    def counts_classes(self) -> bool:
        """Whether the values are the numbers of classes, from 0 or 1 without a gap."""
        numbers = sorted(set(self._numbers))
        start = numbers[0] if numbers else 0
        return len(numbers) > 1 and start in (0, 1) and numbers == list(_count(start, numbers))

    @property
    def is_flag(self) -> bool:
        """Whether the values are 0 or 1, true or false, but for a few mistakes."""
        flags = sum(value.lower() in FLAGS for value in self._values)
        return flags > _MOST * self._total

    @property
    def is_measure(self) -> bool:
        """Whether it has numbers that do not just count the rows."""
        if not self._complete or not self._numbers:
            return False
        if not all(map(math.isfinite, self._numbers)):
            return False
        steps = {
            after - before for before, after in zip(self._numbers, self._numbers[1:], strict=False)
        }
        return steps != {1.0}


def _count(start: float, numbers: Sequence[float]) -> list[float]:
    return [start + place for place in range(len(numbers))]
