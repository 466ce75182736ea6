"""Options of encoding that may be given by position, in the order transformers documents."""

import functools
import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any, TypeVar, cast

from mobilebert.errors import ArgumentError

__all__ = ["ENCODING_OPTIONS", "PREPARING_OPTIONS", "ROW_OPTIONS", "takes_options"]

Method = TypeVar("Method", bound=Callable[..., Any])

_DEFAULTS: dict[str, Any] = {
    "padding": False,
    "truncation": None,
    "max_length": None,
    "stride": 0,
    "is_split_into_words": False,
    "pad_to_multiple_of": None,
    "padding_side": None,
    "return_tensors": None,
    "return_token_type_ids": None,
    "return_attention_mask": None,
    "return_overflowing_tokens": False,
    "return_special_tokens_mask": False,
    "return_offsets_mapping": False,
    "return_length": False,
    "verbose": True,
    "split_special_tokens": False,
    "prepend_batch_axis": False,
}

# `encode`: ids only, so nothing that asks for more columns.
ROW_OPTIONS = ("padding", "truncation", "max_length", "stride", "padding_side", "return_tensors")
# `encode_plus` and `batch_encode_plus`.
ENCODING_OPTIONS = tuple(name for name in _DEFAULTS if name != "prepend_batch_axis")
# `prepare_for_model`, which has no text any more.
PREPARING_OPTIONS = tuple(
    name for name in _DEFAULTS if name not in ("is_split_into_words", "split_special_tokens")
)


def takes_options(*names: str) -> Callable[[Method], Method]:
    """Let a method with ``**options`` take some of them by position, after its own arguments.

    The signature shows them, with their defaults.

    Args:
        *names: The options, in order.

    Raises:
        ArgumentError: A call has more positional arguments than that.
    """

    def decorate(method: Method) -> Method:
        signature = inspect.signature(method)
        given = list(signature.parameters.values())
        own = [p for p in given if p.kind is Parameter.POSITIONAL_OR_KEYWORD]
        options = [
            Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=_DEFAULTS[name])
            for name in names
        ]
        rest = [p for p in given if p not in own and p.name not in names]

        @functools.wraps(method)
        def taking(*args: Any, **keywords: Any) -> Any:
            by_position = args[len(own) :]
            if len(by_position) > len(names):
                raise ArgumentError(
                    f"{method.__name__}() takes at most {len(own) - 1 + len(names)} positional "
                    f"arguments, not {len(args) - 1}."
                )
            # An option given twice is Python's own TypeError.
            positional = dict(zip(names, by_position, strict=False))
            return method(*args[: len(own)], **positional, **keywords)

        taking.__signature__ = signature.replace(  # type: ignore[attr-defined]  # read by inspect
            parameters=[*own, *options, *rest]
        )
        return cast(Method, taking)

    return decorate
