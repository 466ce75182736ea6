"""What the settings of pre-training are by default: a table by size of the model.

Sources: google-research mobilebert, README.md and run_pretraining.py (LAMB, 1.5e-3, batches of
2,048, 500,000 steps, 10,000 of them warm-up). Small models learn more of the same words by AdamW
with a rate of 1e-3 and batches that two processor cores take in seconds.
"""

from typing import Any

from mobilebert.config import MobileBertConfig
from mobilebert.training.presets import ModelSize, model_size

__all__ = ["pretraining_preset"]

_PRESETS: dict[ModelSize, dict[str, Any]] = {
    ModelSize.PUBLISHED: {
        "batch_size": 2048,
        "learning_rate": 1.5e-3,
        "optimizer": "lamb",
        "warmup": 10_000,
        "steps": 500_000,
    },
    ModelSize.SMALL: {
        "batch_size": 64,
        "learning_rate": 1e-3,
        "optimizer": "adamw",
        "warmup": 0.05,
        "steps": 10_000,
    },
}


def pretraining_preset(config: MobileBertConfig) -> dict[str, Any]:
    """Return the defaults for a model.

    Args:
        config: Its configuration.

    Returns:
        Values by the names of the settings.
    """
    return dict(_PRESETS[model_size(config)])
