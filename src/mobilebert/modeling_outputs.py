"""The output classes under the name documentation knows: ``mobilebert.modeling_outputs.X``."""

from mobilebert.extras import require

require("torch", "torch", "mobilebert.modeling_outputs")

from mobilebert.torch.outputs import (  # noqa: E402  (after the check that torch is there)
    BaseModelOutput,
    BaseModelOutputWithPooling,
    MaskedLMOutput,
    ModelOutput,
    MultipleChoiceModelOutput,
    NextSentencePredictorOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)

__all__ = [
    "BaseModelOutput",
    "BaseModelOutputWithPooling",
    "MaskedLMOutput",
    "ModelOutput",
    "MultipleChoiceModelOutput",
    "NextSentencePredictorOutput",
    "QuestionAnsweringModelOutput",
    "SequenceClassifierOutput",
    "TokenClassifierOutput",
]
