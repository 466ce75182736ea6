"""Zero-shot classification: an entailment model decides which labels fit a text."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mobilebert.errors import InputError
from mobilebert.pipelines.encoding import TokenizedText, check_text
from mobilebert.pipelines.label_names import label_names
from mobilebert.pipelines.parameters import LengthOptions, read_texts
from mobilebert.pipelines.pipeline import Output, Pipeline, Request
from mobilebert.pipelines.scores import best, softmax

__all__ = ["ZeroShotClassificationParameters", "ZeroShotClassificationPipeline"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ZeroShotClassificationParameters:
    """Parameters of zero-shot-classification.

    Attributes:
        candidate_labels: The labels, as a list or separated by commas.
        hypothesis_template: The sentence a label is put into, at ``{}``.
        multi_label: Whether several labels may hold: each is then scored on its own.
        truncation: What is cut when text and label are too long; the text by default.
    """

    candidate_labels: str | Sequence[str] | None = None
    hypothesis_template: str = "This example is {}."
    multi_label: bool = False
    truncation: bool | str | None = "only_first"

    def __post_init__(self) -> None:
        if isinstance(self.candidate_labels, str):
            named = [label.strip() for label in self.candidate_labels.split(",")]
            object.__setattr__(self, "candidate_labels", tuple(filter(None, named)))
        elif self.candidate_labels is not None:
            labels = read_texts("candidate_labels", self.candidate_labels, "texts")
            object.__setattr__(self, "candidate_labels", labels)
        _ = self.lengths
        try:
            formatted = {self.hypothesis_template.format(label) for label in ("one", "two")}
        except (IndexError, KeyError, ValueError, AttributeError):
            formatted = set()
        if len(formatted) < 2:
            raise InputError(
                f"hypothesis_template={self.hypothesis_template!r} must hold {{}} once, where the "
                "label goes."
            )

    @property
    def lengths(self) -> LengthOptions:
        """What is cut."""
        return LengthOptions.read(self.truncation)


class ZeroShotClassificationPipeline(Pipeline[ZeroShotClassificationParameters]):
    """Scores labels chosen at call time; the shapes of transformers' pipeline of the same name.

    The answer is ``{"sequence", "labels", "scores"}``, best label first.
    """

    task: ClassVar[str] = "zero-shot-classification"
    defaults: ClassVar[ZeroShotClassificationParameters] = ZeroShotClassificationParameters()

    def __init__(self, model: Any, tokenizer: Any, **parameters: Any) -> None:
        super().__init__(model, tokenizer, **parameters)
        names = ", ".join(label_names(self.config).values())
        if self.config.num_labels < 2:
            raise InputError(
                "zero-shot-classification needs a model trained for entailment, with a label that "
                f"starts with 'entail'; this one has {names}."
            )
        if self.entailment_id == -1:
            logger.warning(
                "No label of the model starts with 'entail' (%s); the last one is taken for it.",
                names,
            )

    @property
    def entailment_id(self) -> int:
        """Number of the label that starts with "entail", -1 (the last) without one."""
        found = [n for name, n in self.config.label2id.items() if _is_entailment(name)]
        return found[0] if found else -1

    def read(self, item: Any, options: Any) -> str:
        """Check the text and that there are labels."""
        if not options.candidate_labels:
            raise InputError(
                "zero-shot-classification needs labels: candidate_labels=['a', 'b'] "
                "(--candidate-labels a,b on the command line)."
            )
        for label in options.candidate_labels:
            check_text(label, "candidate label")
        return check_text(item)

    def texts(self, item: str, options: Any) -> list[str]:
        """List the text and one hypothesis for each label."""
        template = options.hypothesis_template
        return [item, *(template.format(label) for label in options.candidate_labels)]

    def prepare(self, item: str, tokens: list[TokenizedText], options: Any) -> Request:
        """Build one pair for each label."""
        text, *hypotheses = tokens
        rows = [
            self.builder.fit(text.ids, hypothesis.ids, options.lengths, "truncation='only_first'")
            for hypothesis in hypotheses
        ]
        return Request(rows, item)

    def answer(self, request: Request, outputs: list[Output], options: Any) -> dict[str, Any]:
        """Score the labels by their entailment logits."""
        logits = np.stack([output["logits"] for output in outputs])  # [labels, C]
        entailment = self.entailment_id
        if options.multi_label or len(outputs) == 1:
            contradiction = -1 if entailment == 0 else 0
            scores = softmax(logits[:, [contradiction, entailment]])[:, 1]
        else:
            scores = softmax(logits[:, entailment])
        order = best(scores)
        return {
            "sequence": request.source,
            "labels": [options.candidate_labels[place] for place in order],
            "scores": [float(scores[place]) for place in order],
        }

    def __call__(
        self, inputs: Any = None, *labels: Any, sequences: Any = None, **parameters: Any
    ) -> Any:
        """Classify; the labels may be the second positional argument.

        Args:
            inputs: One text, a list, or an iterator.
            *labels: The candidate labels.
            sequences: transformers' name of `inputs`.
            **parameters: `batch_size` and the task's parameters.

        Returns:
            One answer, a list of answers, or for an iterator a generator of answers.

        Raises:
            InputError: Texts or labels are not given once, or cannot be used.
            ArgumentError: The task has no such parameter.
        """
        if inputs is not None and sequences is not None:
            raise InputError("Give the texts once, as the first argument or as sequences=...")
        if len(labels) > 1 or (labels and "candidate_labels" in parameters):
            raise InputError("Give the candidate labels once, as one list.")
        if labels:
            parameters["candidate_labels"] = labels[0]
        return super().__call__(sequences if inputs is None else inputs, **parameters)


def _is_entailment(label: str) -> bool:
    return label.lower().startswith("entail")
