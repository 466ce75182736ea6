"""From what the user names as a model to a backend that runs it."""

import logging
import os
import sys
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from mobilebert.activations import is_native
from mobilebert.backend import (
    BACKENDS,
    Backend,
    backend_class,
    default_backend,
    engine_is_compiled,
    wants_cpu,
)
from mobilebert.checkpoint import LoadReport, check_vocabulary, load_checkpoint, task_of_config
from mobilebert.checkpoint.names import ENCODER_PREFIX
from mobilebert.checkpoint.reading import load_config
from mobilebert.config import MobileBertConfig
from mobilebert.errors import InputError, WeightsError
from mobilebert.hub import BUNDLED_MODEL, PUBLISHED_MODEL, HubOptions
from mobilebert.tasks import PIPELINE_TASKS, TaskSpec
from mobilebert.text import MobileBertTokenizerFast

__all__ = ["ModelSource", "default_model", "infer_task", "load_model", "load_tokenizer"]

logger = logging.getLogger(__name__)

# Tasks that the bundled checkpoint is trained for.
DEFAULT_TASKS = ("fill-mask", "feature-extraction")

# transformers' names of frameworks -> our backends.
FRAMEWORKS = {"pt": "torch", "tf": "keras"}


@dataclass(frozen=True)
class ModelObject:
    """Model objects of one framework.

    Attributes:
        module: The framework. Its models can only exist where it is imported already.
        kind: Name of the class they are of, in that module.
        backend: What runs them.
        noun: What messages call them.
    """

    module: str
    kind: str
    backend: str
    noun: str

    def matches(self, model: Any) -> bool:
        """Tell whether `model` is one, without importing anything."""
        kind = sys.modules.get(self.module)
        for name in self.kind.split("."):
            kind = getattr(kind, name, None)
        return isinstance(kind, type) and isinstance(model, kind)


# Keras first: on its PyTorch backend, which is not ours, a layer is a PyTorch module too.
MODEL_OBJECTS = (
    ModelObject("keras", "layers.Layer", "keras", "A Keras"),
    ModelObject("torch", "nn.Module", "torch", "A PyTorch"),
)

# Weights a pipeline never reads, by task: they may be missing.
UNREAD = {"feature-extraction": ("pooler.",)}


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    """How a model is loaded and run.

    Attributes:
        config: A configuration instead of the checkpoint's own, or where to load it.
        hub: Lookup options.
        backend: auto, or a row of the backend table.
        device: Where it runs: None, "cpu", -1, an accelerator's number or a device of a framework.
        dtype: Element type it computes in.
        allow_untrained: Whether a model may run whose head was newly initialised.
    """

    config: MobileBertConfig | str | os.PathLike[str] | None = None
    hub: HubOptions = field(default_factory=HubOptions)
    backend: str = "auto"
    device: Any = None
    dtype: Any = None
    allow_untrained: bool = False

    @property
    def configuration(self) -> MobileBertConfig | None:
        """The configuration given, loaded where it was named."""
        if self.config is None or isinstance(self.config, MobileBertConfig):
            return self.config
        return load_config(self.config, self.hub)

    @property
    def backend_name(self) -> str:
        """The backend for a checkpoint: `backend`, or what suits `device` and `dtype`."""
        if self.backend != "auto":
            return self.backend
        if not wants_cpu(self.device):
            return "torch"
        if not engine_is_compiled():
            _tell_that_the_engine_is_missing()
        return default_backend(self.dtype_name)

    @property
    def dtype_name(self) -> str | None:
        """The element type by name, e.g. ``float16`` for ``torch.float16`` or ``tf.float16``."""
        if self.dtype is None:
            return None
        return str(getattr(self.dtype, "name", self.dtype)).removeprefix("torch.")


@cache
def _tell_that_the_engine_is_missing() -> None:
    logger.warning(
        "The engine was not compiled when mobilebert was installed (it needs a C++ compiler); "
        "running on numpy, which is slower."
    )


