"""MobileBERT on Keras 3: the only package that imports keras, tensorflow and jax.

The counterpart of `mobilebert.torch`, file for file. Attribute paths follow the canonical weight
names; `variables.py` has the exceptions.
"""

# ruff: noqa: E402  (the check that Keras is there comes first)

from mobilebert.extras import require_keras

require_keras("mobilebert.keras")

from mobilebert.keras.encoder import TFMobileBertMainLayer, TFMobileBertModel
from mobilebert.keras.models import (
    MODEL_CLASSES,
    TFMobileBertForMaskedLM,
    TFMobileBertForMultipleChoice,
    TFMobileBertForNextSentencePrediction,
    TFMobileBertForPreTraining,
    TFMobileBertForQuestionAnswering,
    TFMobileBertForSequenceClassification,
    TFMobileBertForTokenClassification,
)
from mobilebert.keras.outputs import (
    TFBaseModelOutput,
    TFBaseModelOutputWithPooling,
    TFMaskedLMOutput,
    TFMobileBertForPreTrainingOutput,
    TFMultipleChoiceModelOutput,
    TFNextSentencePredictorOutput,
    TFQuestionAnsweringModelOutput,
    TFSequenceClassifierOutput,
    TFTokenClassifierOutput,
)
from mobilebert.keras.pretrained import TFMobileBertPreTrainedModel

__all__ = [
    "MODEL_CLASSES",
    "TFBaseModelOutput",
    "TFBaseModelOutputWithPooling",
    "TFMaskedLMOutput",
    "TFMobileBertForMaskedLM",
    "TFMobileBertForMultipleChoice",
    "TFMobileBertForNextSentencePrediction",
    "TFMobileBertForPreTraining",
    "TFMobileBertForPreTrainingOutput",
    "TFMobileBertForQuestionAnswering",
    "TFMobileBertForSequenceClassification",
    "TFMobileBertForTokenClassification",
    "TFMobileBertMainLayer",
    "TFMobileBertModel",
    "TFMobileBertPreTrainedModel",
    "TFMultipleChoiceModelOutput",
    "TFNextSentencePredictorOutput",
    "TFQuestionAnsweringModelOutput",
    "TFSequenceClassifierOutput",
    "TFTokenClassifierOutput",
]
