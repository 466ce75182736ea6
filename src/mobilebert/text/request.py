"""What one call of a tokenizer asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mobilebert.errors import ArgumentError
from mobilebert.text.options import Lengths, TensorType, parse_choice

__all__ = ["LENGTH_OPTIONS", "Request"]

LENGTH_OPTIONS = (
    "padding",
    "truncation",
    "max_length",
    "stride",
    "pad_to_multiple_of",
    "padding_side",
    "verbose",
)


@dataclass(frozen=True, slots=True)
class Request:
    """The options of one call, checked.

    Attributes:
        lengths: Padding and truncation.
        add_special_tokens: Whether to add [CLS] and [SEP].
        is_split_into_words: Whether texts are given as lists of words.
        return_tensors: Array library of the result, None for lists.
        return_token_type_ids: Whether to return ``token_type_ids``; None follows the model's
            input names.
        return_attention_mask: Likewise for ``attention_mask``.
        return_overflowing_tokens: Whether to return what truncation cut off.
        return_special_tokens_mask: Whether to return ``special_tokens_mask``.
        return_offsets_mapping: Whether to return ``offset_mapping``.
        return_length: Whether to return ``length``.
        split_special_tokens: Whether special tokens in the text are treated as text.
        verbose: Whether to log advice.
    """

    lengths: Lengths = field(default_factory=Lengths)
    add_special_tokens: bool = True
    is_split_into_words: bool = False
    return_tensors: TensorType | None = None
    return_token_type_ids: bool | None = None
    return_attention_mask: bool | None = None
    return_overflowing_tokens: bool = False
    return_special_tokens_mask: bool = False
    return_offsets_mapping: bool = False
    return_length: bool = False
    split_special_tokens: bool = False
    verbose: bool = True

    @classmethod
    def of(cls, lengths: Lengths, options: Mapping[str, Any]) -> "Request":
        """Check the names of the options and build the request.

        Args:
            lengths: Padding and truncation, resolved.
            options: The other options by name.

        Raises:
            ArgumentError: There is no such option; the message names those there are.
        """
        known = set(cls.__slots__) - {"lengths"}
        unknown = sorted(set(options) - known)
        if unknown:
            raise ArgumentError(
                f"Unknown tokenizer option {unknown[0]!r}; the options are "
                f"{', '.join(sorted([*known, *LENGTH_OPTIONS]))}."
            )
        values = {name: value for name, value in options.items() if value is not None}
        if "return_tensors" in values:
            values["return_tensors"] = parse_choice(
                TensorType, values["return_tensors"], "return_tensors"
            )
        return cls(lengths=lengths, **values)
