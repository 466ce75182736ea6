"""What the probability of each label has to reach, kept in the configuration of the model."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.config import MobileBertConfig
from mobilebert.errors import ConfigError, InputError

__all__ = [
    "DEFAULT_THRESHOLD",
    "TUNED",
    "forget_thresholds",
    "is_threshold",
    "store_thresholds",
    "stored_thresholds",
    "threshold_array",
]

DEFAULT_THRESHOLD = 0.5
TUNED = "tuned"
"""What users say for the thresholds that a configuration holds."""

# The key of config.json: label -> threshold. Pipelines use it when they are asked to
# (``threshold="tuned"``); other libraries keep the key and do not use it.
_KEY = "label_thresholds"


def is_threshold(value: Any) -> bool:
    """Tell whether something is a number from 0 to 1."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and 0 <= value <= 1


def store_thresholds(config: MobileBertConfig, thresholds: Mapping[str, float]) -> None:
    """Put thresholds into a configuration, with which they are saved.

    Args:
        config: The model's configuration.
        thresholds: Label -> threshold, 0 to 1.

    Raises:
        InputError: A label is not the model's, or a threshold is no probability.
    """
    names = list(config.id2label.values())
    threshold_array(names, thresholds)
    setattr(config, _KEY, {name: float(value) for name, value in thresholds.items()})


def forget_thresholds(config: MobileBertConfig) -> None:
    """Take thresholds out of a configuration, if it has any."""
    if hasattr(config, _KEY):
        delattr(config, _KEY)


def stored_thresholds(config: MobileBertConfig) -> dict[str, float] | None:
    """Return the thresholds that a configuration holds, or None.

    Raises:
        ConfigError: They are not what `store_thresholds` puts there.
    """
    stored: Any = getattr(config, _KEY, None)
    if stored is None:
        return None
    try:
        threshold_array(list(config.id2label.values()), stored)
    except InputError as error:
        raise ConfigError(f"{_KEY} of the configuration cannot be used: {error}") from None
    return dict(stored)


def threshold_array(
    names: Sequence[str], thresholds: Mapping[str, float] | None
) -> npt.NDArray[np.float64]:
    """Return the thresholds in the order of the labels, 0.5 for those that have none.

    Args:
        names: The labels.
        thresholds: Label -> threshold, or None.

    Raises:
        InputError: They are no mapping, a label is not among them, or one is no probability.
    """
    given = {} if thresholds is None else thresholds
    if not isinstance(given, Mapping):
        raise InputError(f"Thresholds are given by label, not as {given!r:.60}.")
    for name, value in given.items():
        if name not in names:
            raise InputError(f"There is a threshold for {name!r}, which is no label of the model.")
        if not is_threshold(value):
            raise InputError(f"The threshold of {name!r} must be from 0 to 1, not {value!r}.")
    return np.array([given.get(name, DEFAULT_THRESHOLD) for name in names], np.float64)
