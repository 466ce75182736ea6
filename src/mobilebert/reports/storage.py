"""Data classes to plain JSON and back, checked field by field."""

import dataclasses
import math
import numbers
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar, Union, get_args, get_origin

import numpy as np

from mobilebert.errors import InputError

__all__ = ["from_plain", "to_plain"]

T = TypeVar("T")

# JSON has no such numbers; JavaScript's Number() reads these words.
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def to_plain(value: Any) -> Any:
    """Return a value as JSON can say it.

    Data classes and mappings become objects, and sequences arrays; a number that is not finite
    becomes the text ``NaN``, ``Infinity`` or ``-Infinity``; what has no counterpart becomes the
    text that `str` makes of it.

    Args:
        value: A data class, or what its fields hold.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return to_plain(value.tolist())
    if value is None or isinstance(value, bool):
        return value
    return _plain_number(value) if isinstance(value, numbers.Real) else str(value)


def _plain_number(value: numbers.Real) -> int | float | str:
    if isinstance(value, numbers.Integral):
        return int(value)
    number = float(value)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return number


def from_plain(kind: type[T], content: Any, *, schema: int, source: str) -> T:
    """Make a data class of a JSON object that holds `schema` and its fields.

    Args:
        kind: The data class.
        content: The object.
        schema: The number it must have.
        source: Where it comes from, as an error names it.

    Raises:
        InputError: Something in it is of another type, lacking or unknown.
    """
    if not isinstance(content, Mapping):
        raise InputError(f"{source} should be an object, but is {_shown(content)}.")
    found = content.get("schema")
    if found != schema or isinstance(found, bool):
        raise InputError(
            f"{source} has the schema {_shown(found)}; this version of mobilebert reads "
            f"{schema}. Read it with the version that wrote it, or write it again."
        )
    fields = {name: value for name, value in content.items() if name != "schema"}
    try:
        return typing.cast(T, _read(kind, fields, ""))
    except (_Misfit, InputError) as misfit:  # data classes check themselves
        raise InputError(f"{source}: {misfit}") from None


class _Misfit(Exception):
    """What does not fit, a sentence."""


def _read(kind: Any, value: Any, place: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _read_fields(typing.cast(type, kind), value, place)
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        (one,) = (part for part in get_args(kind) if part is not type(None))
        return None if value is None else _read(one, value, place)
    if origin is list:
        if not isinstance(value, list):
            raise _Misfit(f"{place} should be a list, but is {_shown(value)}.")
        return [_read(get_args(kind)[0], x, f"{place}[{i}]") for i, x in enumerate(value)]
    if origin is dict:
        if not isinstance(value, Mapping):
            raise _Misfit(f"{place} should be an object, but is {_shown(value)}.")
        return {
            str(key): _read(get_args(kind)[1], x, f"{place}[{str(key)!r}]")
            for key, x in value.items()
        }
    return value if kind is Any else _read_simple(kind, value, place)


def _read_fields(kind: type, value: Any, place: str) -> Any:
    if not isinstance(value, Mapping):
        raise _Misfit(f"{place} should be an object, but is {_shown(value)}.")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    inside = f"{place}." if place else ""
    if unknown := [name for name in value if name not in fields]:
        raise _Misfit(
            f"{inside}{unknown[0]} is not known to this version of mobilebert; it knows "
            f"{', '.join(fields)}."
        )
    lacking = [
        name
        for name, f in fields.items()
        if name not in value
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]
    if lacking:
        raise _Misfit(f"{inside}{lacking[0]} is missing.")
    hints = typing.get_type_hints(kind)
    return kind(**{name: _read(hints[name], x, f"{inside}{name}") for name, x in value.items()})


def _read_simple(kind: type, value: Any, place: str) -> Any:
    if kind is float:
        if isinstance(value, str) and value in _NOT_FINITE:
            return _NOT_FINITE[value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    elif isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise _Misfit(f"{place} should be {_NAMES[kind]}, but is {_shown(value)}.")


def _shown(value: Any) -> str:
    return f"{value!r:.60}"
