"""How a question and its context are brought to the length of the model."""

from dataclasses import dataclass

from mobilebert.errors import InputError
from mobilebert.pipelines.encoding import ModelInput, SequenceBuilder
from mobilebert.pipelines.windows import window_ranges

__all__ = [
    "MAX_QUESTION_LEN",
    "MAX_SEQ_LEN",
    "TUNED_ANSWER_LEN",
    "QuestionWindows",
    "question_windows",
]

# The defaults documented for transformers' pipeline.
MAX_SEQ_LEN = 384
DOC_STRIDE = 128
MAX_QUESTION_LEN = 64
# The longest answer that tuned models give, as in BERT's script for SQuAD: some of its answers are
# longer than the 15 tokens of that pipeline.
TUNED_ANSWER_LEN = 30


@dataclass(frozen=True)
class QuestionWindows:
    """A question with each window of its context.

    Attributes:
        rows: The sequences.
        windows: The places of each window's tokens in the context.
        start: Where the context begins in each sequence.
    """

    rows: list[ModelInput]
    windows: list[range]
    start: int


def question_windows(
    builder: SequenceBuilder,
    question: list[int],
    context: list[int],
    *,
    max_seq_len: int | None = None,
    doc_stride: int | None = None,
    max_question_len: int = MAX_QUESTION_LEN,
) -> QuestionWindows:
    """Build one sequence, or one for each window of the context.

    Args:
        builder: Builds sequences.
        question: Ids of the question.
        context: Ids of the context.
        max_seq_len: Longest sequence in tokens; 384 by default, at most what the model reads.
        doc_stride: Tokens that neighbouring windows share; 128 by default, at most half of
            `max_seq_len` and three quarters of what the question leaves for the context.
        max_question_len: Longest question in tokens; a longer one is cut.

    Raises:
        InputError: The context has no tokens, or the question leaves no room for it.
    """
    longest = max_seq_len or min(builder.max_length, MAX_SEQ_LEN)
    if longest > builder.max_length:
        raise InputError(
            f"max_seq_len={longest} is more than the model reads: {builder.max_length}."
        )
    if not context:
        raise InputError("The context has no characters that can be read.")
    question = question[:max_question_len]
    size = builder.room(longest, pair=True) - len(question)
    overlap = _default_overlap(longest, size) if doc_stride is None else doc_stride
    if size < 1 or (len(context) > size and overlap >= size):
        raise InputError(
            f"With max_seq_len={longest} and a question of {len(question)} tokens, {size} "
            f"tokens of context fit, but windows overlap by doc_stride={overlap}; raise "
            "max_seq_len, or lower doc_stride or max_question_len."
        )
    windows = window_ranges(len(context), size, overlap, "doc_stride")
    rows = [builder.build(question, context[w.start : w.stop]) for w in windows]
    return QuestionWindows(rows, windows, builder.start(question))


def _default_overlap(longest: int, size: int) -> int:
    # Short sequences with a long question would otherwise have no step forward, or one of a token.
    return max(0, min(longest // 2, DOC_STRIDE, size * 3 // 4))
