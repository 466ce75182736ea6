"""Sentences of tagged words to examples: the first token of each word has the word's tag."""

from collections.abc import Iterable

from mobilebert.datasets.items import TaggedItem
from mobilebert.datasets.problems import ProblemKind, RowError
from mobilebert.pipelines.encoding import (
    SequenceBuilder,
    TokenizedText,
    check_text,
    head_and_tail,
)
from mobilebert.pipelines.windows import default_overlap, window_ranges
from mobilebert.training.encoder import (
    IGNORED,
    Encoder,
    EncodingOptions,
    Noted,
    checked_tokens,
    require_offsets,
)
from mobilebert.training.examples import NewExample
from mobilebert.training.labels import LabelNames, number_of
from mobilebert.training.long_texts import LongText

__all__ = ["TagsEncoder", "first_tokens"]


def first_tokens(words: Iterable[int | None]) -> dict[int, int]:
    """Find where each word begins.

    Args:
        words: The word of each token.

    Returns:
        Place of a word's first token -> the word. Words without tokens are not there.
    """
    first: dict[int, int] = {}
    for place, word in enumerate(words):
        if word is not None:
            first.setdefault(word, place)
    return {place: word for word, place in first.items()}


class TagsEncoder(Encoder[TaggedItem]):
    """Tagged sentences: the target is a tag for each token, -100 where it begins no word."""

    needs_offsets = True
    splits_words = True

    def __init__(
        self, builder: SequenceBuilder, options: EncodingOptions, labels: LabelNames = ()
    ) -> None:
        super().__init__(builder, options, labels)
        require_offsets(builder.tokenizer, "token-classification")

    def texts(self, item: TaggedItem) -> list[list[str]]:
        """List the words, as one text."""
        if len(item.words) != len(item.tags):
            raise RowError(
                ProblemKind.BAD_TAGS,
                f"There are {len(item.words)} words, but {len(item.tags)} tags.",
            )
        if not item.words:
            raise RowError(ProblemKind.EMPTY_TEXT, "There are no words.")
        return [[check_text(word, "word") for word in item.words]]

    def encode(
        self, item: TaggedItem, tokens: list[TokenizedText], number: int
    ) -> list[NewExample]:
        """Make one example, or one for each window."""
        ids = checked_tokens(tokens[0], "sentence")
        tags = [number_of(tag, self.numbers) for tag in item.tags]
        first = first_tokens(tokens[0].words or ())
        targets = [tags[first[place]] if place in first else IGNORED for place in range(len(ids))]
        parts = self._parts(len(ids))
        self.note_length(len(ids))
        self.summary.noted[Noted.DROPPED_WORDS] += len(tags) - len(first)
        return [
            NewExample(
                [self.builder.build([ids[place] for place in part])],
                [IGNORED, *(targets[place] for place in part), IGNORED],
                number,
                window,
            )
            for window, part in enumerate(parts)
        ]

    def _parts(self, length: int) -> list[Iterable[int]]:
        room = self.builder.room(self.options.max_length)
        self.summary.noted[Noted.LONG] += length > room
        if self.options.long_text is LongText.TRUNCATE:
            return [range(min(length, room))]
        if self.options.long_text is LongText.HEAD_TAIL:
            return [head_and_tail(length, room)]
        stride = self.options.stride
        return list(
            window_ranges(length, room, default_overlap(room) if stride is None else stride)
        )
