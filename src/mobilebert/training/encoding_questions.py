"""Questions about contexts to examples: windows of the context, with the answer's tokens."""

from bisect import bisect_left, bisect_right
from operator import itemgetter

from mobilebert.datasets.items import Answer, QuestionItem
from mobilebert.datasets.problems import ProblemKind, RowError
from mobilebert.pipelines.encoding import SequenceBuilder, TokenizedText, check_text
from mobilebert.pipelines.question_windows import question_windows
from mobilebert.training.encoder import (
    Encoder,
    EncodingOptions,
    Noted,
    checked_tokens,
    require_offsets,
)
from mobilebert.training.examples import NewExample
from mobilebert.training.labels import LabelNames
from mobilebert.training.long_texts import LongText

__all__ = ["QuestionsEncoder", "covering_tokens"]

# The target of a window without the answer: both places are [CLS].
_NO_ANSWER = (0, 0)


def covering_tokens(offsets: list[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    """Find the tokens that cover a part of the text.

    Args:
        offsets: First character of each token and the one behind its last, in rising order.
        start: First character of the part.
        end: The one behind its last.

    Returns:
        The first and the last of these tokens.

    Raises:
        RowError: There are none.
    """
    first = bisect_right(offsets, start, key=itemgetter(1))
    last = bisect_left(offsets, end, key=itemgetter(0)) - 1
    if first > last:
        raise RowError(
            ProblemKind.BAD_ANSWER, "The answer has no characters that the tokenizer keeps."
        )
    return first, last


class QuestionsEncoder(Encoder[QuestionItem]):
    """Questions: the target is the first and the last token of the answer.

    It is the first of several right answers. In windows where it is not, or not whole, both places
    are 0, that of [CLS], and so they are where there is no answer.
    """

    needs_offsets = True

    def __init__(
        self, builder: SequenceBuilder, options: EncodingOptions, labels: LabelNames = ()
    ) -> None:
        super().__init__(builder, options, labels)
        require_offsets(builder.tokenizer, "question-answering")

    def texts(self, item: QuestionItem) -> list[str]:
        """List question and context."""
        return [check_text(item.question, "question"), check_text(item.context, "context")]

    def encode(
        self, item: QuestionItem, tokens: list[TokenizedText], number: int
    ) -> list[NewExample]:
        """Make one example, or one for each window of the context."""
        question, context = tokens
        longest = self.options.max_length
        found = question_windows(
            self.builder,
            checked_tokens(question, "question"),
            checked_tokens(context, "context"),
            max_seq_len=None if longest is None else min(longest, self.builder.max_length),
            doc_stride=self.options.stride,
        )
        span = self._span(item, context) if item.answers else None
        self.summary.unanswered += not item.answers
        self.note_length(len(question.ids) + len(context.ids), pair=True)
        self.summary.noted[Noted.LONG] += len(found.rows) > 1
        examples = [
            NewExample([row], _within(span, window, found.start), number, place)
            for place, (row, window) in enumerate(zip(found.rows, found.windows, strict=True))
        ]
        if self.options.long_text is LongText.HEAD_TAIL and len(examples) > 1:
            return [examples[0], examples[-1]]
        return examples[:1] if self.options.long_text is LongText.TRUNCATE else examples

    def _span(self, item: QuestionItem, context: TokenizedText) -> tuple[int, int]:
        assert context.offsets is not None  # the tokenizer has offsets, see __init__
        start, end = _characters(item.answers[0])
        first, last = covering_tokens(context.offsets, start, end)
        exact = context.offsets[first][0] == start and context.offsets[last][1] == end
        self.summary.noted[Noted.WIDENED_ANSWERS] += not exact
        return first, last


def _characters(answer: Answer) -> tuple[int, int]:
    """Return the first character of an answer and the one behind its last, without spaces."""
    text = answer.text.rstrip()
    return answer.start + len(text) - len(text.lstrip()), answer.start + len(text)


def _within(span: tuple[int, int] | None, window: range, start: int) -> tuple[int, int]:
    if span is None or span[0] not in window or span[1] not in window:
        return _NO_ANSWER
    first, last = (place - window.start + start for place in span)
    return first, last
