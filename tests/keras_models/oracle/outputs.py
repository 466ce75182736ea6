"""Outputs of models as arrays by name; imported on both sides of the comparison."""

import numpy as np

__all__ = ["flat"]


def flat(output):
    """Every array of an output by name; states and attentions with their number."""
    found = {}
    for name, value in output.items():
        for number, array in enumerate(value if isinstance(value, tuple) else (value,)):
            found[f"{name} {number}"] = np.asarray(array)
    return found
