"""The YAML at the head of a model card, which the Hub reads.

Fields: https://huggingface.co/docs/hub/model-cards#model-card-metadata
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from mobilebert.reports.markup import clean

__all__ = ["Yaml", "front_matter", "quoted"]

Yaml: TypeAlias = str | int | float | bool | Sequence["Yaml"] | Mapping[str, "Yaml"]

_MOST_CHARACTERS = 200


def front_matter(fields: Mapping[str, Yaml]) -> str:
    """Return fields between two lines of ``---``.

    Args:
        fields: What to write, in order; keys are plain words. Empty lists and objects are left
            out.
    """
    return "\n".join(("---", *_lines(fields), "---", ""))


def quoted(text: str) -> str:
    """Return a text as YAML between double quotes, on one line.

    What does not print is written as a number (YAML 1.2.2, section 5.7), so a text can end
    neither its quotes nor the front matter.
    """
    return f'"{"".join(map(_character, clean(text)[:_MOST_CHARACTERS]))}"'


def _character(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _lines(value: Yaml) -> list[str]:
    """Return an object or a list, one line for each simple value."""
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(item, str | int | float):
                lines.append(f"{key}: {_simple(item)}")
            elif item:
                lines += [f"{key}:", *(f"  {line}" for line in _lines(item))]
        return lines
    assert not isinstance(value, str | int | float)
    for item in value:
        if isinstance(item, str | int | float):
            lines.append(f"- {_simple(item)}")
        elif inside := _lines(item):
            lines += [f"- {inside[0]}", *(f"  {line}" for line in inside[1:])]
    return lines


def _simple(value: str | int | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # YAML 1.1 takes 1e-05 for a text.
        whole, _, rest = f"{value:.6f}".partition(".")
        return f"{whole}.{rest.rstrip('0') or '0'}"
    return quoted(value) if isinstance(value, str) else str(value)
