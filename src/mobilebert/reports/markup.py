"""Text to HTML and SVG in which nothing but our own tags is a tag.

Everything is escaped unless it is `Markup`, which only `tag` and `joined` make. What they make is
well-formed XML as well, so a strict parser can read a page.
"""

import re
from collections.abc import Iterable
from typing import TypeAlias

__all__ = ["Child", "Markup", "clean", "escaped", "joined", "shortened", "tag"]


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child: TypeAlias = str | Iterable["Child"] | None

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})

# What XML 1.0 (section 2.2) has no place for; the C1 controls, which HTML forbids; and marks that
# turn the direction of what follows (Unicode Standard Annex 9, section 2), also of our own words.
_NO_CHARACTERS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_REPLACEMENT = "�"

# The elements of HTML that have no end (HTML Living Standard, section 13.1.2), as far as used.
_VOID = {"meta", "br", "col", "hr"}


def clean(text: str) -> str:
    """Return a text without characters that a page cannot have.

    ASCII controls become their Unicode pictures, such as ``␀``; others, lone surrogates and marks
    that turn the direction of writing the replacement character.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _NO_CHARACTERS.sub(lambda match: _picture(match.group()), lines)


def _picture(character: str) -> str:
    code = ord(character)
    return chr(0x2400 + code) if code < 0x20 else "␡" if code == 0x7F else _REPLACEMENT


def escaped(text: str) -> Markup:
    """Return a text as HTML that shows it."""
    return text if isinstance(text, Markup) else Markup(clean(text).translate(_ESCAPES))


def joined(*children: Child) -> Markup:
    """Return parts one after the other; what is no `Markup` is escaped, None is nothing."""
    return Markup("".join(_pieces(children)))


def _pieces(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, str):
            yield escaped(child)
        else:
            yield from _pieces(child)


def tag(name: str, /, *children: Child, **attributes: str | int | float | None) -> Markup:
    """Return an element.

    Args:
        name: Of the element.
        children: What is in it, as in `joined`.
        attributes: By name; a trailing underscore falls away and others become hyphens
            (``class_``, ``aria_label``), capitals stay (``viewBox``). None leaves it out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(_written(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{written} />")
    return Markup(f"<{name}{written}>{joined(*children)}</{name}>")


def _written(value: str | int | float) -> str:
    # Drawings need no more than a hundredth of a pixel.
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def shortened(text: str, most: int) -> str:
    """Return a text, cut with an ellipsis where it has more than `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
