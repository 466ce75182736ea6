"""What the settings of distillation are by default: a table by size of the student."""

from typing import Any

from mobilebert.config import MobileBertConfig
from mobilebert.pretraining.presets import pretraining_preset
from mobilebert.training.presets import ModelSize, model_size

__all__ = ["distillation_preset"]

# Those of the published run are in google-research mobilebert, README.md.
_STEPS: dict[ModelSize, dict[str, int]] = {
    ModelSize.PUBLISHED: {"transfer_steps": 240_000, "distillation_steps": 500_000},
    ModelSize.SMALL: {"transfer_steps": 4_000, "distillation_steps": 6_000},
}


def distillation_preset(config: MobileBertConfig) -> dict[str, Any]:
    """Return the defaults for a student: those of pre-training, but for the steps.

    Args:
        config: Its configuration.

    Returns:
        Values by the names of the settings.
    """
    return pretraining_preset(config) | _STEPS[model_size(config)]
