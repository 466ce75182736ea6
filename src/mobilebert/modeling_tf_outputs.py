"""The Keras models' output classes under the name documentation knows.

That is ``mobilebert.modeling_tf_outputs.X``.
"""

from mobilebert.extras import require_keras

require_keras("mobilebert.modeling_tf_outputs")

from mobilebert.keras.outputs import (  # noqa: E402  (after the check that Keras is there)
    TFBaseModelOutput,
    TFBaseModelOutputWithPooling,
    TFMaskedLMOutput,
    TFMultipleChoiceModelOutput,
    TFNextSentencePredictorOutput,
    TFQuestionAnsweringModelOutput,
    TFSequenceClassifierOutput,
    TFTokenClassifierOutput,
)

__all__ = [
    "TFBaseModelOutput",
    "TFBaseModelOutputWithPooling",
    "TFMaskedLMOutput",
    "TFMultipleChoiceModelOutput",
    "TFNextSentencePredictorOutput",
    "TFQuestionAnsweringModelOutput",
    "TFSequenceClassifierOutput",
    "TFTokenClassifierOutput",
]
