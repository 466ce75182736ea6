"""Token classification: labels of tokens, or the entities they make up."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar

from mobilebert.errors import InputError
from mobilebert.pipelines.encoding import ModelInput, TokenizedText, check_text
from mobilebert.pipelines.entities import (
    AggregationStrategy,
    Tag,
    Token,
    grouped,
    tag_tokens,
    tag_words,
    unite,
)
from mobilebert.pipelines.label_names import label_names
from mobilebert.pipelines.parameters import read_choice, read_count, read_texts
from mobilebert.pipelines.pipeline import Call, Output, Pipeline, Request
from mobilebert.pipelines.scores import softmax
from mobilebert.pipelines.windows import default_overlap, window_ranges

__all__ = ["TokenClassificationParameters", "TokenClassificationPipeline"]

# What marks a token inside a word.
CONTINUATION = "##"


@dataclass(frozen=True, kw_only=True)
class TokenClassificationParameters:
    """Parameters of token-classification.

    Attributes:
        aggregation_strategy: none, simple, first, average or max.
        ignore_labels: Labels that are left out, O by default.
        stride: Tokens that neighbouring windows of a long text share; 128 by default.
        is_split_into_words: Whether an input is a list of words.
        delimiter: What stands between words in the text that offsets refer to.
    """

    aggregation_strategy: str = "none"
    ignore_labels: Sequence[str] | None = None
    stride: int | None = None
    is_split_into_words: bool = False
    delimiter: str | None = None

    def __post_init__(self) -> None:
        strategy = read_choice(
            AggregationStrategy, "aggregation_strategy", self.aggregation_strategy or "none"
        )
        object.__setattr__(self, "aggregation_strategy", strategy)
        ignored = ("O",) if self.ignore_labels is None else self.ignore_labels
        object.__setattr__(self, "ignore_labels", read_texts("ignore_labels", ignored, "labels"))
        if self.stride is not None:
            read_count("stride", self.stride, least=0)
        if not isinstance(self.delimiter, (str, type(None))):
            raise InputError(f"delimiter must be a text, not {self.delimiter!r:.80}.")


@dataclass(frozen=True)
class _Source:
    """What an answer needs of its input: the text, its tokens and where the windows are."""

    text: str
    tokens: TokenizedText
    word_starts: list[int] | None
    windows: list[range]


class TokenClassificationPipeline(Pipeline[TokenClassificationParameters]):
    """Labels tokens or finds entities; the shapes of transformers' pipeline of the same name.

    The answer is a list of ``{"entity", "score", "index", "word", "start", "end"}`` for tokens, or
    ``{"entity_group", "score", "word", "start", "end"}`` for entities. A text longer than the model
    is read in overlapping windows.
    """

    task: ClassVar[str] = "token-classification"
    defaults: ClassVar[TokenClassificationParameters] = TokenClassificationParameters()
    needs_offsets: ClassVar[bool] = True

    def splits_words(self, options: Any) -> bool:
        """Tell whether inputs are lists of words."""
        return bool(options.is_split_into_words)

    def is_several(self, inputs: Any, options: Any) -> bool:
        """A list of words is one input; a list of lists is several."""
        if not options.is_split_into_words:
            return isinstance(inputs, list)
        return isinstance(inputs, list) and all(isinstance(item, (list, tuple)) for item in inputs)

    def read(self, item: Any, options: Any) -> Any:
        """Check a text, or a list of words."""
        if not options.is_split_into_words:
            return check_text(item)
        if not isinstance(item, (list, tuple)) or not item:
            raise InputError(f"With is_split_into_words an input is a list of words: {item!r:.60}.")
        return [check_text(word, "word") for word in item]

    def texts(self, item: Any, options: Any) -> list[Any]:
        """List the one text."""
        return [item]

    def prepare(self, item: Any, tokens: list[TokenizedText], options: Any) -> Request:
        """Build one sequence, or the windows of a long text.

        Raises:
            InputError: The text is too long and the tokenizer has no offsets to unite windows by.
        """
        found = tokens[0]
        size = self.builder.room()
        overlap = default_overlap(size) if options.stride is None else options.stride
        windows = window_ranges(len(found), size, overlap)
        if len(windows) > 1 and found.offsets is None:
            raise InputError(
                f"The text has {len(found)} tokens and must be read in windows of {size}, which "
                "needs a tokenizer with offsets: use MobileBertTokenizerFast."
            )
        rows: list[ModelInput] = [self.builder.build(found.ids[w.start : w.stop]) for w in windows]
        if not options.is_split_into_words:
            return Request(rows, _Source(item, found, None, windows))
        delimiter = " " if options.delimiter is None else options.delimiter
        starts = [0, *accumulate(len(word) + len(delimiter) for word in item)]
        return Request(rows, _Source(delimiter.join(item), found, starts, windows))

    def answer(self, request: Request, outputs: list[Output], options: Any) -> list[dict[str, Any]]:
        """Label the tokens of each window and unite the windows."""
        source: _Source = request.source
        entries = []
        unknown = self.tokenizer.unk_token_id
        words = self.tokenizer.convert_ids_to_tokens(source.tokens.ids)
        for window, output in zip(source.windows, outputs, strict=True):
            scores = softmax(output["logits"])  # [S, labels]
            first = self.builder.start()
            tokens = [
                _token(source, place, words[place], scores[first + number], first + place, unknown)
                for number, place in enumerate(window)
            ]
            entries.extend(self._entries(tokens, options))
        return unite(entries) if len(outputs) > 1 else entries

    def present(self, inputs: Any, answers: Any, several: bool, call: Call[Any]) -> Any:
        """Wrap the answer to one list of words, as transformers does."""
        return [answers] if isinstance(inputs, list) and not several else answers

    def _entries(self, tokens: list[Token], options: Any) -> list[dict[str, Any]]:
        labels, strategy = label_names(self.config), options.aggregation_strategy
        ignored = options.ignore_labels
        if strategy is AggregationStrategy.NONE:
            return [
                _token_entry(tag) for tag in tag_tokens(tokens, labels) if tag.label not in ignored
            ]
        if strategy is AggregationStrategy.SIMPLE:
            tags = tag_tokens(tokens, labels)
        else:
            tags = [self._joined(tag) for tag in tag_words(tokens, labels, strategy)]
        entries = [self._group_entry(group) for group in grouped(tags)]
        return [entry for entry in entries if entry["entity_group"] not in ignored]

    def _joined(self, tag: Tag) -> Tag:
        word = self.tokenizer.convert_tokens_to_string(list(tag.words))
        return Tag(tag.label, tag.score, (word,), tag.start, tag.end, tag.index)

    def _group_entry(self, group: list[Tag]) -> dict[str, Any]:
        words = [word for tag in group for word in tag.words]
        return {
            # transformers cuts at the first hyphen of any label, not only behind B and I.
            "entity_group": group[0].label.split("-", 1)[-1],
            "score": sum(tag.score for tag in group) / len(group),
            "word": self.tokenizer.convert_tokens_to_string(words),
            "start": group[0].start,
            "end": group[-1].end,
        }


def _token(
    source: _Source, place: int, word: str, scores: Any, index: int, unknown: int | None
) -> Token:
    start = end = None
    if source.tokens.offsets is not None and source.tokens.words is not None:
        start, end = source.tokens.offsets[place]
        number = source.tokens.words[place]
        if source.word_starts is not None and number is not None:
            start, end = (x + source.word_starts[number] for x in (start, end))
    if source.tokens.ids[place] == unknown and start is not None:
        return Token(source.text[start:end], scores, index, start, end, continues=False)
    return Token(word, scores, index, start, end, word.startswith(CONTINUATION))


def _token_entry(tag: Tag) -> dict[str, Any]:
    return {
        "entity": tag.label,
        "score": tag.score,
        "index": tag.index,
        "word": tag.words[0],
        "start": tag.start,
        "end": tag.end,
    }
