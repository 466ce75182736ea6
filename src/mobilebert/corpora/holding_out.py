"""Which text is kept to judge by: decided by the text alone, before anything is trained on.

Neither the seed nor any other setting than the share changes it, so data prepared again for
another model hold out the same documents.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mobilebert.corpora.text_sources import TextSource
from mobilebert.errors import InputError

__all__ = ["Window", "choose_held_out"]

# Less text than this says nothing about a source: about a sequence.
_LEAST_CHARACTERS = 400
# Paragraphs of more than so many times what is wanted of a source are parted, and those that are
# half of it: they would take from training what they are too much.
_LONGEST_SHARES = 10
# Characters among which the end of a word is looked for.
_WORD = 100


@dataclass(frozen=True)
class Window:
    """What is held out of a document: characters from `start` to `end`, in whole paragraphs.

    Attributes:
        start: The first.
        end: Behind the last.
        whole: Whether it is all of the document.
        longest: Characters of a paragraph at most that is held out for a part of it; longer ones
            are parted.
    """

    start: int
    end: int
    whole: bool
    longest: int

    @property
    def size(self) -> int:
        """Characters, about."""
        return self.end - self.start

    def meets(self, start: int, end: int) -> bool:
        """Tell whether a paragraph of those characters is held out."""
        return start < self.end and end > self.start

    def joined(self, other: "Window | None") -> "Window":
        """Return what is held out if another source holds out some of the same document."""
        if other is None:
            return self
        return Window(
            min(self.start, other.start),
            max(self.end, other.end),
            whole=self.whole or other.whole,
            longest=min(self.longest, other.longest),
        )

    def parts(self, paragraph: str, place: int) -> list[str]:
        """Part a paragraph that is too long, between words where there are some.

        Args:
            paragraph: Its text.
            place: Characters before it in the document.

        Returns:
            What is before, in and behind the window, as far as there is some; or the paragraph.
        """
        length = len(paragraph)
        if self.whole or length <= self.longest or not self.meets(place, place + length):
            return [paragraph]
        start, end = max(0, self.start - place), min(length, self.end - place)
        # Outwards, so that nothing of the window is left on the other side.
        start = paragraph.rfind(" ", max(0, start - _WORD), start) + 1 or start
        end = paragraph.find(" ", end, end + _WORD) + 1 or end
        return [part for part in (paragraph[:start], paragraph[start:end], paragraph[end:]) if part]


def choose_held_out(sources: Sequence[TextSource], share: float) -> Mapping[int, Window]:
    """Choose the text to judge by.

    Of each source, documents are taken in the order of their fingerprints until its share of
    characters is reached. A document that would make it more than twice the share is taken in part:
    a contiguous part somewhere in it. Documents with the same text are treated alike wherever they
    stand, so none is on both sides: what one source chooses is held out of all others too.

    Args:
        sources: All text.
        share: How much of it.

    Returns:
        Fingerprint -> what is held out of documents with that text.

    Raises:
        InputError: There is too little text for that.
    """
    held: dict[int, Window] = {}
    if share == 0:
        return held
    for source in sources:
        if source.characters * share >= _LEAST_CHARACTERS:
            for fingerprint, window in _chosen(source, share):
                held[fingerprint] = window.joined(held.get(fingerprint))
    if not held:
        most = max(source.characters for source in sources)
        raise InputError(
            f"{share:.2%} of the largest source, which has {most:,} characters, are too few to "
            "judge by; give more text, or another --held-out (0 for none)."
        )
    return held


def _chosen(source: TextSource, share: float) -> Iterator[tuple[int, Window]]:
    """Yield what is held out of a source for its own sake, whatever others have of it."""
    # As arrays: a table of all documents would need many times the memory.
    fingerprints, firsts, copies = np.unique(
        np.concatenate([np.frombuffer(file.fingerprints, np.uint64) for file in source.files]),
        return_index=True,
        return_counts=True,
    )
    sizes = np.concatenate([np.frombuffer(file.sizes, np.uint64) for file in source.files])
    characters = source.characters
    wanted, taken = round(characters * share), 0
    longest = min(_LONGEST_SHARES * wanted, characters // 2)
    for place in range(len(fingerprints)):
        if taken >= wanted:
            return
        fingerprint, count = int(fingerprints[place]), int(copies[place])
        size = int(sizes[firsts[place]])
        after = taken + size * count
        if after <= 2 * wanted and after < characters:
            yield fingerprint, Window(0, size, True, longest)
            taken = after
        else:
            part = -(-(wanted - taken) // count)
            # A place in the document that is as random as its fingerprint.
            start = (size - part) * (fingerprint % 2**16) // 2**16
            yield fingerprint, Window(start, start + part, False, longest)
            return
