"""Multiple choice: which of several continuations fits a text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mobilebert.errors import InputError
from mobilebert.pipelines.encoding import TokenizedText, check_text
from mobilebert.pipelines.parameters import LengthOptions, read_count
from mobilebert.pipelines.pipeline import Output, Pipeline, Request
from mobilebert.pipelines.scores import best, softmax

__all__ = ["MultipleChoiceParameters", "MultipleChoicePipeline"]


@dataclass(frozen=True, kw_only=True)
class MultipleChoiceParameters:
    """Parameters of multiple-choice.

    Attributes:
        top_k: How many choices to return, best first; None for all.
        truncation: What is cut when text and choice are too long; by default as the model was
            tuned, or else an error.
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
        """Whether texts are cut."""
        return LengthOptions.read(self.truncation, self.max_length)


class MultipleChoicePipeline(Pipeline[MultipleChoiceParameters]):
    """Scores the choices of each text.

    An input is ``{"text": ..., "choices": [...]}``. The answer is a list of
    ``{"label", "score", "choice"}``, best first: the choice's text, its probability among the
    choices, and its place, counting from 0.
    """

    task: ClassVar[str] = "multiple-choice"
    defaults: ClassVar[MultipleChoiceParameters] = MultipleChoiceParameters()
    kept: ClassVar[tuple[str, ...]] = ("truncation", "max_length")

    def read(self, item: Any, options: Any) -> tuple[str, list[str]]:
        """Read a text and its choices."""
        if not isinstance(item, Mapping) or set(item) != {"text", "choices"}:
            raise InputError('An input of multiple-choice is {"text": ..., "choices": [...]}.')
        choices = item["choices"]
        if not isinstance(choices, (list, tuple)) or not choices:
            raise InputError(f"choices must be a list of texts, not {choices!r:.80}.")
        return check_text(item["text"]), [check_text(choice, "choice") for choice in choices]

    def texts(self, item: tuple[str, list[str]], options: Any) -> list[str]:
        """List the text and its choices."""
        return [item[0], *item[1]]

    def prepare(self, item: Any, tokens: list[TokenizedText], options: Any) -> Request:
        """Build one pair for each choice."""
        text, *choices = tokens
        rows = [self.builder.fit(text.ids, choice.ids, options.lengths) for choice in choices]
        return Request(rows, item[1])

    def answer(self, request: Request, outputs: list[Output], options: Any) -> list[dict[str, Any]]:
        """Score the choices against each other."""
        scores = softmax(np.concatenate([output["logits"] for output in outputs]))
        return [
            {"label": request.source[place], "score": float(scores[place]), "choice": place}
            for place in best(scores, options.top_k)
        ]
