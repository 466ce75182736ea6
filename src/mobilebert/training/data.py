"""The data of a run: items to train on and to judge by, and what a report says about them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mobilebert.datasets.agreement import check_training, without_unseen_labels
from mobilebert.datasets.fingerprints import whole_text
from mobilebert.datasets.item_sets import Items
from mobilebert.datasets.items import FinetuneTask
from mobilebert.datasets.label_names import check_occurring
from mobilebert.datasets.problems import NOTICES, OnError, Problem, ProblemKind
from mobilebert.datasets.reading import read_items
from mobilebert.datasets.sources import named_format, open_rows
from mobilebert.datasets.splitting import leaks, shared_groups, split
from mobilebert.errors import InputError
from mobilebert.reports.data_summary import (
    EXAMPLES_KEPT,
    DataFile,
    DataSummary,
    ProblemKind as ReportedProblem,
)
from mobilebert.training.labels import LabelNames, collect_labels

__all__ = ["DataSource", "TrainingData", "file_summary", "read_training_data", "reported_problems"]

# What is said of items to judge by that share more with the training data than they should, where
# that is not all of their text.
_LEAKED = {
    FinetuneTask.QUESTION_ANSWERING: "rows to judge by have a context of the training data",
}
_SHARED_ARTICLES = (
    "There are too few articles to divide them: rows to judge by have articles of the others, "
    "which may flatter the metrics."
)
_SHARED_CONTEXTS = (
    "There are too few contexts to divide them: rows to judge by have contexts of the others, so "
    "the metrics flatter."
)


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """Where rows come from, and how they are read.

    Attributes:
        train: Files to learn from.
        dev: Files to judge by; none for a share of the others.
        columns: Field -> column, where they are not to be guessed.
        encoding: Of text files; guessed by default.
        delimiter: Of tables in text files; guessed by default.
        group: The column that says what belongs together.
        skip_bad_rows: Whether rows that cannot be used are left out rather than refused.
        label_names: Label as the files have it -> the name it is to have.
    """

    train: Sequence[str]
    dev: Sequence[str] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    encoding: str | None = None
    delimiter: str | None = None
    group: str | None = None
    skip_bad_rows: bool = False
    label_names: Mapping[str, str] = field(default_factory=dict)

    @property
    def on_error(self) -> OnError:
        """What is done about bad rows."""
        return OnError.SKIP if self.skip_bad_rows else OnError.REFUSE

    def read(
        self,
        task: FinetuneTask,
        files: Sequence[str],
        like: Items | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> Items:
        """Read the items of some files.

        Args:
            task: Their task.
            files: The files.
            like: Items whose columns were chosen already, for files of the same form.
            on_progress: Is told now and then how many rows have been read, from 0 in each pass.

        Raises:
            InputError: They cannot be read, or have rows that cannot be used.
        """
        is_plain = task is FinetuneTask.MASKED_LM and self.delimiter is None
        # By their names, whatever the lines look like.
        kind = "txt" if is_plain and set(map(named_format, files)) == {"txt"} else None
        rows = open_rows(
            list(files), encoding=self.encoding, delimiter=self.delimiter, file_format=kind
        )
        if on_progress is not None:
            rows = rows.watched(on_progress)
        if like is not None:
            known = {**like.options, "reason": "as in the training data"}
            return read_items(
                task, rows, on_error=self.on_error, group=self.group, needs_group=False, **known
            )
        return read_items(
            task,
            rows,
            columns=self.columns or None,
            on_error=self.on_error,
            group=self.group,
            label_names=self.label_names,
        )


@dataclass(frozen=True)
class TrainingData:
    """Items of a run.

    Attributes:
        train: To learn from.
        dev: To judge by.
        labels: Names of the labels, in the order of their numbers.
        summary: What a report says about them.
        task: What they are for.
        leaked: Items to judge by whose text, or context, stands in the training data.
    """

    train: Items
    dev: Items
    labels: LabelNames
    summary: DataSummary
    task: FinetuneTask
    leaked: tuple[Problem, ...] = ()

    def judged_by(self, dev: Items) -> "TrainingData":
        """Return the same with fewer items to judge by, and a summary that tells of them.

        Args:
            dev: Some of the items to judge by.
        """
        places = {item.place for item in dev} if self.leaked else set()
        leaked = tuple(problem for problem in self.leaked if problem.place in places)
        return replace(self, dev=dev, summary=_about_dev(self.summary, dev, leaked), leaked=leaked)

    def sentences(self) -> list[str]:
        """Say how the data were read, and what is wrong with them."""
        summary = self.summary
        said = [fact for file in summary.files for fact in file.facts]
        counts = f"{summary.train_items:,} rows to learn from, {summary.dev_items:,} to judge by."
        said.append(f"{counts} {summary.split}".strip())
        if self.labels:
            most = max(summary.train_labels.values(), default=0)
            least = min(summary.train_labels.values(), default=0)
            are_tags = self.task is FinetuneTask.TOKEN_CLASSIFICATION
            labels, rows = ("tags", "words") if are_tags else ("labels", "rows")
            said.append(f"{len(self.labels)} {labels}, of {least:,} to {most:,} {rows}.")
        for problem in summary.problems:
            done = " (left out)" if problem.skipped else ""
            said.append(f"{problem.kind}: {problem.count:,}{done}; {problem.examples[0]}")
        if summary.leaks:
            shared = _LEAKED.get(self.task, "rows to judge by stand in the training data too")
            said.append(
                f"{summary.leaks:,} {shared}, so the metrics flatter; {summary.leak_examples[0]}"
            )
        return said


def read_training_data(
    task: FinetuneTask,
    source: DataSource,
    *,
    dev_share: float,
    seed: int,
    dev_rows: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> TrainingData:
    """Read, check and split the data of a run.

    Args:
        task: The task.
        source: Where they come from.
        dev_share: How much is kept to judge by where there are no files for that.
        seed: Decides what.
        dev_rows: To judge by at most; None for all that there are.
        on_progress: Is told now and then how many rows have been read, from 0 in each pass.

    Raises:
        InputError: They cannot be used.
    """
    read = source.read(task, source.train, on_progress=on_progress)
    check_occurring(", ".join(source.train), source.label_names, read.labels)
    check_training(task, read)
    files = [file_summary(source.train, "train", read)]
    how = ""
    if source.dev:
        train = read
        dev = source.read(task, source.dev, read, on_progress)
        dev = without_unseen_labels(train.labels, dev, source.on_error)
        files.append(file_summary(source.dev, "dev", dev))
    else:
        kept, held, how = _split(task, read, dev_share, seed, keeps_groups=source.group is not None)
        dev = read.only(held)
        train = read.only(kept, labels=Counter(read.labels) - Counter(dev.labels))
        check_training(task, train, is_part=True)
    if dev_rows is not None and len(dev) > dev_rows:
        how += f" {dev_rows:,} of {len(dev):,} rows to judge by are drawn (seed {seed})."
        places = np.random.default_rng(seed).choice(len(dev), dev_rows, replace=False)
        dev = dev.only(np.sort(places))
    leaked = tuple(leaks(train, dev)) if source.dev else ()  # of a split it is said how it was made
    if source.dev and source.group is not None:
        dev = dev.with_problems(shared_groups(train, dev))
    summary = DataSummary(
        files=files,
        train_items=len(train),
        split=how.strip(),
        problems=reported_problems([train, dev] if source.dev else [read], source),
        train_labels=dict(train.labels),
    )
    return TrainingData(
        train,
        dev,
        collect_labels(task, train.labels),
        _about_dev(summary, dev, leaked),
        task,
        leaked,
    )


def _about_dev(summary: DataSummary, dev: Items, leaked: Sequence[Problem]) -> DataSummary:
    """Return a summary with what is said about items to judge by."""
    return replace(
        summary,
        dev_items=len(dev),
        dev_labels=dict(dev.labels),
        leaks=len(leaked),
        leak_examples=[str(problem) for problem in leaked[:EXAMPLES_KEPT]],
    )


def file_summary(paths: Sequence[str], role: str, read: Items) -> DataFile:
    """Return what a report says about files.

    Args:
        paths: The files.
        role: train or dev.
        read: Their items.
    """
    bad = sum(count for kind, count in read.counts.items() if kind not in NOTICES)
    return DataFile(
        path=", ".join(map(str, paths)),
        role=role,
        rows=len(read) + bad,
        used=len(read),
        facts=list(read.facts),
        names=[Path(path).name for path in paths],
    )


def _split(
    task: FinetuneTask, read: Items, share: float, seed: int, *, keeps_groups: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
    """Split items: questions by their articles, or by contexts, or by question and context.

    Args:
        task: The task.
        read: The items.
        share: How much is held out.
        seed: Decides what.
        keeps_groups: Whether somebody said what belongs together. Articles may be divided where
            they are too few.

    Returns:
        The places of both parts, and a sentence about them.

    Raises:
        InputError: A part would be empty.
    """
    divide = partial(split, read, share=share, seed=seed)
    told = partial(_split_sentence, share, seed)
    groups = read.groups
    if task is not FinetuneTask.QUESTION_ANSWERING:
        return *divide(groups=groups), told("text", groups)
    with suppress(InputError):
        return *divide(groups=groups), told("context", groups)
    if groups and not keeps_groups:
        groups = None
        with suppress(InputError):
            return *divide(), f"{told('context', None)} {_SHARED_ARTICLES}"
    kept, held = divide(groups=groups, text_of=whole_text)
    return kept, held, f"{told('question and context', groups)} {_SHARED_CONTEXTS}"


def _split_sentence(share: float, seed: int, text: str, groups: Sequence[str] | None) -> str:
    together = f"of the same {text} or group" if groups else f"of the same {text}"
    return (
        f"{share:.0%} of the rows are kept to judge by, with labels in the same proportion and "
        f"rows {together} on one side (seed {seed})."
    )


def reported_problems(sets: Sequence[Items], source: DataSource) -> list[ReportedProblem]:
    """Return what a report says about problems of items.

    Args:
        sets: The items.
        source: How they were read.
    """
    counts: Counter[ProblemKind] = Counter()
    examples: dict[ProblemKind, list[str]] = {}
    for items in sets:
        counts.update(items.counts)
        for problem in items.problems:
            examples.setdefault(problem.kind, []).append(str(problem))
    return [
        ReportedProblem(
            kind=kind.value,
            count=count,
            examples=examples.get(kind, [])[:EXAMPLES_KEPT],
            skipped=source.skip_bad_rows and kind not in NOTICES,
        )
        for kind, count in counts.items()
    ]
