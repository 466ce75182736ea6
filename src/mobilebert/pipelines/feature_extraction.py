"""Feature extraction: the encoder's vectors, per token or one for a text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

import numpy as np

from mobilebert.errors import InputError
from mobilebert.extras import require, require_keras, require_torch
from mobilebert.pipelines.encoding import TokenizedText, check_text
from mobilebert.pipelines.parameters import LengthOptions, read_choice
from mobilebert.pipelines.pipeline import Output, Pipeline, Request
from mobilebert.pipelines.scores import normalized

__all__ = ["FeatureExtractionParameters", "FeatureExtractionPipeline", "Pooling"]


class Pooling(StrEnum):
    """How the tokens' vectors become one."""

    NONE = "none"  # they stay as they are
    MEAN = "mean"  # the mean over all tokens, [CLS] and [SEP] included
    CLS = "cls"  # the vector of the first token


_TENSORS = ("np", "pt", "tf")

# What return_tensors says -> what makes these of a numpy array.
_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "np": lambda vectors: vectors,
    "pt": lambda vectors: require_torch("return_tensors='pt'").from_numpy(vectors),
    "tf": lambda vectors: require("tensorflow", "tensorflow", "return_tensors='tf'").constant(
        vectors
    ),
    "keras": lambda vectors: require_keras("return_tensors=True").ops.convert_to_tensor(vectors),
}
# Backend -> its own kind, for return_tensors=True; Keras has TensorFlow's or JAX's.
_OF_BACKEND = {"torch": "pt", "keras": "keras"}


@dataclass(frozen=True, kw_only=True)
class FeatureExtractionParameters:
    """Parameters of feature-extraction.

    Attributes:
        pooling: mean or cls for one vector per text; none (default) for one per token.
        normalize: Whether vectors are scaled to length 1.
        return_tensors: "np" for numpy arrays, "pt" for PyTorch and "tf" for TensorFlow tensors,
            True for those of the backend, else lists.
        truncation: Whether a text that is too long is cut; an error by default.
        truncate: The same, under the name of the Hub's API.
        max_length: Longest sequence in tokens.
        tokenize_kwargs: truncation, max_length and padding as a dictionary.
    """

    pooling: str | None = None
    normalize: bool = False
    return_tensors: bool | str | None = None
    truncation: bool | str | None = None
    truncate: bool | None = None
    max_length: int | None = None
    tokenize_kwargs: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        read_choice(Pooling, "pooling", self.pooling or "none")
        known = isinstance(self.return_tensors, (bool, type(None)))
        if not known and self.return_tensors not in _TENSORS:
            raise InputError(
                f"return_tensors must be True, 'np', 'pt' or 'tf', not {self.return_tensors!r}."
            )
        if self.truncation is not None and self.truncate is not None:
            raise InputError("truncation and truncate mean the same; give one of them.")
        _ = self.lengths

    @property
    def lengths(self) -> LengthOptions:
        """Whether texts are cut."""
        cut = self.truncate if self.truncation is None else self.truncation
        return LengthOptions.read(cut, self.max_length, self.tokenize_kwargs)


class FeatureExtractionPipeline(Pipeline[FeatureExtractionParameters]):
    """Vectors of texts; the shapes of transformers' pipeline of the same name.

    The answer is nested lists of numbers, [1, S, H] for each text, or one vector [H] with
    `pooling`.
    """

    task: ClassVar[str] = "feature-extraction"
    defaults: ClassVar[FeatureExtractionParameters] = FeatureExtractionParameters()

    def read(self, item: Any, options: Any) -> str:
        """Check that the input is a text."""
        return check_text(item)

    def texts(self, item: str, options: Any) -> list[str]:
        """List the one text."""
        return [item]

    def prepare(self, item: str, tokens: list[TokenizedText], options: Any) -> Request:
        """Build the sequence."""
        return Request([self.builder.fit(tokens[0].ids, None, options.lengths)])

    def answer(self, request: Request, outputs: list[Output], options: Any) -> Any:
        """Pool, scale and convert the vectors."""
        vectors = outputs[0]["last_hidden_state"]  # [S, H]
        match Pooling((options.pooling or "none").lower()):
            case Pooling.MEAN:
                vectors = vectors.mean(axis=0)  # [H]
            case Pooling.CLS:
                vectors = vectors[0]  # [H]
            case Pooling.NONE:
                vectors = vectors[None]  # [1, S, H]
        if options.normalize:
            vectors = normalized(vectors)
        return self._converted(np.ascontiguousarray(vectors), options.return_tensors)

    def _converted(self, vectors: Any, wanted: bool | str | None) -> Any:
        if not wanted:
            return vectors.tolist()
        kind = _OF_BACKEND.get(self.model.name, "np") if wanted is True else wanted
        return _CONVERTERS[str(kind)](vectors)
