"""Reading the parameters of a task: names, numbers and choices, with errors that say what goes."""

import dataclasses
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from mobilebert.errors import ArgumentError, InputError

__all__ = [
    "LengthOptions",
    "Parameters",
    "merged",
    "read_choice",
    "read_count",
    "read_flag",
    "read_texts",
]

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Parameters = TypeVar("Parameters", bound="DataclassInstance")
Choice = TypeVar("Choice", bound=StrEnum)

# "head_tail" is of this library: the tokenizers cut one end alone.
_TRUNCATIONS = ("longest_first", "only_first", "only_second", "head_tail", "do_not_truncate")
# Padding to the batch changes no answer here; padding to a fixed length would only cost time.
_PADDINGS = (True, False, None, "longest", "do_not_pad", "max_length")


def merged(task: str, parameters: Parameters, given: Mapping[str, Any]) -> Parameters:
    """Return the parameters with those given replaced.

    Args:
        task: Name of the task, for the error.
        parameters: A dataclass instance.
        given: Name -> value; None leaves one that is on or off as it is.

    Raises:
        ArgumentError: The task has no such parameter; the message lists those it has.
        InputError: A value is not possible.
    """
    fields = dataclasses.fields(parameters)
    names = [field.name for field in fields]
    for name in given:
        if name not in names:
            import difflib

            close = difflib.get_close_matches(name, names, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ArgumentError(
                f"{task} has no parameter {name!r}; it has {', '.join(sorted(names))}.{hint}"
            )
    flags = {field.name for field in fields if isinstance(field.default, bool)}
    chosen = {name: given[name] for name in given if name not in flags or given[name] is not None}
    for name, value in chosen.items():
        if name in flags:
            read_flag(name, value)
    return dataclasses.replace(parameters, **chosen) if chosen else parameters


def read_flag(name: str, value: Any) -> bool:
    """Read what is on or off; of other values, such as "False", the truth would surprise.

    Raises:
        InputError: It is neither True nor False.
    """
    if not isinstance(value, bool):
        raise InputError(f"{name} must be True or False, not {value!r:.80}.")
    return value


def read_texts(name: str, value: Any, what: str) -> tuple[str, ...]:
    """Read several texts.

    Args:
        name: The parameter.
        value: What was given.
        what: What the texts are, such as "labels".

    Raises:
        InputError: It is one text, nothing that can be gone through, or holds something else.
    """
    if isinstance(value, Iterable) and not isinstance(value, str):
        texts = tuple(value)
        if all(isinstance(text, str) for text in texts):
            return texts
        value = list(texts)
    raise InputError(f"{name} must be a list of {what}, not {value!r:.80}.")


def read_count(name: str, value: Any, least: int = 1) -> int:
    """Read a whole number.

    Raises:
        InputError: It is none, or less than `least`.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < least:
        raise InputError(f"{name} must be a whole number of at least {least}, not {value!r}.")
    return int(value.__index__())


def read_choice(kind: type[Choice], name: str, value: Any) -> Choice:
    """Read one value of an enumeration, in any case.

    Raises:
        InputError: It is none of them; the message lists them.
    """
    try:
        return kind(str(value).lower())
    except ValueError:
        allowed = ", ".join(member.value for member in kind)
        raise InputError(f"{name}={value!r} is not possible; choose one of {allowed}.") from None


@dataclasses.dataclass(frozen=True)
class LengthOptions:
    """Whether a text that is too long is cut, and where.

    Attributes:
        strategy: ``longest_first``, ``only_first``, ``only_second``, or ``head_tail``, which keeps
            a quarter of what fits from the head and the rest from the tail; None does not cut.
        max_length: Longest sequence in tokens, special tokens included; the model's by default.
    """

    strategy: str | None = None
    max_length: int | None = None

    @classmethod
    def read(
        cls,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        tokenizer_kwargs: Mapping[str, Any] | None = None,
    ) -> "LengthOptions":
        """Read the tokenizer's length options.

        Args:
            truncation: True, False or a strategy of the tokenizers. None means True when
                `max_length` is given and no padding, as the tokenizers take it.
            max_length: Longest sequence in tokens.
            tokenizer_kwargs: The same two as a dictionary, and ``padding``, which changes nothing
                else, because answers do not depend on it.

        Raises:
            InputError: A value is not possible, or given twice.
            ArgumentError: Another tokenizer option.
        """
        if not isinstance(tokenizer_kwargs, (Mapping, type(None))):
            raise InputError(
                'Options of the tokenizer are a dictionary such as {"truncation": True}, not '
                f"{tokenizer_kwargs!r:.80}."
            )
        options = dict(tokenizer_kwargs or {})
        for name, value in (("truncation", truncation), ("max_length", max_length)):
            if value is not None and name in options:
                raise InputError(f"{name} is given twice: as a parameter and for the tokenizer.")
            options.setdefault(name, value)
        padding = options.pop("padding", None)
        if padding not in _PADDINGS:
            raise InputError(
                "padding must be True, False, 'longest', 'max_length' or 'do_not_pad'."
            )
        cut, longest = options.pop("truncation"), options.pop("max_length")
        if options:
            raise ArgumentError(
                f"Unknown tokenizer option {next(iter(options))!r}; pipelines take truncation, "
                "max_length and padding."
            )
        if longest is not None:
            longest = read_count("max_length", longest, least=4)
        if cut is None:
            # With padding, `max_length` is what is padded to.
            cut = longest is not None and not padding
        return cls(_strategy(cut), longest)


def _strategy(value: Any) -> str | None:
    if value is True:
        return "longest_first"
    if value is False:
        return None
    if str(value) not in _TRUNCATIONS:
        raise InputError(
            f"truncation={value!r} is not possible; choose True, False or one of "
            f"{', '.join(_TRUNCATIONS)}."
        )
    return None if str(value) == "do_not_truncate" else str(value)
