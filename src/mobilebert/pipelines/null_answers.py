"""When "no answer" is the answer: the threshold of BERT's script for SQuAD 2.0.

A model compares the best span with [CLS], which stands for "no answer" (Devlin et al. 2019,
arXiv:1810.04805, section 4.3). The difference of both has to be above a threshold that is chosen on
rows to judge by; Google's script and those after it name it ``null_score_diff_threshold``.
"""

import math
from typing import Any

from mobilebert.config import MobileBertConfig
from mobilebert.errors import ConfigError, InputError

__all__ = [
    "null_factor",
    "read_null_threshold",
    "store_null_threshold",
    "stored_null_threshold",
]

# The key of config.json. Other libraries keep it and do not use it.
_KEY = "null_score_diff_threshold"
# exp() of more is no number of float64; probabilities of float32 differ by less.
_LARGEST = 700.0


def read_null_threshold(value: Any) -> float:
    """Read a threshold.

    Args:
        value: How much larger the logarithm of the probability of no answer has to be than that of
            the best span.

    Raises:
        InputError: It is no finite number.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        raise InputError(f"{_KEY} must be a finite number, not {value!r}.")
    return float(value)


def null_factor(threshold: float) -> float:
    """Return what the probability of no answer is multiplied with before it is compared."""
    return math.exp(min(max(-threshold, -_LARGEST), _LARGEST))


def store_null_threshold(config: MobileBertConfig, threshold: float | None) -> None:
    """Put a threshold into a configuration, with which it is saved; None takes it out."""
    if threshold is not None:
        setattr(config, _KEY, read_null_threshold(threshold))
    elif hasattr(config, _KEY):
        delattr(config, _KEY)


def stored_null_threshold(config: MobileBertConfig) -> float:
    """Return the threshold that a configuration holds, or 0.

    Raises:
        ConfigError: It is no finite number.
    """
    try:
        return read_null_threshold(getattr(config, _KEY, 0.0))
    except InputError as error:
        raise ConfigError(f"The configuration cannot be used: {error}") from None
