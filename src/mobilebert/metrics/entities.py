"""Named entities: right where span and type are."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from mobilebert.metrics.classes import Counts

__all__ = ["Entity", "entities_of_tags", "score_entities"]

_OUTSIDE = "O"
# Behind these tags an entity may go on, and with these it does.
_OPEN, _CONTINUES = {"B", "I", "M"}, {"I", "E", "M", "L"}
# What tags without a type consist of, and the name of the type they lack.
_BARE, _NAMELESS = frozenset("BIESMLU"), "_"


class Entity(NamedTuple):
    """Tokens [first, end) of a type."""

    type: str
    first: int
    end: int


def entities_of_tags(tags: Sequence[str], *, bare: bool = True) -> list[Entity]:
    """Read entities from the tags of a sentence, as conlleval does.

    Tags are ``O``, or ``B-``, ``I-``, ``E-`` or ``S-`` and a type (IOB1, IOB2 and IOBES alike), or
    ``L-`` and ``U-`` in place of the last two (BILOU). Prefixes alone are tags of the type ``_``.
    Any other tag without a prefix is its own type, and goes on while it is the same. An ``I-`` with
    nothing before it begins an entity.

    Args:
        tags: One for each token.
        bare: Whether prefixes alone are that; else each is its own type, as other tags are.
    """
    found: list[Entity] = []
    before, kind_before = _OUTSIDE, ""
    for place, tag in enumerate(tags):
        prefix, kind = _parts(tag, bare)
        goes_on = before in _OPEN and prefix in _CONTINUES and kind == kind_before
        if goes_on:
            found[-1] = found[-1]._replace(end=place + 1)
        elif prefix != _OUTSIDE:
            found.append(Entity(kind, place, place + 1))
        before, kind_before = prefix, kind
    return found


def _parts(tag: str, bare: bool) -> tuple[str, str]:
    if tag == _OUTSIDE:
        return _OUTSIDE, ""
    prefix, dash, kind = tag.partition("-")
    if (bare and tag in _BARE) or (dash and len(prefix) == 1):
        return prefix, kind or _NAMELESS
    return "I", tag


def score_entities(
    predicted: Iterable[Sequence[str]], wanted: Iterable[Sequence[str]]
) -> Mapping[str, Counts]:
    """Count entities that are right in span and type.

    Prefixes alone are tags of one type only if all tags without a dash are such: parts of speech
    have names of one letter too.

    Args:
        predicted: The tags of each sentence.
        wanted: The tags of each sentence.

    Returns:
        Counts of one class for each type that occurs, by name, and of all together under ``""``.
    """
    right: Counter[str] = Counter()
    told: Counter[str] = Counter()
    true: Counter[str] = Counter()
    sentences = list(zip(predicted, wanted, strict=True))
    names = {name for tags in chain.from_iterable(sentences) for name in tags}
    bare = all(name in _BARE or name == _OUTSIDE or "-" in name for name in names)
    for sentence in sentences:
        found, there = (set(entities_of_tags(tags, bare=bare)) for tags in sentence)
        for counter, entities in ((right, found & there), (told, found), (true, there)):
            counter.update(entity.type for entity in entities)
            counter[""] += len(entities)
    types = ["", *sorted((told.keys() | true.keys()) - {""})]
    return {
        kind: Counts(*(np.array([counter[kind]]) for counter in (right, told, true)))
        for kind in types
    }
