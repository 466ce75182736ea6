"""What fine-tuning settings are by default: a table by task and size of the model.

Sources, named in the table:

- paper: Sun et al. 2020 (arXiv:2004.02984): batches of 16, 32 or 48, rates of 1e-5
  to 1e-4, 2 to 10 epochs; MobileBERT wants higher rates and more epochs than BERT.
- code: Google's google-research/mobilebert, README.md (SQuAD), run_classifier.py (the rest) and
  optimization.py: warm-up over a tenth of the steps, weight decay 0.01, gradients clipped to 1.
- GoEmotions: Demszky et al. 2020 (arXiv:2005.00547).
- tried: short runs of the bundled model, described at `_SMALL_RATE`.
"""

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mobilebert.config import MobileBertConfig
from mobilebert.datasets.items import FinetuneTask
from mobilebert.training.optimizers import WEIGHT_DECAY

__all__ = ["ModelSize", "finetune_preset", "model_size"]

# Fewer layers than this bear higher rates. Published models have 24 layers, the bundled one 6.
_DEEP = 16


class ModelSize(StrEnum):
    """The sizes that want different rates."""

    PUBLISHED = "published"
    SMALL = "small"


def model_size(config: MobileBertConfig) -> ModelSize:
    """Return the size of a model."""
    return ModelSize.PUBLISHED if config.num_hidden_layers >= _DEEP else ModelSize.SMALL


@dataclass(frozen=True, kw_only=True)
class _Preset:
    """Defaults of a task; the names are those of the settings.

    Attributes:
        learning_rate: Highest rate.
        epochs: Passes over the data.
        batch_size: Examples of a step.
        max_length: Longest sequence in tokens.
        dropout: Before the head; None as the configuration says.
        max_steps: Steps at most; None for no limit.
        warmup: Share of the steps in which the rate rises.
        weight_decay: Of matrices.
        clip: Largest norm of all gradients together.
        dev_rows: Rows to judge by at most; None for all.
    """

    learning_rate: float
    epochs: float
    batch_size: int
    max_length: int
    dropout: float | None = None
    max_steps: int | None = None
    warmup: float = 0.1
    weight_decay: float = WEIGHT_DECAY
    clip: float = 1.0
    dev_rows: int | None = None


_PUBLISHED: dict[FinetuneTask, _Preset] = {
    # code: 5e-5, 32, 128 tokens, dropout 0.1; its 3 epochs are few by the paper.
    FinetuneTask.TEXT_CLASSIFICATION: _Preset(
        learning_rate=5e-5, epochs=5, batch_size=32, max_length=128, dropout=0.1
    ),
    # GoEmotions: 5e-5, 16, at least 4 epochs.
    FinetuneTask.MULTI_LABEL: _Preset(
        learning_rate=5e-5, epochs=5, batch_size=16, max_length=128, dropout=0.1
    ),
    # As classification: the code treats STS-B alike.
    FinetuneTask.REGRESSION: _Preset(
        learning_rate=5e-5, epochs=5, batch_size=32, max_length=128, dropout=0.1
    ),
    # paper, for what neither ran: sentences give a loss for every word, so batches may be small.
    FinetuneTask.TOKEN_CLASSIFICATION: _Preset(
        learning_rate=5e-5, epochs=5, batch_size=16, max_length=128, dropout=0.1
    ),
    # code: its command for SQuAD.
    FinetuneTask.QUESTION_ANSWERING: _Preset(
        learning_rate=4e-5, epochs=5, batch_size=32, max_length=384
    ),
    # paper, for what neither ran: an example is as many sequences as it has choices.
    FinetuneTask.MULTIPLE_CHOICE: _Preset(
        learning_rate=5e-5, epochs=5, batch_size=16, max_length=192, dropout=0.1
    ),
    # The top of the paper's range: text goes on as in pre-training, whose rate was 1.5e-3.
    FinetuneTask.MASKED_LM: _Preset(learning_rate=1e-4, epochs=3, batch_size=32, max_length=128),
}

# The bundled model on 3,000 sentences of SST-2, one epoch, one seed, accuracy on its dev set: with
# batches of 32 0.685 at 1e-4, 0.733 at 3e-4, 0.735 at 1e-3; with batches of 16 0.708 at 1e-4, 0.748
# at 5e-4; at 1e-3 it fell to the majority class, 0.509, over two epochs. With batches of 16, at
# 1e-4, 2e-4 and 4e-4: SST-2 (800 steps) 0.773, 0.790, 0.783; ARCT (150) 0.636, 0.649, 0.646; MRPC
# (240) 0.708, 0.684, 0.699, of which 0.02 are chance; CoLA (800) the majority class with all three.
_SMALL_RATE = 2e-4

# Steps and longest sequences of a quick run: half a million tokens or so, a few minutes of two
# processor cores with the bundled model.
_QUICK: dict[FinetuneTask, dict[str, int]] = {
    FinetuneTask.TEXT_CLASSIFICATION: {"max_steps": 300, "max_length": 96, "batch_size": 16},
    FinetuneTask.MULTI_LABEL: {"max_steps": 300, "max_length": 96, "batch_size": 16},
    FinetuneTask.REGRESSION: {"max_steps": 300, "max_length": 96, "batch_size": 16},
    FinetuneTask.TOKEN_CLASSIFICATION: {"max_steps": 300, "max_length": 96, "batch_size": 16},
    FinetuneTask.QUESTION_ANSWERING: {"max_steps": 150, "max_length": 256, "batch_size": 16},
    FinetuneTask.MULTIPLE_CHOICE: {"max_steps": 100, "max_length": 96, "batch_size": 16},
    FinetuneTask.MASKED_LM: {"max_steps": 150, "max_length": 128, "batch_size": 32},
}


# A quick run judges five times; more rows than this would take longer than its steps.
_QUICK_DEV_ROWS = 1000


def finetune_preset(
    task: FinetuneTask, config: MobileBertConfig, *, quick: bool = False
) -> dict[str, Any]:
    """Return the defaults of a task.

    Args:
        task: The task.
        config: The model's configuration.
        quick: A run of minutes on a processor: fewer steps, smaller batches, shorter sequences,
            fewer rows to judge by.

    Returns:
        Values by the names of the settings; None where nothing is to be set.
    """
    preset = _PUBLISHED[task]
    if model_size(config) is ModelSize.SMALL:
        preset = dataclasses.replace(preset, learning_rate=_SMALL_RATE)
    if quick:
        preset = dataclasses.replace(preset, **_QUICK[task], dev_rows=_QUICK_DEV_ROWS)
    longest = min(preset.max_length, config.max_position_embeddings)
    return dataclasses.asdict(dataclasses.replace(preset, max_length=longest))
