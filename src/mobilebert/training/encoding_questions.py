"""Questions about contexts to examples: windows of the context, with the answer's tokens."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from operator import itemgetter
from typing import NamedTuple

from mobilebert.datasets.items import Answer, QuestionItem
from mobilebert.datasets.problems import ProblemKind, RowError
from mobilebert.pipelines.encoding import SequenceBuilder, TokenizedText, check_text
from mobilebert.pipelines.question_windows import (
    MAX_QUESTION_LEN,
    TUNED_ANSWER_LEN,
    question_windows,
)
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

# The target of a window without an answer: both places are [CLS].
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

    Of several right answers it is, in each window, the first that lies whole in it. In windows
    with none both places are 0, that of [CLS], and so they are where there is no answer.
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
        spans = _spans(item, context)
        targets = {
            place: _first_within(spans, found.windows[place])
            for place in self._kept(len(found.windows))
        }
        self._note(item, targets.values())
        self.note_length(len(question.ids) + len(context.ids), pair=True)
        self.summary.noted[Noted.LONG] += len(found.rows) > 1
        self.summary.noted[Noted.CUT_QUESTIONS] += len(question.ids) > MAX_QUESTION_LEN
        return [
            NewExample(
                [found.rows[place]],
                _places(span, found.start - found.windows[place].start),
                number,
                place,
            )
            for place, span in targets.items()
        ]

    def _kept(self, windows: int) -> list[int]:
        """Return which of the windows are learned from."""
        if self.options.long_text is LongText.WINDOW or windows == 1:
            return list(range(windows))
        return [0, windows - 1] if self.options.long_text is LongText.HEAD_TAIL else [0]

    def _note(self, item: QuestionItem, targets: Iterable["_Span | None"]) -> None:
        learned = [span for span in targets if span is not None]
        self.summary.unanswered += not item.answers
        self.summary.noted[Noted.UNSEEN_ANSWERS] += bool(item.answers) and not learned
        self.summary.noted[Noted.WIDENED_ANSWERS] += any(not span.exact for span in learned)
        self.summary.noted[Noted.LONG_ANSWERS] += any(
            span.last - span.first >= TUNED_ANSWER_LEN for span in learned
        )


class _Span(NamedTuple):
    """The tokens of an answer."""

    first: int
    last: int
    exact: bool  # whether they have its characters alone


def _spans(item: QuestionItem, context: TokenizedText) -> list[_Span]:
    """Return the answers that have tokens, in their order.

    Raises:
        RowError: There are answers, and none has tokens.
    """
    assert context.offsets is not None  # the tokenizer has offsets, see __init__
    spans: list[_Span] = []
    refused: RowError | None = None
    for start, end in map(_characters, item.answers):
        try:
            first, last = covering_tokens(context.offsets, start, end)
        except RowError as error:
            refused = refused or error
        else:
            exact = context.offsets[first][0] == start and context.offsets[last][1] == end
            spans.append(_Span(first, last, exact))
    if refused is not None and not spans:
        raise refused
    return spans


def _characters(answer: Answer) -> tuple[int, int]:
    """Return the first character of an answer and the one behind its last, without spaces."""
    text = answer.text.rstrip()
    return answer.start + len(text) - len(text.lstrip()), answer.start + len(text)


def _first_within(spans: Iterable[_Span], window: range) -> _Span | None:
    return next((span for span in spans if span.first in window and span.last in window), None)


def _places(span: _Span | None, shift: int) -> tuple[int, int]:
    return _NO_ANSWER if span is None else (span.first + shift, span.last + shift)
