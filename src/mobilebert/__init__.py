"""MobileBERT, complete and standalone.

Every public name is here and is imported when it is first used, so ``import mobilebert`` loads no
framework: PyTorch is imported by the first PyTorch class asked for, Keras with TensorFlow or JAX
by the first TF class, and by nothing else.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_OUTPUTS = (
    "BaseModelOutput",
    "BaseModelOutputWithPooling",
    "MaskedLMOutput",
    "MultipleChoiceModelOutput",
    "NextSentencePredictorOutput",
    "QuestionAnsweringModelOutput",
    "SequenceClassifierOutput",
    "TokenClassifierOutput",
)

# Module -> the public names it defines.
_PUBLIC: dict[str, tuple[str, ...]] = {
    "mobilebert.auto": (
        "AutoConfig",
        "AutoModel",
        "AutoModelForMaskedLM",
        "AutoModelForMultipleChoice",
        "AutoModelForNextSentencePrediction",
        "AutoModelForPreTraining",
        "AutoModelForQuestionAnswering",
        "AutoModelForSequenceClassification",
        "AutoModelForTokenClassification",
        "AutoModelWithLMHead",
        "AutoTokenizer",
        "TFAutoModel",
        "TFAutoModelForMaskedLM",
        "TFAutoModelForMultipleChoice",
        "TFAutoModelForNextSentencePrediction",
        "TFAutoModelForPreTraining",
        "TFAutoModelForQuestionAnswering",
        "TFAutoModelForSequenceClassification",
        "TFAutoModelForTokenClassification",
        "TFAutoModelWithLMHead",
    ),
    "mobilebert.backend": ("Backend", "TokenBatch"),
    "mobilebert.checkpoint": ("load_checkpoint", "save_checkpoint"),
    "mobilebert.config": ("MobileBertConfig",),
    "mobilebert.corpora.prepared": ("PreparedCorpus", "PreparedSequence"),
    "mobilebert.corpora.preparation_result": ("PreparationResult",),
    "mobilebert.corpora.preparing": ("prepare_pretraining",),
    "mobilebert.corpora.vocabulary_digest": ("vocabulary_digest",),
    "mobilebert.corpora.vocabulary_training": ("TrainedVocabulary", "train_tokenizer"),
    "mobilebert.engine": ("Engine",),
    "mobilebert.errors": (
        "ArgumentError",
        "CheckpointError",
        "ConfigError",
        "InputError",
        "MissingExtraError",
        "MobileBertError",
        "TrainingError",
        "WeightsError",
    ),
    "mobilebert.keras": (
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
        *(f"TF{name}" for name in _OUTPUTS),
    ),
    "mobilebert.logging": ("get_verbosity", "set_verbosity"),
    "mobilebert.pipelines": ("Pipeline", "pipeline"),
    "mobilebert.tasks": ("TASKS", "TaskSpec", "resolve_task"),
    "mobilebert.text": (
        "AddedToken",
        "BatchEncoding",
        "MobileBertTokenizer",
        "MobileBertTokenizerFast",
    ),
    "mobilebert.distillation.distill": ("distill",),
    "mobilebert.pretraining.judging": ("evaluate_pretraining",),
    "mobilebert.pretraining.pretrain": ("pretrain",),
    "mobilebert.pretraining.result": ("PretrainResult",),
    "mobilebert.torch": (
        "MobileBertForMaskedLM",
        "MobileBertForMultipleChoice",
        "MobileBertForNextSentencePrediction",
        "MobileBertForPreTraining",
        "MobileBertForPreTrainingOutput",
        "MobileBertForQuestionAnswering",
        "MobileBertForSequenceClassification",
        "MobileBertForTokenClassification",
        "MobileBertLayer",
        "MobileBertModel",
        "MobileBertPreTrainedModel",
        *_OUTPUTS,
    ),
    "mobilebert.training.comparing": ("compare",),
    "mobilebert.training.finetune": ("finetune",),
    "mobilebert.training.judging": ("evaluate",),
    "mobilebert.training.result": ("FinetuneResult",),
    "mobilebert.weights": ("WeightSpec", "parameter_count", "weight_specs"),
}
# Submodules that documented code reaches as attributes (mobilebert.logging.set_verbosity_info()).
_SUBMODULES = ("logging", "modeling_outputs", "modeling_tf_outputs", "models")
# Module -> the function of `mobilebert.extras` that imports the framework it needs.
_FRAMEWORKS = {
    "mobilebert.torch": "require_torch",
    "mobilebert.distillation.distill": "require_training",
    "mobilebert.pretraining.judging": "require_training",
    "mobilebert.pretraining.pretrain": "require_training",
    "mobilebert.pretraining.result": "require_training",
    "mobilebert.training.finetune": "require_training",
    "mobilebert.training.result": "require_training",
    "mobilebert.keras": "require_keras",
}

_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = ["__version__", *sorted(_MODULE_OF)]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"mobilebert.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'mobilebert' has no attribute {name!r}")
    module = _MODULE_OF[name]
    if module in _FRAMEWORKS:
        from mobilebert import extras

        getattr(extras, _FRAMEWORKS[module])(f"mobilebert.{name}")
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
