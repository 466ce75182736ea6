"""Texts and pairs of texts to examples: classes, several labels at once, numbers."""

from abc import abstractmethod
from math import isfinite

from mobilebert.datasets.items import TextItem
from mobilebert.datasets.problems import ProblemKind, RowError
from mobilebert.pipelines.encoding import (
    ModelInput,
    SequenceBuilder,
    TokenizedText,
    check_text,
)
from mobilebert.pipelines.text_windows import text_rows
from mobilebert.training.encoder import Encoder, EncodingOptions, Noted, checked_tokens
from mobilebert.training.examples import NewExample
from mobilebert.training.labels import number_of
from mobilebert.training.long_texts import LongText

__all__ = ["ClassEncoder", "LabelsEncoder", "NumberEncoder", "pair_rows"]

_WAY_OUT = f"choose --long-text {LongText.TRUNCATE}"


def pair_rows(
    builder: SequenceBuilder, first: list[int], second: list[int] | None, options: EncodingOptions
) -> list[ModelInput]:
    """Build the sequences of a text or a pair.

    With `LongText.HEAD_TAIL` each text of a pair keeps as many tokens as it would if the longer one
    were cut first.

    Args:
        builder: Builds sequences.
        first: Ids of the text.
        second: Ids of its pair, or None.
        options: How long texts are read.

    Raises:
        InputError: Both texts of a pair are too long for windows.
    """
    return text_rows(builder, first, second, options.lengths, options.stride, _WAY_OUT)


class _TextEncoder(Encoder[TextItem]):
    """Makes an example of a text, or of each of its windows, all with the text's target."""

    @abstractmethod
    def target(self, item: TextItem) -> list[float]:
        """Return what is wanted.

        Raises:
            RowError: The item does not say it.
        """

    def texts(self, item: TextItem) -> list[str]:
        """List the one or two texts."""
        first = check_text(item.text)
        return [first] if item.pair is None else [first, check_text(item.pair, "second text")]

    def encode(self, item: TextItem, tokens: list[TokenizedText], number: int) -> list[NewExample]:
        """Make one example, or one for each window."""
        target = self.target(item)
        names = ("text", "second text")
        first, *rest = (checked_tokens(*pair) for pair in zip(tokens, names, strict=False))
        second = rest[0] if rest else None
        rows = pair_rows(self.builder, first, second, self.options)
        room = self.builder.room(self.options.max_length, pair=second is not None)
        length = len(first) + len(second or ())
        self.note_length(length, pair=second is not None)
        self.summary.noted[Noted.LONG] += length > room
        return [NewExample([row], target, number, window) for window, row in enumerate(rows)]


class ClassEncoder(_TextEncoder):
    """Texts with one of several classes: the target is its number."""

    def target(self, item: TextItem) -> list[float]:
        """Return the number of the class."""
        if item.label is None:
            raise RowError(ProblemKind.MISSING_LABEL, "There is no label.")
        return [number_of(str(item.label), self.numbers)]


class LabelsEncoder(_TextEncoder):
    """Texts with any number of labels: the target is 1 for those that hold, else 0."""

    float_targets = True

    def target(self, item: TextItem) -> list[float]:
        """Return 1 or 0 for each label."""
        if not isinstance(item.label, tuple):
            raise RowError(ProblemKind.MISSING_LABEL, "There are no labels.")
        held = {number_of(name, self.numbers) for name in item.label}
        return [float(number in held) for number in range(len(self.numbers))]


class NumberEncoder(_TextEncoder):
    """Texts with a number: the target is the number."""

    float_targets = True

    def target(self, item: TextItem) -> list[float]:
        """Return the number."""
        if not isinstance(item.label, (int, float)) or not isfinite(item.label):
            raise RowError(ProblemKind.NOT_A_NUMBER, f"The label {item.label!r} is no number.")
        return [float(item.label)]
