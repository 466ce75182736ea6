"""Auto names: the class is chosen by task, the architecture is always MobileBERT.

Code written for the Auto classes of transformers runs unchanged. PyTorch, or Keras for the TF
names, is imported when a model is asked for.
"""

import importlib
import os
import warnings
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from mobilebert.config import CONFIG_NAME, MobileBertConfig
from mobilebert.errors import ArgumentError, ConfigError, InputError
from mobilebert.extras import require_keras, require_torch
from mobilebert.files import read_json
from mobilebert.hub import HubOptions, lookup_options, resolve_file
from mobilebert.tasks import TASKS, TaskSpec

__all__ = [
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
]

Name = str | os.PathLike[str]

_OLDER_NAME = "{0}AutoModelWithLMHead is deprecated; use {0}AutoModelForMaskedLM."


class _Auto:
    """A class that is never instantiated: its methods return objects of other classes."""

    def __init__(self, *args: Any, **kwargs: Any) -> NoReturn:
        name = type(self).__name__
        raise ArgumentError(
            f"{name} makes no objects of its own; use {name}.from_pretrained(name_or_path)."
        )


def _refuse_remote_code(trust_remote_code: bool | None) -> None:
    if trust_remote_code:
        raise InputError(
            "trust_remote_code=True is refused: this library never runs code of a checkpoint."
        )


def _check_model_type(model_type: Any) -> None:
    if model_type != MobileBertConfig.model_type:
        raise ConfigError(
            f"This is a checkpoint of a {model_type!r} model; this library is for MobileBERT only."
        )


class AutoConfig(_Auto):
    """Loads configurations."""

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: Name,
        *,
        trust_remote_code: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """Load the configuration of a checkpoint.

        Args:
            pretrained_model_name_or_path: Directory, JSON file, bundled name or Hub name.
            trust_remote_code: Must not be true.
            **kwargs: As for `MobileBertConfig.from_pretrained`.

        Returns:
            A `MobileBertConfig`; with ``return_unused_kwargs=True`` a tuple.

        Raises:
            CheckpointError: There is no such checkpoint.
            ConfigError: It is one of another model than MobileBERT.
        """
        _refuse_remote_code(trust_remote_code)
        return MobileBertConfig.from_pretrained(pretrained_model_name_or_path, **kwargs)

    @classmethod
    def for_model(cls, model_type: str, **kwargs: Any) -> MobileBertConfig:
        """Build a configuration by model type, which can only be "mobilebert"."""
        _check_model_type(model_type)
        return MobileBertConfig(**kwargs)


class AutoTokenizer(_Auto):
    """Loads tokenizers."""

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: Name,
        *inputs: Any,
        use_fast: bool = True,
        config: MobileBertConfig | None = None,
        tokenizer_type: str | None = None,
        trust_remote_code: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """Load the tokenizer of a checkpoint.

        Args:
            pretrained_model_name_or_path: Directory, vocabulary file, bundled name or Hub name.
            *inputs: Further positional arguments of the tokenizer class.
            use_fast: `MobileBertTokenizerFast`; False for the pure-Python `MobileBertTokenizer`.
            config: Only its model type counts.
            tokenizer_type: Only "mobilebert" is possible.
            trust_remote_code: Must not be true.
            **kwargs: As for the classes' `from_pretrained`.

        Raises:
            CheckpointError: There is no such tokenizer.
            ConfigError: It is one of another model than MobileBERT.
        """
        _refuse_remote_code(trust_remote_code)
        hub, kwargs = lookup_options(kwargs)
        if tokenizer_type is not None:
            _check_model_type(tokenizer_type)
        if config is not None:
            _check_model_type(getattr(config, "model_type", None))
        elif not Path(pretrained_model_name_or_path).is_file():
            _check_config_file(pretrained_model_name_or_path, hub)
        from mobilebert.text import MobileBertTokenizer, MobileBertTokenizerFast

        chosen: Any = MobileBertTokenizerFast if use_fast else MobileBertTokenizer
        return chosen.from_pretrained(pretrained_model_name_or_path, *inputs, **vars(hub), **kwargs)


def _check_config_file(name_or_path: Name, hub: HubOptions) -> None:
    """Refuse the tokenizer of another model; a tokenizer alone, without config.json, is fine."""
    file = resolve_file(name_or_path, CONFIG_NAME, hub, required=False)
    if file is not None:
        _check_model_type(read_json(file).get("model_type", MobileBertConfig.model_type))


