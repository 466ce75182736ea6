"""The forms of text a tokenizer accepts."""

from collections.abc import Sequence
from typing import Any

from mobilebert.errors import ArgumentError, InputError

__all__ = ["NotATextError", "check_text", "explain", "is_batch", "paired"]

_FORMS = (
    "a string, a list of strings, a list of (string, string) pairs, or with "
    "is_split_into_words=True a list of words or a list of lists of words"
)


class NotATextError(InputError, ArgumentError):
    """A value that is no text in any of the accepted forms.

    It is a ValueError and a TypeError, since transformers raises either, depending on the place.
    """


def is_batch(text: Any, text_pair: Any, *, split: bool) -> bool:
    """Tell whether a call has many texts, and check the outer form.

    Args:
        text: The first argument of the call.
        text_pair: The second texts, or None.
        split: Whether texts are given as words.

    Raises:
        InputError: Neither a string nor a list of strings or lists, or the pair does not match.
        ArgumentError: One string is given as the pair of many texts.
    """
    for value in (text,) if text_pair is None else (text, text_pair):
        _check_outer_form(value)
    batch = isinstance(text, (list, tuple))
    if split:
        batch = batch and bool(text) and isinstance(text[0], (list, tuple))
    if batch and text_pair is not None:
        if isinstance(text_pair, str):
            raise ArgumentError(
                "text is a list, so text_pair must be a list of the same length, not one string."
            )
        if len(text) != len(text_pair):
            raise InputError(
                f"text has {len(text)} items and text_pair has {len(text_pair)}; each text needs "
                "its pair."
            )
    return batch


def _check_outer_form(value: Any) -> None:
    if isinstance(value, str):
        return
    if isinstance(value, (list, tuple)) and (not value or isinstance(value[0], (str, list, tuple))):
        return
    raise NotATextError(f"Cannot tokenize {_shown(value)}; give {_FORMS}.")


def paired(text: Sequence[Any], text_pair: Sequence[Any] | None) -> Sequence[Any]:
    """Join two lists of texts into a list of pairs."""
    return text if text_pair is None else list(zip(text, text_pair, strict=True))


def check_text(text: Any) -> str:
    """Check that a value is a text in Unicode.

    Raises:
        InputError: It is no string, or holds half of a surrogate pair.
    """
    if not isinstance(text, str):
        raise NotATextError(f"Cannot tokenize {_shown(text)}; give {_FORMS}.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"The text has a lone surrogate U+{ord(text[error.start]):04X} at character "
            f"{error.start}, which is not valid Unicode; read the text as UTF-8 or replace it."
        ) from None
    return text


def explain(batch: Sequence[Any]) -> InputError:
    """Find out what is wrong with a batch that the Rust tokenizer refused.

    Args:
        batch: Texts, pairs, lists of words or pairs of such lists.

    Returns:
        The error to raise.
    """
    for index, item in enumerate(batch):
        try:
            _check_all(item)
        except InputError as error:
            return type(error)(f"Text {index}: {error}" if len(batch) > 1 else str(error))
    return NotATextError(f"Cannot tokenize {_shown(batch)}; give {_FORMS}.")


def _check_all(item: Any) -> None:
    if isinstance(item, (list, tuple)):
        for part in item:
            _check_all(part)
    else:
        check_text(item)


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:
        text = "…"
    return f"{text[:60]} ({type(value).__name__})"
