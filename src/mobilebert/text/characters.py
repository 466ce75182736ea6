"""Classes of Unicode characters that BERT's tokenization is defined by.

The definitions are those of ``tokenization.py`` in google-research/bert; the CJK block list is
the one used by transformers, which the published vocabularies were checked with.
"""

import unicodedata
from functools import lru_cache

__all__ = [
    "continues_cluster",
    "is_cjk",
    "is_control",
    "is_dropped",
    "is_punctuation",
    "is_whitespace",
    "is_word_character",
]

# All ASCII signs count as punctuation, also those that Unicode calls symbols: ^ $ ` and so on.
_ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")

_CJK_BLOCKS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)

# Hangul vowels and trailing consonants compose with the syllable before them.
_JAMO_CONTINUING = ((0x1160, 0x11FF), (0xD7B0, 0xD7FF))

# Other_Alphabetic symbols: circled and squared letters (PropList.txt).
_ALPHABETIC_SYMBOLS = ((0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189))

# One entry for each distinct character met; bounded, so that hostile text costs no memory.
_CACHE = 1 << 16


def _in_blocks(char: str, blocks: tuple[tuple[int, int], ...]) -> bool:
    code = ord(char)
    return any(first <= code <= last for first, last in blocks)


@lru_cache(maxsize=_CACHE)
def is_whitespace(char: str) -> bool:
    """Tell whether the character is replaced by a space: tab, line ends, Unicode class Zs."""
    return char in " \t\n\r" or unicodedata.category(char) == "Zs"


@lru_cache(maxsize=_CACHE)
def is_control(char: str) -> bool:
    """Tell whether the character is a control or an unassigned one (classes C*), not a space."""
    return char not in "\t\n\r" and unicodedata.category(char).startswith("C")


@lru_cache(maxsize=_CACHE)
def is_dropped(char: str) -> bool:
    """Tell whether cleaning removes the character: NUL, the replacement character, controls."""
    return char in "\0\ufffd" or is_control(char)


@lru_cache(maxsize=_CACHE)
def is_punctuation(char: str) -> bool:
    """Tell whether the character is a token of its own: ASCII signs and Unicode classes P*."""
    return char in _ASCII_PUNCTUATION or unicodedata.category(char).startswith("P")


@lru_cache(maxsize=_CACHE)
def is_cjk(char: str) -> bool:
    """Tell whether the character is a CJK ideograph (not kana, not Hangul)."""
    return _in_blocks(char, _CJK_BLOCKS)


@lru_cache(maxsize=_CACHE)
def continues_cluster(char: str) -> bool:
    """Tell whether normalization may join the character to the one before it."""
    return unicodedata.category(char).startswith("M") or _in_blocks(char, _JAMO_CONTINUING)


@lru_cache(maxsize=_CACHE)
def is_word_character(char: str) -> bool:
    r"""Tell whether the character is matched by ``\w`` as UTS 18 defines it.

    The Rust tokenizers library uses that class for the word boundaries of added tokens.
    """
    category = unicodedata.category(char)
    return (
        category[0] in "LM"
        or category in ("Nd", "Nl", "Pc")
        or char in "\u200c\u200d"
        or _in_blocks(char, _ALPHABETIC_SYMBOLS)
    )