class _AutoModel(_Auto):
    """Loads the PyTorch model of one row of the task table."""

    task: ClassVar[TaskSpec]

    @classmethod
    def _model_class(cls) -> Any:
        require_torch(f"mobilebert.{cls.__name__}")
        return getattr(importlib.import_module("mobilebert.torch"), cls.task.class_name)

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: Name, *model_args: Any, **kwargs: Any
    ) -> Any:
        """Load a model; arguments as for `MobileBertPreTrainedModel.from_pretrained`.

        Returns:
            A model of the PyTorch class for this task, in evaluation mode.

        Raises:
            CheckpointError: There is no such checkpoint, or it is damaged.
            ConfigError: It is one of another model than MobileBERT.
            WeightsError: The weights do not fit the configuration.
        """
        config = kwargs.get("config")
        if config is not None and not isinstance(config, (str, os.PathLike)):
            _check_model_type(getattr(config, "model_type", None))
        return cls._model_class().from_pretrained(
            pretrained_model_name_or_path, *model_args, **kwargs
        )

    @classmethod
    def from_config(
        cls, config: MobileBertConfig, *, trust_remote_code: bool | None = None, **kwargs: Any
    ) -> Any:
        """Build a model with new weights.

        Args:
            config: The configuration.
            trust_remote_code: Must not be true.
            **kwargs: As for `MobileBertPreTrainedModel.from_config`.
        """
        _refuse_remote_code(trust_remote_code)
        _check_model_type(getattr(config, "model_type", None))
        return cls._model_class().from_config(config, **kwargs)


class AutoModel(_AutoModel):
    """Loads `MobileBertModel`, the encoder without a head."""

    task = TASKS["feature_extraction"]


class AutoModelForPreTraining(_AutoModel):
    """Loads `MobileBertForPreTraining`."""

    task = TASKS["pretraining"]


class AutoModelForMaskedLM(_AutoModel):
    """Loads `MobileBertForMaskedLM`."""

    task = TASKS["masked_lm"]


class AutoModelWithLMHead(AutoModelForMaskedLM):
    """Loads `MobileBertForMaskedLM`; the older name of `AutoModelForMaskedLM`."""

    @classmethod
    def _model_class(cls) -> Any:
        warnings.warn(_OLDER_NAME.format(""), FutureWarning, stacklevel=3)
        return super()._model_class()


class AutoModelForNextSentencePrediction(_AutoModel):
    """Loads `MobileBertForNextSentencePrediction`."""

    task = TASKS["next_sentence_prediction"]


class AutoModelForSequenceClassification(_AutoModel):
    """Loads `MobileBertForSequenceClassification`."""

    task = TASKS["sequence_classification"]


class AutoModelForMultipleChoice(_AutoModel):
    """Loads `MobileBertForMultipleChoice`."""

    task = TASKS["multiple_choice"]


class AutoModelForTokenClassification(_AutoModel):
    """Loads `MobileBertForTokenClassification`."""

    task = TASKS["token_classification"]


class AutoModelForQuestionAnswering(_AutoModel):
    """Loads `MobileBertForQuestionAnswering`."""

    task = TASKS["question_answering"]


class _TFAutoModel(_AutoModel):
    """Loads the Keras model of one row of the task table."""

    @classmethod
    def _model_class(cls) -> Any:
        require_keras(f"mobilebert.{cls.__name__}")
        return getattr(importlib.import_module("mobilebert.keras"), f"TF{cls.task.class_name}")


class TFAutoModel(_TFAutoModel):
    """Loads `TFMobileBertModel`, the encoder without a head."""

    task = TASKS["feature_extraction"]


class TFAutoModelForPreTraining(_TFAutoModel):
    """Loads `TFMobileBertForPreTraining`."""

    task = TASKS["pretraining"]


class TFAutoModelForMaskedLM(_TFAutoModel):
    """Loads `TFMobileBertForMaskedLM`."""

    task = TASKS["masked_lm"]


class TFAutoModelWithLMHead(TFAutoModelForMaskedLM):
    """Loads `TFMobileBertForMaskedLM`; the older name of `TFAutoModelForMaskedLM`."""

    @classmethod
    def _model_class(cls) -> Any:
        warnings.warn(_OLDER_NAME.format("TF"), FutureWarning, stacklevel=3)
        return super()._model_class()


class TFAutoModelForNextSentencePrediction(_TFAutoModel):
    """Loads `TFMobileBertForNextSentencePrediction`."""

    task = TASKS["next_sentence_prediction"]


class TFAutoModelForSequenceClassification(_TFAutoModel):
    """Loads `TFMobileBertForSequenceClassification`."""

    task = TASKS["sequence_classification"]


class TFAutoModelForMultipleChoice(_TFAutoModel):
    """Loads `TFMobileBertForMultipleChoice`."""

    task = TASKS["multiple_choice"]


class TFAutoModelForTokenClassification(_TFAutoModel):
    """Loads `TFMobileBertForTokenClassification`."""

    task = TASKS["token_classification"]


class TFAutoModelForQuestionAnswering(_TFAutoModel):
    """Loads `TFMobileBertForQuestionAnswering`."""

    task = TASKS["question_answering"]