@cache
def _tell_that_the_engine_lacks(hidden_act: str) -> None:
    logger.warning(
        "The engine does not know the activation %r (hidden_act); running on numpy, which is "
        "slower.",
        hidden_act,
    )


def backend_of_framework(framework: str | None, backend: str) -> str:
    """Return the backend that is meant, where transformers' argument for it is given.

    Raises:
        InputError: There is no such framework, or `backend` is another.
    """
    if framework is None:
        return backend
    if framework not in FRAMEWORKS:
        raise InputError(f"framework must be {' or '.join(FRAMEWORKS)}, not {framework!r}.")
    meant = FRAMEWORKS[framework]
    if backend not in ("auto", meant):
        raise InputError(
            f"framework={framework!r} is backend={meant!r}, not {backend!r}; give one of the two."
        )
    return meant


def default_model(task: str) -> str:
    """Return the model of a task when none is given, and say so.

    Raises:
        InputError: The task has none.
    """
    if task not in DEFAULT_TASKS:
        raise InputError(
            f"The task {task!r} has no default model: name one trained for it, with model=... "
            "(--model on the command line)."
        )
    logger.warning(
        "No model was given: using the bundled %s, which is small; the published one is %s.",
        BUNDLED_MODEL,
        PUBLISHED_MODEL,
    )
    return BUNDLED_MODEL


def infer_task(model: Any, source: ModelSource) -> str:
    """Return the pipeline task that a model was made for.

    Args:
        model: A name, a directory, or a model object.
        source: How it is loaded.

    Raises:
        InputError: Its configuration does not say.
    """
    if _is_name(model):
        config = source.configuration or load_config(model, source.hub)
        spec = task_of_config(config)
    else:
        spec = _run_by(model, source).task
    if spec is None:
        raise InputError(
            f"The configuration of {str(model)!r} does not say what the model was made for; give a "
            f"task: {', '.join(PIPELINE_TASKS)}."
        )
    # A model of the pretraining task answers two tasks; its first output is the vocabulary.
    return spec.pipeline or "fill-mask"


def load_model(model: Any, task: str, source: ModelSource) -> Backend:
    """Load a model for a task.

    Args:
        model: A name, a directory, a model object or a backend.
        task: Name of the pipeline task.
        source: How it is loaded and run.

    Raises:
        CheckpointError: Files are missing or damaged.
        WeightsError: The weights do not fit, or the head is not trained.
        InputError: The model is for another task, or the backend cannot run it so.
        MissingExtraError: The backend's library is not installed.
    """
    if not _is_name(model):
        return _of_object(model, task, source)
    name = source.backend_name
    made_by = backend_class(name)  # an unknown or missing backend is told before files are read
    if name == "engine" and source.backend == "auto" and not _engine_knows(model, source):
        made_by = backend_class(name := "numpy")
    spec = PIPELINE_TASKS[task]
    options = {"config": source.configuration, "formats": made_by.formats, **vars(source.hub)}

    def inspect(report: LoadReport, _: MobileBertConfig) -> None:
        if not source.allow_untrained:
            _refuse_untrained(str(model), task, report.newly_initialized)

    made: Backend
    if name == "engine":  # its packs stand for the checkpoint, which is then not read
        made = made_by.from_checkpoint(
            model, spec, inspect=inspect, device=source.device, dtype=source.dtype_name, **options
        )
        return made
    checkpoint = load_checkpoint(model, spec, **options)
    inspect(checkpoint.report, checkpoint.config)
    dtype = source.dtype_name
    if dtype == "auto":
        dtype = checkpoint.dtype if checkpoint.dtype in made_by.dtypes else None
    made = made_by(
        checkpoint.arrays("float64" if dtype == "float64" else "float32"),
        checkpoint.config,
        spec,
        device=source.device,
        dtype=dtype,
    )
    return made


