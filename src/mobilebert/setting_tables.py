"""Tables of settings: fields that Python, the command line and fingerprints of runs read alike."""

import dataclasses
import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from mobilebert.errors import ArgumentError, InputError

__all__ = ["SettingTable", "kind_of", "setting"]


def setting(
    default: Any,
    help: str,
    *,
    metavar: str = "N",
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Describe a setting: a field of a `SettingTable`.

    Args:
        default: Its value where nothing is given; None is open, for a preset or for later.
        help: What it is, for people.
        metavar: What stands for its value in the help of the command.
        least: The smallest number allowed.
        most: The largest number allowed.
        choices: The texts allowed.
    """
    facts = {"help": help, "metavar": metavar, "least": least, "most": most, "choices": choices}
    return field(default=default, metadata=facts)


@dataclass(frozen=True, kw_only=True)
class SettingTable:
    """Settings by name, checked; subclasses have the fields, each made by `setting`."""

    def __post_init__(self) -> None:
        for known in dataclasses.fields(self):
            _check(known.name, getattr(self, known.name), known)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """Read settings by name.

        Args:
            given: Name -> value.

        Raises:
            ArgumentError: There is no such setting; the message lists them.
            InputError: A value is not possible.
        """
        names = [known.name for known in dataclasses.fields(cls)]
        for name in given:
            if name not in names:
                close = difflib.get_close_matches(name, names, n=1)
                hint = f" Did you mean {close[0]}?" if close else ""
                raise ArgumentError(
                    f"There is no setting {name!r}; there are {', '.join(names)}.{hint}"
                )
        return cls(**given)

    def filled(self, preset: Mapping[str, Any]) -> Self:
        """Return settings whose open values are those of a preset."""
        values: dict[str, Any] = {
            name: preset.get(name) if value is None else value
            for name, value in dataclasses.asdict(self).items()
        }
        return type(self)(**values)

    def to_json(self) -> str:
        """Return them as JSON, the same text for the same settings."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


def kind_of(described: "dataclasses.Field[Any]") -> str:
    """Return float, int, bool or str, whether or not a setting may be left open."""
    kind: Any = described.type
    first = getattr(kind, "__args__", (kind,))[0]  # of "float | None"
    return str(first.__name__)


def _check(name: str, value: Any, described: "dataclasses.Field[Any]") -> None:
    may_be_open = type(None) in getattr(described.type, "__args__", ())
    if value is None and may_be_open:
        return
    facts = described.metadata
    if facts["choices"]:
        if value not in facts["choices"]:
            allowed = ", ".join(facts["choices"])
            raise InputError(f"{name} must be one of {allowed}, not {value!r}.")
        return
    words, kinds = _KINDS[kind_of(described)]
    is_bool = isinstance(value, bool)
    is_finite = not isinstance(value, float) or math.isfinite(value)
    if not isinstance(value, kinds) or is_bool != (bool in kinds) or not is_finite:
        raise InputError(f"{name} must be {words}, not {value!r}.")
    least, most = facts["least"], facts["most"]
    if (least is not None and value < least) or (most is not None and value > most):
        raise InputError(f"{name} must be {_range(words, least, most)}, not {value!r}.")


def _range(words: str, least: float | None, most: float | None) -> str:
    if most is None:
        return f"at least {least}"
    return f"at most {most}" if least is None else f"{words} from {least:g} to {most:,g}"


# Type of a field -> what to call it, and what may be given.
_KINDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "float": ("a number", (float, int)),
    "int": ("a whole number", (int,)),
    "bool": ("True or False", (bool,)),
    "str": ("a text", (str,)),
}
