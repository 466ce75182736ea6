"""What tasks read: one item for each text, sentence, question or choice."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "Answer",
    "ChoiceItem",
    "FinetuneTask",
    "Item",
    "PlainItem",
    "QuestionItem",
    "TaggedItem",
    "TextItem",
]


class FinetuneTask(StrEnum):
    """What a model can be tuned for. Pairs of texts are items with a second text."""

    TEXT_CLASSIFICATION = "text-classification"  # one of several classes
    MULTI_LABEL = "multi-label-classification"  # each of several labels on its own
    REGRESSION = "regression"  # a number
    TOKEN_CLASSIFICATION = "token-classification"  # a tag for each word
    QUESTION_ANSWERING = "question-answering"  # a span of the context, or nothing
    MULTIPLE_CHOICE = "multiple-choice"  # one of several continuations
    MASKED_LM = "fill-mask"  # the words of plain text


@dataclass(frozen=True, slots=True)
class TextItem:
    """A text, or a pair of texts, to classify or to rate.

    Attributes:
        place: File and line, as errors name it.
        text: The text.
        pair: The second text, or None.
        label: The class, the number, the names of all labels, or None where it is not known.
    """

    place: str
    text: str
    pair: str | None = None
    label: str | float | tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class TaggedItem:
    """A sentence whose words have tags.

    Attributes:
        place: File and line, as errors name it.
        words: The words.
        tags: A tag for each word, such as ``B-person``; none where they are not known.
    """

    place: str
    words: tuple[str, ...]
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that stands in the context.

    Attributes:
        text: The answer.
        start: Its first character in the context.
    """

    text: str
    start: int


@dataclass(frozen=True, slots=True)
class QuestionItem:
    """A question about a context.

    Attributes:
        place: File and line, as errors name it.
        id: Its name in the file.
        question: The question.
        context: Where the answer is looked for.
        answers: The right answers; none where the context has none.
        group: What belongs together when data are split: the article.
    """

    place: str
    id: str
    question: str
    context: str
    answers: tuple[Answer, ...] = ()
    group: str = ""


@dataclass(frozen=True, slots=True)
class ChoiceItem:
    """A text and several continuations.

    Attributes:
        place: File and line, as errors name it.
        prompt: The text.
        choices: The continuations.
        label: Which is right, counting from 0; None where it is not known.
    """

    place: str
    prompt: str
    choices: tuple[str, ...]
    label: int | None = None


@dataclass(frozen=True, slots=True)
class PlainItem:
    """A paragraph of plain text.

    Attributes:
        place: File and line, as errors name it.
        text: The text.
    """

    place: str
    text: str


Item = TextItem | TaggedItem | QuestionItem | ChoiceItem | PlainItem