def _engine_knows(model: str | os.PathLike[str], source: ModelSource) -> bool:
    """Tell whether the engine has the activation of a checkpoint; say so if not."""
    hidden_act = (source.configuration or load_config(model, source.hub)).hidden_act
    # A function of the user's may be of any framework: the engine refuses it.
    if callable(hidden_act) or is_native(hidden_act):
        return True
    _tell_that_the_engine_lacks(hidden_act)
    return False


def load_tokenizer(
    tokenizer: Any, model: Any, task: str, config: MobileBertConfig, hub: HubOptions
) -> Any:
    """Load the tokenizer, by default the model's, and check that it fits the model.

    Args:
        tokenizer: A tokenizer, its name or directory, or None.
        model: What was given as the model.
        task: Name of the pipeline task.
        config: The model's configuration.
        hub: Lookup options.

    Raises:
        InputError: A model object does not say where its tokenizer is.
        CheckpointError: Files are missing, or the vocabulary does not fit the model.
    """
    if tokenizer is None:
        tokenizer = model if _is_name(model) else config.name_or_path
        if not tokenizer:
            raise InputError("A model object does not say where its tokenizer is: give tokenizer=.")
    name = str(tokenizer) if _is_name(tokenizer) else "the tokenizer"
    if _is_name(tokenizer):
        tokenizer = MobileBertTokenizerFast.from_pretrained(tokenizer, **vars(hub))
    check_vocabulary(config, len(tokenizer), name, predicts=PIPELINE_TASKS[task].vocabulary)
    return tokenizer


def _is_name(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike))


def _run_by(model: Any, source: ModelSource) -> Backend:
    """Return the backend that runs a model object."""
    if hasattr(model, "run") and isinstance(getattr(model, "task", None), TaskSpec):
        runs_itself: Backend = model
        return runs_itself
    for row in MODEL_OBJECTS:
        if not row.matches(model):
            continue
        if source.backend not in ("auto", row.backend):
            raise InputError(
                f"{row.noun} model runs on backend={row.backend!r}, not {source.backend!r}; give "
                "the checkpoint's directory to run it on another."
            )
        dtype = None if source.dtype_name == "auto" else source.dtype_name
        made: Backend = backend_class(row.backend).from_model(
            model, device=source.device, dtype=dtype
        )
        return made
    raise InputError(
        f"model must be a name, a directory or a model object, not {type(model).__name__}; "
        f"backends: {', '.join(BACKENDS)}."
    )


def _of_object(model: Any, task: str, source: ModelSource) -> Backend:
    """Return the backend of a model object that is made for the task and trained for it."""
    untrained = tuple(getattr(model, "newly_initialized_weights", ()))
    asked = model
    # The features of a model with a head are those of its encoder.
    if task == "feature-extraction" and hasattr(model, "mobilebert"):
        asked = model.mobilebert
        inside = [name for name in untrained if name.startswith(ENCODER_PREFIX)]
        untrained = tuple(name.removeprefix(ENCODER_PREFIX) for name in inside)
    backend = _run_by(asked, source)
    _check_task(backend, task)
    if not source.allow_untrained:
        _refuse_untrained(type(model).__name__, task, untrained)
    return backend


def _check_task(backend: Backend, task: str) -> None:
    wanted = PIPELINE_TASKS[task]
    both = backend.task.name == "pretraining" and task in ("fill-mask", "next-sentence-prediction")
    if backend.task is not wanted and not both:
        prefix = "TF" if backend.name == "keras" else ""
        raise InputError(
            f"The task {task!r} needs a {prefix}{wanted.class_name}, "
            f"not a {prefix}{backend.task.class_name}."
        )


def _refuse_untrained(model: str, task: str, names: tuple[str, ...]) -> None:
    unread = UNREAD.get(task, ())
    untrained = [name for name in names if not name.startswith(unread)] if unread else list(names)
    if untrained:
        listing = ", ".join(untrained[:4]) + (", ..." if len(untrained) > 4 else "")
        raise WeightsError(
            f"{model!r} is not trained for {task}: {len(untrained)} weights are missing "
            f"({listing}) and would be random. Choose another model, or pass "
            "allow_untrained=True (--allow-untrained)."
        )
