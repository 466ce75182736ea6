"""What a weight holds before training, in numpy, for models that run without a framework."""

from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.weights import WeightInit, WeightSpec

__all__ = ["initial_value"]

# Google's truncated_normal_initializer redraws what is further out than this.
_TRUNCATION = 2.0


def initial_value(
    spec: WeightSpec, scale: float, generator: "np.random.Generator"
) -> npt.NDArray[Any]:
    """Draw a weight's first value.

    Args:
        spec: The weight.
        scale: Standard deviation (``initializer_range``).
        generator: Source of random numbers.

    Returns:
        A float32 array of the weight's shape.
    """
    if spec.init is WeightInit.ZEROS:
        return np.zeros(spec.shape, np.float32)
    if spec.init is WeightInit.ONES:
        return np.ones(spec.shape, np.float32)
    value = generator.standard_normal(spec.shape, dtype=np.float32)
    outside = np.abs(value) > _TRUNCATION
    while outside.any():
        value[outside] = generator.standard_normal(int(outside.sum()), dtype=np.float32)
        outside = np.abs(value) > _TRUNCATION
    value *= np.float32(scale)
    if spec.zero_row is not None:
        value[spec.zero_row] = 0.0
    return value
