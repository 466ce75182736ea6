"""The data sets of the table of figures: where each is in a directory, and how it is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["ROWS", "Row"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A data set and the settings it is tuned with.

    Attributes:
        title: Its name.
        task: As `mobilebert finetune` spells it.
        train: Files to learn from, within the data directory; perhaps with =LABEL behind them.
        dev: Files to judge by; none where a share of the rows is kept.
        columns: Field -> column, where names do not say it.
        group: The column that says which rows are never split apart.
        metrics: What the table shows, the one to compare by first.
        settings: Where they are not those of the preset: a length of the run that two processor
            cores finish in minutes, above all.
    """

    title: str
    task: str
    train: tuple[str, ...]
    dev: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    metrics: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def arguments(self, data: Path, output: Path) -> list[str]:
        """Return the arguments of ``mobilebert``.

        Args:
            data: The directory of all data sets.
            output: The directory for the model.
        """
        named: list[tuple[str, Any]] = [("task", self.task)]
        named += [("train", data / name) for name in self.train]
        named += [("dev", data / name) for name in self.dev]
        named += [("column", f"{name}={column}") for name, column in self.columns.items()]
        named += [("group", self.group)] if self.group else []
        named += list(self.settings.items())
        named.append(("output", output))
        words = (_option(name, value) for name, value in named)
        return ["finetune", *(word for option in words for word in option)]

    def keywords(self, data: Path) -> dict[str, Any]:
        """Return the same as arguments of `mobilebert.finetune`, but for the task and the output.

        Args:
            data: The directory of all data sets.
        """
        return {
            "train": [str(data / name) for name in self.train],
            "dev": [str(data / name) for name in self.dev] or None,
            "columns": dict(self.columns),
            "group": self.group,
            **self.settings,
        }


def _option(name: str, value: Any) -> tuple[str, ...]:
    option = f"--{name.replace('_', '-')}"
    return (option,) if value is True else (option, str(value))


ROWS: dict[str, Row] = {
    "sst2": Row(
        title="SST-2",
        task="text-classification",
        train=("glue/SST-2/train.tsv",),
        dev=("glue/SST-2/dev.tsv",),
        columns={"text": "sentence", "label": "label"},
        metrics=("accuracy",),
        settings={"max_steps": 600},
    ),
    "mrpc": Row(
        title="MRPC",
        task="text-classification",
        train=("glue/MRPC/train.tsv",),
        dev=("glue/MRPC/dev.tsv",),
        columns={"text": "#1 String", "text_pair": "#2 String", "label": "Quality"},
        # Not judged by F1: two of three pairs are of the second class, whose F1 is 81.2 where all
        # are called so.
        metrics=("accuracy", "f1"),
        # Few examples: more steps, of fewer of them.
        settings={"epochs": 5, "batch_size": 16},
    ),
    "stsb": Row(
        title="STS-B",
        task="regression",
        train=("glue/STS-B/train.tsv",),
        dev=("glue/STS-B/dev.tsv",),
        columns={"text": "sentence1", "text_pair": "sentence2", "label": "score"},
        metrics=("spearman", "pearson"),
        settings={"epochs": 2},
    ),
    "rte": Row(
        title="RTE",
        task="text-classification",
        train=("glue/RTE/train.tsv",),
        dev=("glue/RTE/dev.tsv",),
        columns={"text": "sentence1", "text_pair": "sentence2", "label": "label"},
        metrics=("accuracy",),
        # One in eight is longer than the preset's 128 tokens; a window has not always the reason.
        # Few examples: more steps, of fewer of them, each a smaller one.
        settings={"epochs": 5, "batch_size": 16, "learning_rate": 1e-4, "max_length": 256},
    ),
    # Files without a header: source, label, the author's mark, sentence.
    "cola": Row(
        title="CoLA",
        task="text-classification",
        train=("glue/CoLA/train.tsv",),
        dev=("glue/CoLA/dev.tsv",),
        columns={"text": "4", "label": "2"},
        metrics=("matthews", "accuracy"),
        # Two of three sentences are right: weights that call all of them so may have the best
        # accuracy.
        settings={"epochs": 5, "judge_by": "matthews"},
    ),
    "mr": Row(
        title="MR sentence polarity",
        task="text-classification",
        train=("reviews/rt-polarity.pos=positive", "reviews/rt-polarity.neg=negative"),
        metrics=("accuracy",),
        settings={"epochs": 2},
    ),
    # Files without a header: text, numbers of labels with commas between, name of the comment.
    "goemotions": Row(
        title="GoEmotions",
        task="multi-label-classification",
        train=("multilabel/goemotions-train.tsv",),
        dev=("multilabel/goemotions-dev.tsv",),
        columns={"text": "1", "label": "2"},
        metrics=("micro_f1", "macro_f1"),
        # Of 28 rare labels few are told with a probability above one half.
        settings={"epochs": 1, "tune_thresholds": True},
    ),
    "wnut17": Row(
        title="WNUT-17",
        task="token-classification",
        train=("ner/wnut17train.conll",),
        dev=("ner/emerging.dev.conll",),
        metrics=("f1",),
        settings={"epochs": 4},
    ),
    # Both are split by articles.
    "squad1": Row(
        title="SQuAD v1",
        task="question-answering",
        train=("squad/v1-train-36-articles.json",),
        metrics=("f1", "exact_match"),
        # Answers come late: an epoch in batches of 32 at the preset's rate is too short.
        settings={"epochs": 3, "batch_size": 16, "learning_rate": 3e-4},
    ),
    "squad2": Row(
        title="SQuAD v2",
        task="question-answering",
        train=("squad/v2-dev-16-articles.json",),
        metrics=("f1", "exact_match"),
        # Likewise; and half of the questions have no answer, so a model that is not very sure gives
        # none.
        settings={"epochs": 4, "batch_size": 16, "learning_rate": 3e-4, "tune_thresholds": True},
    ),
    "arct": Row(
        title="ARCT",
        task="multiple-choice",
        train=("multiple_choice/arct-train.tsv",),
        dev=("multiple_choice/arct-dev.tsv",),
        columns={
            "prompt": "reason+claim",
            "choices": "warrant0+warrant1",
            "label": "correctLabelW0orW1",
        },
        metrics=("accuracy",),
        settings={"epochs": 3},
    ),
    # Several questions have one context.
    "cosmosqa": Row(
        title="CosmosQA",
        task="multiple-choice",
        train=("multiple_choice/cosmosqa-valid.csv",),
        columns={
            "prompt": "context+question",
            "choices": "answer0+answer1+answer2+answer3",
            "label": "label",
        },
        group="context",
        metrics=("accuracy",),
        settings={"epochs": 1},
    ),
}
