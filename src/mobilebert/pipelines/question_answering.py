"""Question answering: the part of a context that answers a question."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from mobilebert.errors import InputError
from mobilebert.pipelines.encoding import TokenizedText, check_text
from mobilebert.pipelines.null_answers import (
    null_factor,
    read_null_threshold,
    stored_null_threshold,
)
from mobilebert.pipelines.parameters import read_count
from mobilebert.pipelines.pipeline import Call, Output, Pipeline, Request
from mobilebert.pipelines.question_windows import MAX_QUESTION_LEN, question_windows
from mobilebert.pipelines.spans import best_spans, span_scores

__all__ = ["QuestionAnsweringParameters", "QuestionAnsweringPipeline"]


@dataclass(frozen=True, kw_only=True)
class QuestionAnsweringParameters:
    """Parameters of question-answering.

    Attributes:
        top_k: How many answers to return, best first.
        doc_stride: Tokens that neighbouring windows of a long context share; 128 by default, at
            most half of `max_seq_len` and three quarters of what the question leaves.
        max_answer_len: Longest answer in tokens; by default as the model was tuned, or else 15.
        max_seq_len: Longest sequence in tokens, question included; by default as the model was
            tuned, or else 384, at most what the model reads.
        max_question_len: Longest question in tokens; longer ones are cut.
        handle_impossible_answer: Whether the empty answer takes part; by default if the model was
            tuned with questions that have no answer.
        null_score_diff_threshold: How much larger the logarithm of its score has to be than that of
            another answer to come before it; by default what the model's configuration holds, or 0.
        return_null_score: Whether each answer has the score of the empty one beside its own.
        align_to_words: Whether answers are widened to whole words.
        padding: Accepted and without effect.
    """

    top_k: int = 1
    doc_stride: int | None = None
    max_answer_len: int = 15
    max_seq_len: int | None = None
    max_question_len: int = MAX_QUESTION_LEN
    handle_impossible_answer: bool = False
    null_score_diff_threshold: float | None = None
    return_null_score: bool = False
    align_to_words: bool = True
    padding: bool | str | None = None

    def __post_init__(self) -> None:
        for name in ("top_k", "max_answer_len", "max_question_len"):
            read_count(name, getattr(self, name))
        if self.doc_stride is not None:
            read_count("doc_stride", self.doc_stride, least=0)
        if self.max_seq_len is not None:
            read_count("max_seq_len", self.max_seq_len, least=5)
        if self.null_score_diff_threshold is not None:
            read_null_threshold(self.null_score_diff_threshold)


@dataclass(frozen=True)
class _Source:
    """What an answer needs of its input."""

    context: str
    tokens: TokenizedText
    windows: list[range]
    start: int  # where the context begins in each sequence


class QuestionAnsweringPipeline(Pipeline[QuestionAnsweringParameters]):
    """Answers questions about contexts; the shapes of transformers' pipeline of the same name.

    An input is ``{"question", "context"}``. The answer is ``{"score", "start", "end", "answer"}``
    with characters of the context, and a list of them when there are several. A long context is
    read in overlapping windows.

    Raises:
        InputError: The tokenizer has no offsets.
    """

    task: ClassVar[str] = "question-answering"
    defaults: ClassVar[QuestionAnsweringParameters] = QuestionAnsweringParameters()
    needs_offsets: ClassVar[bool] = True
    kept: ClassVar[tuple[str, ...]] = (
        "doc_stride",
        "handle_impossible_answer",
        "max_answer_len",
        "max_seq_len",
    )

    def __init__(self, model: Any, tokenizer: Any, **parameters: Any) -> None:
        super().__init__(model, tokenizer, **parameters)
        if not getattr(tokenizer, "is_fast", False):
            raise InputError(
                "question-answering needs a tokenizer with offsets: use MobileBertTokenizerFast."
            )

    def __call__(
        self, *inputs: Any, question: Any = None, context: Any = None, **parameters: Any
    ) -> Any:
        """Answer questions.

        Args:
            *inputs: One ``{"question", "context"}``, a list or an iterator of them, or the
                question and the context.
            question: One question or a list.
            context: The context, or one for each question.
            **parameters: `batch_size` and the task's parameters.

        Returns:
            One answer for one question (or a list of one), else a list of answers.

        Raises:
            InputError: The inputs are none of these, or cannot be used.
        """
        if len(inputs) == 2 and all(isinstance(text, str) for text in inputs):
            inputs = ({"question": inputs[0], "context": inputs[1]},)
        if not inputs and question is not None and context is not None:
            inputs = (_joined(question, context),)
        elif len(inputs) != 1 or question is not None or context is not None:
            raise InputError(
                "Give question=... and context=..., or one dictionary with both, or a list of such "
                "dictionaries."
            )
        given = inputs[0]
        if isinstance(given, Mapping) and isinstance(given.get("question"), list):
            given = _joined(given["question"], given.get("context"))
        return super().__call__(given, **parameters)

    def read(self, item: Any, options: Any) -> tuple[str, str]:
        """Read a question and its context."""
        if not isinstance(item, Mapping) or set(item) != {"question", "context"}:
            given = ", ".join(map(str, item)) if isinstance(item, Mapping) else repr(item)[:60]
            raise InputError(f'An input has the keys "question" and "context", not {given}.')
        return check_text(item["question"], "question"), check_text(item["context"], "context")

    def texts(self, item: tuple[str, str], options: Any) -> list[str]:
        """List question and context."""
        return list(item)

    def prepare(self, item: Any, tokens: list[TokenizedText], options: Any) -> Request:
        """Build one sequence, or one for each window of the context.

        Raises:
            InputError: The context has no tokens, or the question leaves no room for it.
        """
        question, context = tokens
        found = question_windows(
            self.builder,
            question.ids,
            context.ids,
            max_seq_len=options.max_seq_len,
            doc_stride=options.doc_stride,
            max_question_len=options.max_question_len,
        )
        return Request(found.rows, _Source(item[1], context, found.windows, found.start))

    def answer(self, request: Request, outputs: list[Output], options: Any) -> Any:
        """Rank the spans of all windows; equal answers add their scores."""
        found: dict[str, dict[str, Any]] = {}
        impossible = 1.0
        for start, end, score, null in self._spans(request.source, outputs, options):
            impossible = min(impossible, null)
            answer = request.source.context[start:end]
            entry = found.setdefault(
                answer.lower(), {"score": 0.0, "start": start, "end": end, "answer": answer}
            )
            entry["score"] += score
        ranked = [(entry["score"], entry) for entry in found.values()]
        if options.handle_impossible_answer:
            none = {"score": impossible, "start": 0, "end": 0, "answer": ""}
            ranked.append((impossible * self._null_factor(options), none))
        ranked.sort(key=lambda pair: -pair[0])
        answers = [entry for _, entry in ranked[: options.top_k]]
        if options.return_null_score:
            answers = [{**entry, "null_score": impossible} for entry in answers]
        return answers[0] if len(answers) == 1 else answers

    def _null_factor(self, options: Any) -> float:
        given = options.null_score_diff_threshold
        return null_factor(stored_null_threshold(self.config) if given is None else given)

    def _spans(
        self, source: _Source, outputs: list[Output], options: Any
    ) -> Iterator[tuple[int, int, float, float]]:
        # Widening to words may make spans equal, so more than top_k are asked for.
        wanted = options.top_k * 2 + 10 if options.align_to_words else options.top_k
        places = _word_places(source.tokens) if options.align_to_words else None
        for window, output in zip(source.windows, outputs, strict=True):
            context = slice(source.start, source.start + len(window))
            starts, ends, null = span_scores(output["start_logits"], output["end_logits"], context)
            for first, last, score in best_spans(starts, ends, options.max_answer_len, wanted):
                begin, finish = _characters(source.tokens, places, window[first], window[last])
                yield begin, finish, score, null

    def present(self, inputs: Any, answers: Any, several: bool, call: Call[Any]) -> Any:
        """Unwrap a list of one question, as transformers does."""
        return answers[0] if several and len(inputs) == 1 else answers


def _joined(question: Any, context: Any) -> Any:
    if isinstance(question, str) and isinstance(context, str):
        return {"question": question, "context": context}
    if not isinstance(question, list) or not isinstance(context, (str, list)):
        raise InputError("question is a text or a list, and context a text or as many texts.")
    contexts = [context] * len(question) if isinstance(context, str) else context
    if len(question) != len(contexts):
        raise InputError(f"There are {len(question)} questions but {len(contexts)} contexts.")
    pairs = zip(question, contexts, strict=True)
    return [{"question": one, "context": text} for one, text in pairs]


def _word_places(tokens: TokenizedText) -> dict[int, tuple[int, int]]:
    """Map each word to its first and last character."""
    places: dict[int, tuple[int, int]] = {}
    for word, (start, end) in zip(tokens.words or (), tokens.offsets or (), strict=True):
        if word is not None:
            places[word] = (places.get(word, (start, end))[0], end)
    return places


def _characters(
    tokens: TokenizedText, places: dict[int, tuple[int, int]] | None, first: int, last: int
) -> tuple[int, int]:
    assert tokens.offsets is not None  # the tokenizer has offsets, see __init__
    assert tokens.words is not None
    start_word, end_word = tokens.words[first], tokens.words[last]
    if places is None or start_word is None or end_word is None:
        return tokens.offsets[first][0], tokens.offsets[last][1]
    return places[start_word][0], places[end_word][1]
