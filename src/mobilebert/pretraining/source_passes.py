"""How often an epoch reads each source of prepared data: more of a small one that is worth it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.corpora.prepared import PreparedCorpus
from mobilebert.errors import InputError

__all__ = ["read_passes", "sequence_passes"]

_MOST = 100.0


def read_passes(given: str) -> dict[str, float]:
    """Read what ``source_passes`` says: source -> passes of an epoch.

    Args:
        given: ``SOURCE=F``, several separated by commas.

    Raises:
        InputError: A part is something else, a source is there twice, or the number is none from 0
            to 100.
    """
    passes: dict[str, float] = {}
    for part in given.split(","):
        name, _, number = map(str.strip, part.rpartition("="))
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if not (name and 0 <= value <= _MOST):
            raise InputError(
                f"source_passes takes SOURCE=F, such as factbook=4, with F from 0 to {_MOST:g}; "
                f"not {part.strip()!r}."
            )
        if name in passes:
            raise InputError(f"source_passes names {name} twice.")
        passes[name] = value
    return passes


def sequence_passes(corpus: PreparedCorpus, given: str) -> npt.NDArray[np.floating[Any]]:
    """Return how often an epoch reads each sequence.

    Args:
        corpus: The sequences.
        given: As `read_passes`; a source is called as the data call it, or so without what follows
            the first point (``factbook`` for ``factbook.txt.xz``). Others have one pass.

    Returns:
        Passes, [N].

    Raises:
        InputError: As `read_passes`; or there is no such source, or nothing is left.
    """
    of_source = np.ones(len(corpus.source_names))
    for name, passes in read_passes(given).items():
        of_source[_numbers(name, corpus.source_names)] = passes
    found: npt.NDArray[np.floating[Any]] = of_source[corpus.sources]
    if not found.sum() >= 1:
        raise InputError(f"source_passes {given!r} leaves nothing to learn.")
    return found


def _numbers(name: str, names: Sequence[str]) -> list[int]:
    found = [n for n, known in enumerate(names) if known == name]
    found = found or [n for n, known in enumerate(names) if known.partition(".")[0] == name]
    if not found:
        raise InputError(
            f"source_passes names {name!r}; the data have the sources {', '.join(names)}."
        )
    return found
