"""A row of the fine-tuning table made ready: what both sides learn from, and by what budget."""

import dataclasses
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobilebert.datasets.fingerprints import input_of, target_of
from mobilebert.datasets.items import FinetuneTask
from mobilebert.errors import InputError
from mobilebert.hub import BUNDLED_MODEL, BUNDLED_MODELS
from mobilebert.training.batching import BatchPlan
from mobilebert.training.data import DataSource, read_training_data
from mobilebert.training.encoder import EncodingOptions
from mobilebert.training.encoding import encode_items
from mobilebert.training.examples import ExampleSet
from mobilebert.training.long_texts import LongText
from mobilebert.training.presets import finetune_preset
from mobilebert.training.run import steps_of
from mobilebert.training.settings import FinetuneSettings
from mobilebert.training.start import Start

__all__ = ["JUDGED", "Ready", "make_ready", "weights_of"]

# How often a run is judged at most: at equal distances, and where it ends.
JUDGED = 4
# What transformers' loop has no counterpart of: a row that sets one of them compares nothing.
OURS_ALONE = (
    *("optimizer", "schedule", "precision", "class_weights", "sampling", "label_smoothing"),
    *("r_drop", "layer_decay", "head_learning_rate", "freeze", "lora_rank", "micro_tokens"),
)


@dataclass(frozen=True)
class Ready:
    """A row made ready: what both sides learn from, and how.

    Attributes:
        task: The task.
        start: Where both begin.
        settings: None of them open.
        examples: What is learned.
        dev: Items to judge by.
        steps: Of a run.
    """

    task: FinetuneTask
    start: Start
    settings: FinetuneSettings
    examples: ExampleSet
    dev: list[Any]
    steps: int

    @property
    def model(self):
        """Name of the checkpoint."""
        return self.start.name

    def budget(self, seeds):
        """What both sides are given: entries with another one are of another table.

        Where files lie is no part of it.
        """
        names = ("batch_size", "learning_rate", "warmup", "clip", "weight_decay", "max_length")
        return {
            "weights": weights_of(self.model),
            "settings": _digest(self.settings.to_json()),
            "judged_by": _digest(repr([(input_of(x), target_of(x)) for x in self.dev])),
            "train": len(self.examples),
            "dev": len(self.dev),
            "steps": self.steps,
            "seeds": seeds,
            **{name: getattr(self.settings, name) for name in names},
        }

    def check_alike(self):
        """Refuse settings that one side alone would have.

        Raises:
            InputError: There are such.
        """
        usual = FinetuneSettings().filled(finetune_preset(self.task, self.start.config()))
        changed = [x for x in OURS_ALONE if getattr(self.settings, x) != getattr(usual, x)]
        if changed:
            raise InputError(
                f"{', '.join(changed)} would be of mobilebert alone: transformers' loop has no "
                "such setting. Measure --sides ours, or leave it out."
            )


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def weights_of(model):
    """Return the first letters of the SHA-256 of a checkpoint's weights."""
    file = BUNDLED_MODELS.get(str(model), Path(model)) / "model.safetensors"
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def make_ready(row, data, limits, model=BUNDLED_MODEL):
    """Read and encode the data of a row, as `finetune` does."""
    task = FinetuneTask(row.task)
    start = Start(task, model, ())
    given = FinetuneSettings.read({**row.settings, **limits})
    settings = given.filled(finetune_preset(task, start.config()))
    named = row.keywords(data)
    source = DataSource(
        train=named["train"], dev=named["dev"] or (), columns=row.columns, group=row.group
    )
    read = read_training_data(task, source, dev_share=settings.dev_share, seed=settings.seed)
    start = dataclasses.replace(start, labels=read.labels, dropout=settings.dropout)
    options = EncodingOptions(
        max_length=settings.max_length,
        stride=settings.doc_stride,
        long_text=LongText(settings.long_text),
    )
    examples = encode_items(
        task, read.train, start.tokenizer(), start.config(), labels=read.labels, options=options
    ).examples
    plan = BatchPlan(examples.lengths, settings.batch_size, settings.seed)
    steps = steps_of(settings, plan)
    settings = dataclasses.replace(settings, evaluate_every=math.ceil(steps / JUDGED))
    return Ready(task, start, settings, examples, list(read.dev), steps)
