"""Asking a pipeline about items, so that a model is judged by what it says to its users."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mobilebert.activations import is_native
from mobilebert.backend import engine_is_compiled
from mobilebert.datasets.items import Item
from mobilebert.errors import InputError
from mobilebert.pipelines import ItemError, Pipeline, pipeline

__all__ = ["Asking", "open_pipeline"]

# Items asked about at a time: enough to sort them by length, few enough to show progress.
_CHUNK = 512


@dataclass(frozen=True)
class Asking:
    """A pipeline, and how it is asked.

    Attributes:
        pipeline: The pipeline of the task.
        parameters: Parameters of the task for every call.
        on_progress: Is told now and then how many items have an answer.
    """

    pipeline: Pipeline[Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    on_progress: Callable[[int], None] | None = None

    def __call__(
        self, items: Sequence[Item], inputs: Sequence[Any], **parameters: Any
    ) -> list[Any]:
        """Ask about all items.

        Args:
            items: The items.
            inputs: What the pipeline reads for each of them.
            **parameters: Parameters of the task, which come before those of the user.

        Returns:
            An answer for each.

        Raises:
            InputError: The pipeline cannot use an item; the error has its place.
        """
        answers: list[Any] = []
        for start in range(0, len(inputs), _CHUNK):
            chunk = inputs[start : start + _CHUNK]
            try:
                answers += self.pipeline.answer_all(chunk, **{**self.parameters, **parameters})
            except ItemError as error:
                place = items[start + error.position].place
                raise InputError(f"{place}: {error.reason}") from None
            if self.on_progress is not None:
                self.on_progress(len(answers))
        return answers


def open_pipeline(
    task: str, model: Any, tokenizer: Any, *, backend: str = "auto", dtype: Any = None
) -> Pipeline[Any]:
    """Open the pipeline of a model, or of one that is being trained.

    A model object on the CPU is run by the engine in float32 where that is compiled: its answers
    are those of the model, sooner.

    Args:
        task: The pipeline's name.
        model: A name, a directory, a backend or a model object of PyTorch.
        tokenizer: A tokenizer, its name, or None for the model's.
        backend: As for `pipeline`.
        dtype: As for `pipeline`.

    Raises:
        MobileBertError: The model cannot be used; see `pipeline`.
    """
    if backend == "auto" and _is_on_cpu(model) and _runs_on_engine(model):
        from mobilebert.engine.backend import EngineBackend

        model, dtype = EngineBackend.from_model(model, dtype=dtype or "float32"), None
    opened: Pipeline[Any] = pipeline(
        task, model, tokenizer, backend=backend, dtype=dtype, allow_untrained=_is_model(model)
    )
    return opened


def _is_model(model: Any) -> bool:
    return hasattr(model, "state_dict") and hasattr(model, "task")


def _runs_on_engine(model: Any) -> bool:
    return engine_is_compiled() and is_native(model.config.hidden_act)


def _is_on_cpu(model: Any) -> bool:
    return _is_model(model) and model.device.type == "cpu"
