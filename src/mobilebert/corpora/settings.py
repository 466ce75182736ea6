"""How text becomes sequences to pre-train on: one table of settings with what each may be."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from mobilebert.errors import InputError
from mobilebert.setting_tables import SettingTable, setting

__all__ = ["MaskingTime", "PreparationSettings"]

# What manifests of earlier versions do not have; their hashes are to stay as they are.
_LATER = ("short_length",)
# Passes over the text with masks that are drawn once (create_pretraining_data.py's default).
_PASSES_OF_STATIC_MASKS = 10


class MaskingTime(StrEnum):
    """When it is decided which words are masked."""

    DYNAMIC = "dynamic"  # each time a sequence is read
    STATIC = "static"  # once, when it is prepared


@dataclass(frozen=True, kw_only=True)
class PreparationSettings(SettingTable):
    """How text becomes sequences.

    The defaults are those of BERT's data (google-research/bert, create_pretraining_data.py), but
    that masks are drawn when a sequence is read, so that one pass over the text is enough.

    Raises:
        InputError: A value is not possible.
    """

    max_length: int = setting(
        128, "Tokens of a sequence at most, special ones included.", least=8, most=2**15
    )
    short_sequences: float = setting(
        0.1, "Share of sequences that are shorter than they could be.", metavar="F", least=0, most=1
    )
    short_length: int | None = setting(
        None,
        "Tokens of short sequences, special ones included. Default: another random number for "
        "each.",
        least=8,
        most=2**15,
    )
    dupe_factor: int | None = setting(
        None,
        "Passes over the text, each with other random numbers. Default: 1, or 10 with --masking "
        "static.",
        least=1,
        most=100,
    )
    masking: str = setting(
        "dynamic",
        "Mask words each time a sequence is read, or once and for all.",
        choices=tuple(str(time) for time in MaskingTime),
    )
    whole_words: bool = setting(False, "Mask words rather than pieces of words.")
    masked_share: float = setting(
        0.15, "Share of tokens that are masked.", metavar="F", least=1e-6, most=0.999
    )
    max_masked: int | None = setting(
        None, "Masked tokens of a sequence at most.", least=1, most=2**15
    )
    next_sentence: bool = setting(
        True, "Pairs of segments, half of which follow each other; or single, full segments."
    )
    held_out: float = setting(
        0.01, "Share of each source that is kept to judge by.", metavar="F", least=0, most=0.5
    )
    seed: int = setting(
        12345,
        "Of all that is random; what is held out does not depend on it.",
        least=0,
        most=2**63,
    )
    text_column: str | None = setting(
        None, "Where rows have their text. Default: looked for.", metavar="C"
    )
    encoding: str | None = setting(None, "Of the files. Default: guessed.", metavar="E")

    def __post_init__(self) -> None:
        """Check all values, and fill in what depends on others."""
        super().__post_init__()
        object.__setattr__(self, "masking", MaskingTime(self.masking))
        if self.dupe_factor is None:
            static = self.masking is MaskingTime.STATIC
            object.__setattr__(self, "dupe_factor", _PASSES_OF_STATIC_MASKS if static else 1)
        self._check_short_length()

    def _check_short_length(self) -> None:
        if self.short_length is None:
            return
        if self.short_length >= self.max_length:
            raise InputError(
                f"short_length must be below max_length, {self.max_length}, not "
                f"{self.short_length}."
            )
        if not self.short_sequences:
            raise InputError(
                "short_length is of short sequences, of which there are none: leave it out, or "
                "give short_sequences above 0."
            )

    @property
    def room(self) -> int:
        """Tokens of text in a sequence: without [CLS] and the [SEP] behind each segment."""
        return self.max_length - self._special

    @property
    def short_room(self) -> int | None:
        """Tokens of text in a short sequence; None where it has a random number of them."""
        return None if self.short_length is None else self.short_length - self._special

    @property
    def least_room(self) -> int:
        """Tokens of text in the shortest sequences that have no random length."""
        return self.room if self.short_room is None else self.short_room

    @property
    def _special(self) -> int:
        return 3 if self.next_sentence else 2

    @property
    def passes(self) -> int:
        """Passes over the text to train on."""
        assert self.dupe_factor is not None  # filled in above
        return self.dupe_factor

    def as_json(self) -> dict[str, Any]:
        """Return name -> value, without settings of later versions that are not used."""
        values = {name: getattr(self, name) for name in sorted(self._names())}
        return {name: x for name, x in values.items() if x is not None or name not in _LATER}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Take what `as_json` returned.

        Raises:
            KeyError: A setting is missing.
            InputError: A value is not possible.
        """
        names = (name for name in cls._names() if name in stored or name not in _LATER)
        return cls(**{name: stored[name] for name in names})

    @classmethod
    def _names(cls) -> list[str]:
        return [known.name for known in dataclasses.fields(cls)]
