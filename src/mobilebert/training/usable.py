"""Rows that a tokenizer or a model's length makes unusable are met before training, not within."""

from collections.abc import Callable

import numpy as np

from mobilebert.datasets.items import FinetuneTask
from mobilebert.datasets.problems import OnError, ProblemKind, ProblemLog
from mobilebert.errors import InputError
from mobilebert.reports.data_summary import EXAMPLES_KEPT, ProblemKind as ReportedProblem
from mobilebert.training.data import TrainingData
from mobilebert.training.encoding import EncodedItems

__all__ = ["check_encoded", "with_usable_dev"]


def check_encoded(
    task: FinetuneTask, data: TrainingData, encoded: EncodedItems, on_error: OnError
) -> None:
    """Refuse training rows without an example, or have the report say that they are left out.

    Paragraphs of plain text without words are left out always: nobody has labelled them.

    Args:
        task: The task.
        data: The data; its summary gets the problems.
        encoded: What came of the rows to learn from.
        on_error: Whether such rows are refused or left out.

    Raises:
        InputError: There are such rows and they are refused, or there are no others.
    """
    problems = encoded.summary.problems
    if on_error is OnError.REFUSE and task is not FinetuneTask.MASKED_LM:
        problems.refuse("The data to learn from", len(data.train))
    if not len(encoded.examples):
        first = f" {problems.kept[0]}" if problems.kept else ""
        raise InputError(f"No row to learn from can be used.{first}")
    data.summary.problems += _reported(problems)


def with_usable_dev(
    task: FinetuneTask,
    data: TrainingData,
    encode: Callable[[], EncodedItems],
    on_error: OnError,
) -> TrainingData:
    """Refuse or leave out rows to judge by that the pipeline would refuse during training.

    Args:
        task: The task.
        data: The data.
        encode: Encodes the rows to judge by.
        on_error: Whether such rows are refused or left out.

    Returns:
        The data, where need be with fewer rows to judge by.

    Raises:
        InputError: There are such rows and they are refused, or there are no others.
    """
    if task is FinetuneTask.MASKED_LM:
        return data  # judged in blocks of many paragraphs
    encoded = encode()
    problems = encoded.summary.problems
    # Answers are judged by their text, wherever it stands.
    if not set(problems.counts) - {ProblemKind.BAD_ANSWER}:
        return data
    if on_error is OnError.REFUSE:
        problems.refuse("The data to judge by", len(data.dev))
    kept = np.unique(encoded.examples.items).tolist()
    if not kept:
        raise InputError(f"No row to judge by can be used. {problems.kept[0]}")
    data.summary.problems += _reported(problems)
    return data.judged_by(data.dev.only(kept, problems))


def _reported(problems: ProblemLog) -> list[ReportedProblem]:
    return [
        ReportedProblem(
            kind=kind.value,
            count=count,
            examples=[str(one) for one in problems.kept if one.kind is kind][:EXAMPLES_KEPT],
            skipped=True,
        )
        for kind, count in problems.counts.items()
    ]
