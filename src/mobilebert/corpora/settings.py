"""How text becomes sequences to pre-train on: one table of settings with what each may be."""

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from mobilebert.errors import ArgumentError, InputError

__all__ = ["MaskingTime", "PreparationSettings"]

# Passes over the text with masks that are drawn once (create_pretraining_data.py's default).
_PASSES_OF_STATIC_MASKS = 10

# Name -> what it is called, its type, least and most.
_RANGES: dict[str, tuple[str, type, float, float]] = {
    "max_length": ("a whole number", int, 8, 2**15),
    "short_sequences": ("a share", float, 0, 1),
    "dupe_factor": ("a whole number", int, 1, 100),
    "masked_share": ("a share", float, 1e-6, 0.999),
    "max_masked": ("a whole number", int, 1, 2**15),
    "held_out": ("a share", float, 0, 0.5),
    "seed": ("a whole number", int, 0, 2**63),
}


class MaskingTime(StrEnum):
    """When it is decided which words are masked."""

    DYNAMIC = "dynamic"  # each time a sequence is read
    STATIC = "static"  # once, when it is prepared


@dataclass(frozen=True, kw_only=True)
class PreparationSettings:
    """How text becomes sequences.

    The defaults are those of BERT's data (google-research/bert, create_pretraining_data.py), but
    that masks are drawn when a sequence is read, so that one pass over the text is enough.

    Attributes:
        max_length: Tokens of a sequence at most, special ones included.
        short_sequences: Share of the sequences that are shorter than there is text for.
        dupe_factor: Passes over the text, each with other random numbers. None for 1, or 10 where
            masks are drawn once.
        masking: When words are masked.
        whole_words: Whether words are masked rather than tokens.
        masked_share: How many tokens of a sequence are masked.
        max_masked: How many at most; None for no limit.
        next_sentence: Whether sequences are pairs of which half follow each other.
        held_out: Share of the text that is kept to judge by.
        seed: Decides all that is random but what is held out.
        text_column: Where rows of .jsonl and .parquet have their text; None to look for it.
        encoding: Of text files; None to guess it.

    Raises:
        InputError: A value is not possible.
    """

    max_length: int = 128
    short_sequences: float = 0.1
    dupe_factor: int | None = None
    masking: MaskingTime = MaskingTime.DYNAMIC
    whole_words: bool = False
    masked_share: float = 0.15
    max_masked: int | None = None
    next_sentence: bool = True
    held_out: float = 0.01
    seed: int = 12345
    text_column: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        for name, (what, kind, least, most) in _RANGES.items():
            value = getattr(self, name)
            if value is not None or name not in ("dupe_factor", "max_masked"):
                _check(name, value, what, kind, least, most)
        if self.masking not in list(MaskingTime):
            words = " or ".join(MaskingTime)
            raise InputError(f"masking must be {words}, not {self.masking!r}.")
        object.__setattr__(self, "masking", MaskingTime(self.masking))
        if self.dupe_factor is None:
            static = self.masking is MaskingTime.STATIC
            object.__setattr__(self, "dupe_factor", _PASSES_OF_STATIC_MASKS if static else 1)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """Read settings by name.

        Args:
            given: Name -> value.

        Raises:
            ArgumentError: There is no such setting; the message lists them.
            InputError: A value is not possible.
        """
        names = _names(cls)
        for name in given:
            if name not in names:
                close = difflib.get_close_matches(name, names, n=1)
                hint = f" Did you mean {close[0]}?" if close else ""
                raise ArgumentError(
                    f"There is no setting {name!r}; there are {', '.join(names)}.{hint}"
                )
        return cls(**given)

    @property
    def room(self) -> int:
        """Tokens of text in a sequence: without [CLS] and the [SEP] behind each segment."""
        return self.max_length - (3 if self.next_sentence else 2)

    @property
    def passes(self) -> int:
        """Passes over the text to train on."""
        assert self.dupe_factor is not None  # filled in above
        return self.dupe_factor

    def as_json(self) -> dict[str, Any]:
        """Return name -> value."""
        return {name: getattr(self, name) for name in sorted(_names(type(self)))}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Take what `as_json` returned.

        Raises:
            KeyError: A setting is missing.
            InputError: A value is not possible.
        """
        return cls(**{name: stored[name] for name in _names(cls)})


def _names(settings: type) -> list[str]:
    return [field.name for field in dataclasses.fields(settings)]


def _check(name: str, value: Any, what: str, kind: type, least: float, most: float) -> None:
    numeric = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    if not numeric:
        raise InputError(f"{name} must be {what}, not {value!r}.")
    if not least <= value <= most:
        raise InputError(f"{name} must be {what} from {least:g} to {most:,g}, not {value!r}.")
