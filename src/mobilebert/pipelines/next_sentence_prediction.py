"""Next-sentence prediction: whether the second text continues the first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from mobilebert.errors import InputError
from mobilebert.pipelines.encoding import TokenizedText
from mobilebert.pipelines.parameters import LengthOptions, read_count
from mobilebert.pipelines.pipeline import Output, Pipeline, Request
from mobilebert.pipelines.scores import best, softmax
from mobilebert.pipelines.text_classification import read_pair

__all__ = ["NextSentencePredictionParameters", "NextSentencePredictionPipeline"]

# In the order of the head's logits: 0 says that B continues A (Devlin et al. 2018, section 3.1).
LABELS = ("IS_NEXT", "NOT_NEXT")


@dataclass(frozen=True, kw_only=True)
class NextSentencePredictionParameters:
    """Parameters of next-sentence-prediction.

    Attributes:
        top_k: How many of the two labels to return, best first; None for both.
        truncation: What is cut when the pair is too long; an error by default.
        max_length: Longest sequence in tokens.
    """

    top_k: int | None = None
    truncation: bool | str | None = None
    max_length: int | None = None

    def __post_init__(self) -> None:
        if self.top_k is not None:
            read_count("top_k", self.top_k)
        _ = self.lengths

    @property
    def lengths(self) -> LengthOptions:
        """Whether pairs are cut."""
        return LengthOptions.read(self.truncation, self.max_length)


class NextSentencePredictionPipeline(Pipeline[NextSentencePredictionParameters]):
    """Scores pairs of texts.

    An input is ``{"text", "text_pair"}`` or a tuple of two texts. The answer is a list of
    ``{"label": "IS_NEXT" | "NOT_NEXT", "score"}``, best first.
    """

    task: ClassVar[str] = "next-sentence-prediction"
    defaults: ClassVar[NextSentencePredictionParameters] = NextSentencePredictionParameters()

    def read(self, item: Any, options: Any) -> tuple[str, str]:
        """Read a pair."""
        if isinstance(item, str) or (isinstance(item, Mapping) and not item.get("text_pair")):
            raise InputError(
                "next-sentence-prediction needs pairs: a tuple of two texts, or "
                '{"text": ..., "text_pair": ...}.'
            )
        first, second = read_pair(item)
        if second is None:
            raise InputError("next-sentence-prediction needs pairs; the second text is missing.")
        return first, second

    def texts(self, item: tuple[str, str], options: Any) -> list[str]:
        """List the two texts."""
        return list(item)

    def prepare(self, item: Any, tokens: list[TokenizedText], options: Any) -> Request:
        """Build the pair."""
        return Request([self.builder.fit(tokens[0].ids, tokens[1].ids, options.lengths)])

    def answer(self, request: Request, outputs: list[Output], options: Any) -> list[dict[str, Any]]:
        """Score both labels."""
        scores = softmax(outputs[0][self.model.task.emits[-1]])
        return [
            {"label": LABELS[place], "score": float(scores[place])}
            for place in best(scores, options.top_k)
        ]
