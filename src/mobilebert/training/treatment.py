"""How a model is judged during a run: as its examples were read, and as it will answer."""

from collections.abc import Iterable, Mapping
from typing import Any

from mobilebert.datasets.items import FinetuneTask, Item, QuestionItem
from mobilebert.errors import InputError
from mobilebert.pipelines.question_windows import MAX_SEQ_LEN, TUNED_ANSWER_LEN
from mobilebert.training.evaluation_results import JudgingOptions
from mobilebert.training.long_texts import LongText, treatment_of
from mobilebert.training.settings import FinetuneSettings

__all__ = [
    "check_metric",
    "check_settings",
    "has_unanswered",
    "judging_options",
    "judging_parameters",
    "parameters_to_keep",
    "usual_metric",
]

_TEXTS = (FinetuneTask.TEXT_CLASSIFICATION, FinetuneTask.MULTI_LABEL, FinetuneTask.REGRESSION)
_CUTS: dict[LongText, bool | str] = {
    LongText.WINDOW: False,
    LongText.HEAD_TAIL: "head_tail",
    LongText.TRUNCATE: True,
}
# What a model may be judged by, of the tasks that have a choice; the first where it is open.
_METRICS: dict[FinetuneTask, tuple[str, ...]] = {
    FinetuneTask.TEXT_CLASSIFICATION: ("accuracy", "macro_f1", "matthews", "f1"),
    FinetuneTask.MULTI_LABEL: ("micro_f1", "macro_f1"),
}
# Settings that some tasks have alone: the value that asks for nothing, and the tasks.
_OF_TASKS: dict[str, tuple[Any, tuple[FinetuneTask, ...]]] = {
    "class_weights": (
        "none",
        (
            FinetuneTask.TEXT_CLASSIFICATION,
            FinetuneTask.MULTI_LABEL,
            FinetuneTask.TOKEN_CLASSIFICATION,
        ),
    ),
    "sampling": ("natural", (FinetuneTask.TEXT_CLASSIFICATION,)),
    "judge_by": (None, tuple(_METRICS)),
    "tune_thresholds": (
        False,
        (FinetuneTask.MULTI_LABEL, FinetuneTask.QUESTION_ANSWERING),
    ),
    "doc_stride": (None, (FinetuneTask.QUESTION_ANSWERING,)),
    "label_smoothing": (
        0.0,
        tuple(task for task in FinetuneTask if task is not FinetuneTask.REGRESSION),
    ),
}
# Settings that 0 is too little for.
_ABOVE_ZERO = ("learning_rate", "head_learning_rate", "layer_decay")


def check_settings(task: FinetuneTask, settings: FinetuneSettings, longest: int) -> None:
    """Refuse settings that mean nothing for a task, and sequences that the model does not read.

    Two settings that do the same are refused too.

    Args:
        task: The task.
        settings: The settings, none open.
        longest: Positions of the model.

    Raises:
        InputError: There is such a setting.
    """
    if settings.max_length is not None and settings.max_length > longest:
        raise InputError(
            f"max_length is at most {longest}, the positions of the model, not "
            f"{settings.max_length:,}; --long-text says what becomes of longer texts."
        )
    for name in _ABOVE_ZERO:
        if getattr(settings, name) == 0:
            raise InputError(
                f"{name} must be above 0, not {getattr(settings, name)!r}; --freeze says what is "
                "to keep its values."
            )
    for name, (nothing, tasks) in _OF_TASKS.items():
        if getattr(settings, name) != nothing and task not in tasks:
            raise InputError(f"The task {task} has no {name}; it is for {', '.join(tasks)}.")
    allowed = _METRICS.get(task, ())
    if settings.judge_by is not None and settings.judge_by not in allowed:
        raise InputError(
            f"The task {task} is not judged by {settings.judge_by}: judge_by may be "
            f"{' or '.join(allowed)}."
        )
    if settings.class_weights != "none" and settings.sampling != "natural":
        raise InputError(
            f"class_weights={settings.class_weights} and sampling={settings.sampling} would make "
            "up for rare classes twice; leave one of them out."
        )


def check_metric(settings: FinetuneSettings, classes: int) -> None:
    """Refuse a metric to judge by that is not defined for so many classes.

    Args:
        settings: The settings, none open.
        classes: How many there are.

    Raises:
        InputError: There is no second of two classes.
    """
    if settings.judge_by == "f1" and classes != 2:
        raise InputError(
            f"judge_by=f1 is the F1 of the second of two classes, and there are {classes:,}; "
            "macro_f1 is the mean over all classes."
        )


def usual_metric(task: FinetuneTask) -> str | None:
    """Return what a model is judged by where `judge_by` is open; None for tasks without a choice.

    Args:
        task: The task.
    """
    return next(iter(_METRICS.get(task, ())), None)


def judging_parameters(
    task: FinetuneTask,
    settings: FinetuneSettings,
    longest: int,
    *,
    no_answer: bool | None = None,
) -> dict[str, Any]:
    """Return what the pipeline is told, so that it reads texts as the examples were made.

    Tags, and answers in contexts that were cut for training, have no such parameters: they are
    found in windows, as users find them.

    Args:
        task: The task.
        settings: The settings, none open.
        longest: Longest sequence that tokenizer and model allow.
        no_answer: Whether there are questions without an answer; None leaves it to those that the
            model is judged by.
    """
    length = min(settings.max_length or longest, longest)
    if task in _TEXTS or task is FinetuneTask.MULTIPLE_CHOICE:
        treatment = treatment_of(task, settings.long_text)
        return {"truncation": _CUTS[treatment], "max_length": length}
    if task is FinetuneTask.QUESTION_ANSWERING:
        told = {
            "handle_impossible_answer": no_answer,
            "max_answer_len": TUNED_ANSWER_LEN,
            "max_seq_len": None if settings.max_length is None else length,
            "doc_stride": settings.doc_stride,
        }
        return {name: value for name, value in told.items() if value is not None}
    return {}


def has_unanswered(items: Iterable[Item]) -> bool:
    """Tell whether one of some questions has no answer; others than questions have none."""
    return any(isinstance(item, QuestionItem) and not item.answers for item in items)


def parameters_to_keep(
    task: FinetuneTask, told: Mapping[str, Any], settings: FinetuneSettings
) -> dict[str, Any]:
    """Return which parameters a tuned model keeps, so that it is asked as it was judged.

    Args:
        task: The task.
        told: What the pipeline was told when the model was judged.
        settings: The settings, none open.
    """
    if task is FinetuneTask.MASKED_LM and settings.max_length is not None:
        return {"max_length": settings.max_length}  # of the blocks that `evaluate` makes
    usual: dict[str, Any] = {}
    if task is FinetuneTask.QUESTION_ANSWERING:
        usual = {"handle_impossible_answer": False, "max_seq_len": MAX_SEQ_LEN}
    return {name: value for name, value in told.items() if usual.get(name) != value}


def judging_options(settings: FinetuneSettings, *, tune_thresholds: bool = False) -> JudgingOptions:
    """Return how answers are judged.

    Args:
        settings: The settings, none open.
        tune_thresholds: Whether thresholds are chosen on the items.
    """
    return JudgingOptions(
        judge_by=settings.judge_by,
        max_length=settings.max_length,
        tune_thresholds=tune_thresholds,
    )
