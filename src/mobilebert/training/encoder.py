"""What the encoders of all tasks share: items are read, tokenized and turned into examples."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Any, ClassVar, Generic, TypeVar

from mobilebert.datasets.items import Item
from mobilebert.datasets.problems import Problem, ProblemKind, ProblemLog, RowError
from mobilebert.errors import InputError
from mobilebert.pipelines.encoding import SequenceBuilder, TokenizedText
from mobilebert.pipelines.parameters import LengthOptions, read_choice, read_count
from mobilebert.pipelines.question_windows import MAX_QUESTION_LEN, TUNED_ANSWER_LEN
from mobilebert.training.examples import NewExample
from mobilebert.training.labels import LabelNames
from mobilebert.training.long_texts import LongText

__all__ = [
    "IGNORED",
    "Encoder",
    "EncodingOptions",
    "EncodingSummary",
    "Noted",
    "checked_tokens",
    "require_offsets",
]

# The label that counts nowhere; that of mobilebert.torch.losses, which needs torch.
IGNORED = -100

# Items tokenized at a time: enough for the tokenizer's threads.
_BATCH = 512

# What pipelines call it.
_CUTS = {LongText.WINDOW: None, LongText.HEAD_TAIL: "head_tail", LongText.TRUNCATE: "longest_first"}

# How short a sequence may be made: special tokens of a pair and one token.
_SHORTEST = 4

# What else the shared code of pipelines refuses.
_OTHER = ProblemKind.TOO_LONG

ItemType = TypeVar("ItemType", bound=Item)


class Noted(StrEnum):
    """What is counted while items are encoded; each is the end of "N ... "."""

    LONG = "are longer than what is read at once"
    DROPPED_WORDS = "words have no characters that the tokenizer keeps, and are left out"
    WIDENED_ANSWERS = "answers begin or end inside a token, and are widened to whole tokens"
    LONG_ANSWERS = f"answers are longer than the {TUNED_ANSWER_LEN} tokens that the model will give"
    UNSEEN_ANSWERS = (
        "questions have no answer that lies whole in what is read of the context at once, and are "
        "learned as if they had none"
    )
    CUT_QUESTIONS = f"questions are longer than {MAX_QUESTION_LEN} tokens, and are cut"


# What makes a model worse than its data: reports have it too.
_WARNED = (Noted.LONG_ANSWERS, Noted.UNSEEN_ANSWERS, Noted.CUT_QUESTIONS)


@dataclass(frozen=True, kw_only=True)
class EncodingOptions:
    """How items become examples.

    Attributes:
        max_length: Longest sequence in tokens, special tokens included; by default what the model
            reads, and 384 for questions.
        long_text: What becomes of longer texts.
        stride: Tokens that neighbouring windows share; by default as in pipelines.
    """

    max_length: int | None = None
    long_text: LongText = LongText.WINDOW
    stride: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "long_text", read_choice(LongText, "long_text", self.long_text))
        if self.max_length is not None:
            read_count("max_length", self.max_length, least=_SHORTEST)
        if self.stride is not None:
            read_count("stride", self.stride, least=0)

    @property
    def lengths(self) -> LengthOptions:
        """The same for pipelines: whether texts are cut, and where."""
        return LengthOptions(_CUTS[self.long_text], self.max_length)


@dataclass
class EncodingSummary:
    """What came of encoding.

    Attributes:
        items: Items read.
        examples: Examples made.
        noted: How often something noteworthy was met.
        unanswered: Questions without an answer among them.
        lengths: How many items have which length in tokens, before they are cut; of several choices
            the longest counts.
        problems: Items that no example could be made of.
    """

    items: int = 0
    examples: int = 0
    noted: Counter[Noted] = field(default_factory=Counter)
    unanswered: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    problems: ProblemLog = field(default_factory=ProblemLog)

    def sentences(self, long_text: str, limit: int | None = None) -> list[str]:
        """Say it in sentences for the person.

        Args:
            long_text: What became of long texts, as `told_treatment` says it.
            limit: Longest sequence in tokens, if that is known.
        """
        said = [f"{self.items:,} items became {self.examples:,} examples."]
        for what, count in self.noted.items():
            more = ""
            if what is Noted.LONG:
                more = f" ({f'{limit:,} tokens; ' if limit else ''}{long_text})"
            if count:
                said.append(f"{count:,} {what.value}{more}.")
        return said

    def warnings(self) -> list[str]:
        """Say what a report about the model has to say of the data that it learned from."""
        return [
            f"In the data to learn from {self.noted[what]:,} {what.value}."
            for what in _WARNED
            if self.noted[what]
        ]


class Encoder(ABC, Generic[ItemType]):
    """Turns items of a task into examples, as the task's pipeline would read them.

    Args:
        builder: The tokenizer and the model's length.
        options: How.
        labels: Names of the labels, in the order of their numbers.

    Attributes:
        summary: What came of it so far.
    """

    float_targets: ClassVar[bool] = False
    needs_offsets: ClassVar[bool] = False
    splits_words: ClassVar[bool] = False

    def __init__(
        self, builder: SequenceBuilder, options: EncodingOptions, labels: LabelNames = ()
    ) -> None:
        self.builder = builder
        self.options = options
        self.numbers = {name: number for number, name in enumerate(labels)}
        self.summary = EncodingSummary()

    @abstractmethod
    def texts(self, item: ItemType) -> list[Any]:
        """List the texts of an item that are tokenized.

        Raises:
            InputError: The item cannot be used.
        """

    @abstractmethod
    def encode(
        self, item: ItemType, tokens: list[TokenizedText], number: int
    ) -> Iterable[NewExample]:
        """Make the examples of an item.

        Args:
            item: The item.
            tokens: The tokens of each of its texts.
            number: The item's number.

        Raises:
            InputError: The item cannot be used.
        """

    def note_length(self, tokens: int, *, pair: bool = False) -> None:
        """Count the length of an item.

        Args:
            tokens: Its tokens, without special ones.
            pair: Whether they are of two texts.
        """
        self.summary.lengths[tokens + self.builder.specials[pair]] += 1

    def finish(self) -> Iterable[NewExample]:
        """Make the examples of what is left when all items were read."""
        return ()

    def examples(
        self, items: Iterable[ItemType], on_progress: Callable[[int], None] | None = None
    ) -> Iterator[NewExample]:
        """Encode items; those that cannot be used are problems of the summary.

        Args:
            items: The items, read once.
            on_progress: Is told now and then how many items were read.
        """
        for chunk in _chunks(items):
            for made in self._encoded(chunk, self.summary.items):
                self.summary.examples += 1
                yield made
            self.summary.items += len(chunk)
            if on_progress is not None:
                on_progress(self.summary.items)
        for made in self.finish():
            self.summary.examples += 1
            yield made

    def _encoded(self, chunk: list[ItemType], first: int) -> Iterator[NewExample]:
        texts = [self._or_problem(item, ProblemKind.NOT_TEXT, self.texts, item) for item in chunk]
        tokens = iter(
            self.builder.tokenize(
                [text for several in texts for text in several or ()],
                offsets=self.needs_offsets,
                split_words=self.splits_words,
            )
        )
        for number, (item, several) in enumerate(zip(chunk, texts, strict=True), start=first):
            if several is not None:
                found = [next(tokens) for _ in several]
                made = self._or_problem(item, _OTHER, self.encode, item, found, number)
                yield from made or ()

    def _or_problem(
        self, item: ItemType, kind: ProblemKind, function: Callable[..., Any], *arguments: Any
    ) -> Any:
        try:
            return function(*arguments)
        except InputError as error:
            kind = error.kind if isinstance(error, RowError) else kind
            self.summary.problems.add(Problem(item.place, kind, str(error)))
            return None


def _chunks(items: Iterable[ItemType]) -> Iterator[list[ItemType]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, _BATCH)):
        yield chunk


def checked_tokens(tokens: TokenizedText, what: str) -> list[int]:
    """Return the ids of a text.

    Args:
        tokens: The text's tokens.
        what: Its role, for the error.

    Raises:
        RowError: There are none.
    """
    if not tokens.ids:
        raise RowError(
            ProblemKind.NO_TOKENS, f"The {what} has no characters that the tokenizer keeps."
        )
    return tokens.ids


def require_offsets(tokenizer: Any, task: str) -> None:
    """Check that a tokenizer tells where in the text its tokens stand.

    Args:
        tokenizer: The tokenizer.
        task: What needs it, for the error.

    Raises:
        InputError: It does not.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(f"{task} needs a tokenizer with offsets: use MobileBertTokenizerFast.")
