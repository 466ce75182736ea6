"""`pipeline(...)`: the road from text to answer."""

import importlib
import os
from typing import Any

from mobilebert.config import MobileBertConfig
from mobilebert.errors import InputError
from mobilebert.hub import HubOptions
from mobilebert.pipelines.parameters import merged, read_count
from mobilebert.pipelines.pipeline import Pipeline
from mobilebert.pipelines.sources import (
    ModelSource,
    backend_of_framework,
    default_model,
    infer_task,
    load_model,
    load_tokenizer,
)
from mobilebert.tasks import resolve_pipeline_task

__all__ = ["PIPELINES", "pipeline", "pipeline_class"]

# Task -> "module:Class"; a task's module is imported when the task is asked for.
PIPELINES: dict[str, str] = {
    "fill-mask": "fill_mask:FillMaskPipeline",
    "text-classification": "text_classification:TextClassificationPipeline",
    "token-classification": "token_classification:TokenClassificationPipeline",
    "question-answering": "question_answering:QuestionAnsweringPipeline",
    "feature-extraction": "feature_extraction:FeatureExtractionPipeline",
    "zero-shot-classification": "zero_shot_classification:ZeroShotClassificationPipeline",
    "multiple-choice": "multiple_choice:MultipleChoicePipeline",
    "next-sentence-prediction": "next_sentence_prediction:NextSentencePredictionPipeline",
}


def pipeline_class(task: str) -> type[Pipeline[Any]]:
    """Import the class of a task, given in any spelling.

    Raises:
        InputError: There is no such task.
    """
    module, _, name = PIPELINES[resolve_pipeline_task(task)].partition(":")
    imported = importlib.import_module(f"mobilebert.pipelines.{module}")
    found: type[Pipeline[Any]] = getattr(imported, name)
    return found


def pipeline(
    task: str | None = None,
    model: Any = None,
    tokenizer: Any = None,
    *,
    config: MobileBertConfig | str | os.PathLike[str] | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    backend: str = "auto",
    framework: str | None = None,
    device: Any = None,
    dtype: Any = None,
    batch_size: int | None = None,
    allow_untrained: bool = False,
    **task_parameters: Any,
) -> Pipeline[Any]:
    """Build a pipeline, which takes texts and returns answers.

    Args:
        task: fill-mask, text-classification, token-classification, question-answering,
            feature-extraction, zero-shot-classification, multiple-choice or
            next-sentence-prediction, in any spelling; by default what the model was made for.
        model: A name, a directory or a model object. fill-mask and feature-extraction have a
            default, the bundled model.
        tokenizer: A tokenizer, its name or its directory; the model's by default.
        config: A configuration, its name or its directory, instead of the model's own.
        revision: Branch, tag or commit on the Hub.
        token: Access token of the Hub, or True for the stored one.
        backend: auto, engine, numpy, torch or keras. auto is the engine (numpy where it was not
            compiled, for float64, and for activations that it does not know), unless the model is
            an object of PyTorch (torch) or Keras (keras) or `device` asks for another device than
            the CPU (torch).
        framework: transformers' way to say backend="torch", "pt", or backend="keras", "tf".
        device: None, "cpu" or -1 for the CPU; a number, name or device of PyTorch; for keras a
            number or a name. An object of Keras stays where it is.
        dtype: Element type to compute in: float32 and float64; also bfloat16 on torch, keras and
            the engine and float16 on torch. The engine takes by default, and for "auto", the
            fastest that is near enough to float32 on this model (docs/engine.md); for others
            "auto" is what the checkpoint has, if the backend knows it. An object of Keras keeps
            its own.
        batch_size: Sequences per batch, and inputs read ahead of a generator; by default as many
            as 512 tokens allow, and 1.
        allow_untrained: Whether a model may run whose head was newly initialised.
        **task_parameters: Parameters of the task (docs/pipelines.md), the defaults of each call.

    Returns:
        The pipeline of the task.

    Raises:
        InputError: An argument's value is not possible, or there is no model for the task.
        ArgumentError: The task has no such parameter.
        CheckpointError: The model's files are missing or damaged.
        WeightsError: The weights do not fit, or the head is not trained.
    """
    source = ModelSource(
        config=config,
        hub=HubOptions(revision=revision, token=token),
        backend=backend_of_framework(framework, backend),
        device=device,
        dtype=task_parameters.pop("torch_dtype", dtype),
        allow_untrained=allow_untrained,
    )
    if task is None and model is None:
        raise InputError("Give a task or a model: pipeline('fill-mask'), for example.")
    name = infer_task(model, source) if task is None else resolve_pipeline_task(task)
    kind = pipeline_class(name)
    # Wrong parameters are told before a model is loaded.
    merged(name, kind.defaults, task_parameters)
    if batch_size is not None:
        read_count("batch_size", batch_size)
    chosen = default_model(name) if model is None else model
    loaded = load_model(chosen, name, source)
    words = load_tokenizer(tokenizer, chosen, name, loaded.config, source.hub)
    return kind(loaded, words, batch_size=batch_size, **task_parameters)
