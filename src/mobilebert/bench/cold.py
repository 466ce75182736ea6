"""Emptying the processor's caches, so that weights have to come from memory."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.engine.processors import processors_by_affinity

__all__ = ["empty_caches"]

# Where the system does not say how large they are, and the most that is taken for it.
_USUAL_CACHE = 64 * 2**20
_LARGEST_BUFFER = 768 * 2**20

_UNITS = {"K": 2**10, "M": 2**20}


def _largest_cache() -> int:
    sizes = [_USUAL_CACHE]
    for file in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        try:
            text = file.read_text().strip()
            sizes.append(int(text[:-1]) * _UNITS[text[-1]])
        except (OSError, ValueError, KeyError, IndexError):
            continue
    return max(sizes)


@cache
def _buffers() -> list[npt.NDArray[Any]]:
    """One part for each processor: every core has caches of its own to be emptied."""
    count = processors_by_affinity()
    size = min(_LARGEST_BUFFER, 3 * _largest_cache() // 2)
    return [np.ones(size // 8 // count) for _ in range(count)]


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(len(_buffers()))


def _stream(buffer: npt.NDArray[Any]) -> None:
    np.add(buffer, 1.0, out=buffer)  # without the GIL, so that the parts go on together


def empty_caches() -> None:
    """Read and write one and a half times as much memory as the largest cache holds."""
    list(_pool().map(_stream, _buffers()))
