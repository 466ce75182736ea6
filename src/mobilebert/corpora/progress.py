"""What a person sees while text is read: a bar with characters and time left."""

import sys
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from tqdm import tqdm

__all__ = ["TextBar", "tell"]


def tell(sentences: Iterable[str]) -> None:
    """Write sentences to standard error, above the bar."""
    for sentence in sentences:
        tqdm.write(sentence, file=sys.stderr)


class TextBar:
    """Shows how much text was read, on standard error if that is a terminal.

    Args:
        label: What stands before the bar.
        characters: How many there are; None if that is not known.
        shown: Whether anybody wants to see it.
    """

    def __init__(self, label: str, characters: int | None, *, shown: bool) -> None:
        self._bar = tqdm(
            total=characters,
            desc=label,
            unit="B",
            unit_scale=True,
            disable=None if shown else True,  # None: only on a terminal
            file=sys.stderr,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def read(self, characters: int) -> None:
        """Count some more."""
        self._bar.update(characters)
