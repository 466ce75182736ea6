"""What the settings of distillation are by default: a table by size of the student."""

from typing import Any

from mobilebert.config import MobileBertConfig
from mobilebert.training.presets import ModelSize, model_size

__all__ = ["distillation_preset"]

_PRESETS: dict[ModelSize, dict[str, Any]] = {
    # README.md of google-research mobilebert; its batches have 2,048 sequences.
    ModelSize.PUBLISHED: {
        "batch_size": 2048,
        "learning_rate": 1.5e-3,
        "optimizer": "lamb",
        "warmup": 10_000,
        "transfer_steps": 240_000,
        "distillation_steps": 500_000,
    },
    ModelSize.SMALL: {
        "batch_size": 64,
        "learning_rate": 1e-3,
        "optimizer": "adamw",
        "warmup": 0.05,
        "transfer_steps": 4_000,
        "distillation_steps": 6_000,
    },
}


def distillation_preset(config: MobileBertConfig) -> dict[str, Any]:
    """Return the defaults for a student.

    Args:
        config: Its configuration.

    Returns:
        Values by the names of the settings.
    """
    return dict(_PRESETS[model_size(config)])
