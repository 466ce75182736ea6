"""Text classification: labels of texts and of pairs of texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mobilebert.errors import InputError
from mobilebert.pipelines.encoding import TokenizedText, check_text
from mobilebert.pipelines.label_names import label_names
from mobilebert.pipelines.label_thresholds import (
    TUNED,
    is_threshold,
    stored_thresholds,
    threshold_array,
)
from mobilebert.pipelines.parameters import LengthOptions, read_choice, read_count, read_flag
from mobilebert.pipelines.pipeline import Call, Output, Pipeline, Request
from mobilebert.pipelines.scores import ScoreFunction, best
from mobilebert.pipelines.text_windows import text_rows

__all__ = ["TextClassificationParameters", "TextClassificationPipeline", "read_pair"]


@dataclass(frozen=True, kw_only=True)
class TextClassificationParameters:
    """Parameters of text-classification.

    Attributes:
        top_k: How many labels to return, None for all. By default the best one alone, in the
            older flat form ``[{"label", "score"}]`` of transformers.
        function_to_apply: softmax, sigmoid, none, or default: none for regression, sigmoid for
            several labels at once and for a single label, else softmax.
        threshold: Return the labels whose scores reach it, best first, perhaps none: a number from
            0 to 1, or "tuned" for the threshold of each label that the configuration holds since
            ``--tune-thresholds`` (0.5 for labels without one).
        return_all_scores: Older name of ``top_k=None``, in the order of the labels.
        stride: Tokens that neighbouring windows of a long text share; 128 by default.
        truncation: Cut a long text instead of reading it in windows; "head_tail" cuts its middle.
            By default as the model was tuned.
        max_length: Longest sequence in tokens; cuts unless `truncation` is False or there is
            `padding`. By default as the model was tuned.
        padding: Accepted; with it, `max_length` alone does not cut.
    """

    top_k: int | Literal["best"] | None = "best"
    function_to_apply: str | None = None
    threshold: float | Literal["tuned"] | None = None
    return_all_scores: bool | None = None
    stride: int | None = None
    truncation: bool | str | None = None
    max_length: int | None = None
    padding: bool | str | None = None

    def __post_init__(self) -> None:
        if self.top_k not in ("best", None):
            read_count("top_k", self.top_k)
        if self.stride is not None:
            read_count("stride", self.stride, least=0)
        if self.function_to_apply not in (None, "default"):
            read_choice(ScoreFunction, "function_to_apply", self.function_to_apply)
        if self.return_all_scores is not None:
            read_flag("return_all_scores", self.return_all_scores)
        if self.threshold not in (None, TUNED) and not is_threshold(self.threshold):
            raise InputError(
                f"threshold must be a number from 0 to 1 or {TUNED!r}, not {self.threshold!r}."
            )
        _ = self.lengths

    @property
    def lengths(self) -> LengthOptions:
        """Whether texts are cut."""
        return LengthOptions.read(self.truncation, self.max_length, {"padding": self.padding})


def read_pair(item: Any) -> tuple[str, str | None]:
    """Read a text, a (text, text_pair) tuple, or a dictionary with these keys.

    Raises:
        InputError: It is something else, or a text is empty.
    """
    if isinstance(item, list) and len(item) == 1 and isinstance(item[0], (list, tuple)):
        item = tuple(item[0])  # transformers' older form of a pair: [[text, text_pair]]
    if isinstance(item, Mapping):
        unknown = set(item) - {"text", "text_pair"}
        if unknown or "text" not in item:
            raise InputError(
                f"An input has the keys text and text_pair, not {', '.join(map(str, item))}."
            )
        item = (item["text"], item.get("text_pair"))
    if not isinstance(item, tuple):
        if isinstance(item, list):
            raise InputError(
                'An input is a text, {"text": ..., "text_pair": ...} or a tuple of two texts, '
                "not a list."
            )
        return check_text(item), None
    if len(item) != 2:
        raise InputError(f"A pair has two texts, not {len(item)}.")
    first, second = item
    return check_text(first), None if second is None else check_text(second, "text_pair")


class TextClassificationPipeline(Pipeline[TextClassificationParameters]):
    """Classifies texts and pairs; the shapes of transformers' pipeline of the same name.

    A text longer than the model is read in overlapping windows, and its scores are the mean of the
    windows' scores. In a pair the longer text is windowed against the whole shorter one.
    """

    task: ClassVar[str] = "text-classification"
    defaults: ClassVar[TextClassificationParameters] = TextClassificationParameters()
    kept: ClassVar[tuple[str, ...]] = ("truncation", "max_length")

    def read(self, item: Any, options: Any) -> tuple[str, str | None]:
        """Read a text or a pair."""
        return read_pair(item)

    def texts(self, item: tuple[str, str | None], options: Any) -> list[str]:
        """List the one or two texts."""
        return [text for text in item if text is not None]

    def prepare(self, item: Any, tokens: list[TokenizedText], options: Any) -> Request:
        """Build one sequence, or the windows of a long text."""
        first, second = tokens[0].ids, tokens[1].ids if len(tokens) > 1 else None
        return Request(text_rows(self.builder, first, second, options.lengths, options.stride))

    def answer(self, request: Request, outputs: list[Output], options: Any) -> Any:
        """Score the labels: the mean over the windows of their scores."""
        apply = self._function(options.function_to_apply)
        scores = np.mean([apply(output["logits"]) for output in outputs], axis=0)
        names = label_names(self.config)

        def entry(place: int) -> dict[str, Any]:
            return {"label": names[place], "score": float(scores[place])}

        if options.threshold is not None:
            reached = scores >= self._thresholds(options.threshold)
            count = None if options.top_k == "best" else options.top_k
            return [entry(place) for place in best(scores, count) if reached[place]]
        if options.top_k == "best":
            if options.return_all_scores:
                return [entry(place) for place in range(len(scores))]
            return entry(best(scores, 1)[0])
        return [entry(place) for place in best(scores, options.top_k)]

    def _function(self, name: str | None) -> ScoreFunction:
        if name not in (None, "default"):
            return read_choice(ScoreFunction, "function_to_apply", name)
        if self.config.problem_type == "regression":
            return ScoreFunction.NONE
        several = self.config.problem_type == "multi_label_classification"
        return (
            ScoreFunction.SIGMOID
            if several or self.config.num_labels == 1
            else (ScoreFunction.SOFTMAX)
        )

    def _thresholds(self, threshold: float | Literal["tuned"]) -> Any:
        """Return what the scores have to reach, for all labels or for each."""
        if threshold != TUNED:
            return threshold
        names = label_names(self.config)
        ordered = [names[number] for number in sorted(names)]
        return threshold_array(ordered, stored_thresholds(self.config))

    def present(self, inputs: Any, answers: Any, several: bool, call: Call[Any]) -> Any:
        """Wrap the answer to one text, unless `top_k` is given in the call (as transformers).

        The labels that reach a threshold, which transformers does not have, are a list already.
        """
        listed = call.options.threshold is not None or "top_k" in call.given
        return [answers] if isinstance(inputs, str) and not listed else answers
