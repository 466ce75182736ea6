"""Comparisons that print the worst element."""

import numpy as np

__all__ = ["assert_close", "relative_error"]


def relative_error(found, wanted) -> float:
    """Return the largest difference, relative to the largest wanted magnitude (at least 1)."""
    found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    assert found.shape == wanted.shape, f"shape {found.shape}, wanted {wanted.shape}"
    if not wanted.size:
        return 0.0
    scale = max(1.0, float(np.abs(wanted).max()))
    return float(np.abs(found - wanted).max()) / scale


def assert_close(found, wanted, bound: float, name: str = "values") -> None:
    """Fail with the worst element, its place and the bound."""
    found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    error = relative_error(found, wanted)
    if not error <= bound:  # catches NaN too
        place = np.unravel_index(np.nanargmax(np.abs(found - wanted)), wanted.shape)
        raise AssertionError(
            f"{name}: relative error {error:.3g} above {bound:.3g}; "
            f"worst at {tuple(map(int, place))}: found {found[place]!r}, wanted {wanted[place]!r}"
        )
