"""Splitting a text at added tokens, the way transformers' pure-Python tokenizers do.

Added tokens are found before the text is split into words: the leftmost first, the longest where
several begin at one place. Regular expressions do the search, so it is linear in the text.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache

from tokenizers import AddedToken

from mobilebert.text.characters import is_word_character
from mobilebert.text.normalize import AlignedText, lower_each

__all__ = ["lower_between", "split_at_added_tokens", "split_at_words"]


@lru_cache(maxsize=64)
def _any_of(tokens: tuple[str, ...]) -> re.Pattern[str] | None:
    """Match any of the texts, the first of the list that fits."""
    return re.compile("|".join(map(re.escape, tokens))) if tokens else None


@lru_cache(maxsize=64)
def _longest_of(tokens: frozenset[str]) -> re.Pattern[str] | None:
    return _any_of(tuple(sorted((token for token in tokens if token), key=len, reverse=True)))


def lower_between(source: AlignedText, kept: Sequence[str]) -> AlignedText:
    """Lower-case everything but the occurrences of some tokens.

    Args:
        source: The text.
        kept: Tokens that stay as they are written.
    """
    pattern = _any_of(tuple(token for token in kept if token))
    matches = list(pattern.finditer(source.text)) if pattern else []
    if not matches:
        return lower_each(source)
    parts: list[AlignedText] = []
    position = 0
    for match in matches:
        parts += [lower_each(source[position : match.start()]), source[match.start() : match.end()]]
        position = match.end()
    parts.append(lower_each(source[position:]))
    return AlignedText.joined(parts)


def split_at_words(
    source: AlignedText, words: Collection[str], special: Sequence[str]
) -> Iterator[tuple[AlignedText, bool]]:
    r"""Split at words that are never split, where they stand as whole words.

    A word's neighbours must not be word characters (Unicode's ``\w``), which is the rule of the
    Rust tokenizers library for whole words. Special tokens go first.

    Args:
        source: The text as the user wrote it.
        words: The words to keep whole.
        special: Special tokens; what is inside them is no word.

    Yields:
        (part, whether it is one of the words).
    """
    pattern = _longest_of(frozenset((*words, *special))) if words else None
    position = start = 0
    while pattern and (match := pattern.search(source.text, position)):
        position = match.end()
        if match.group() in special:
            continue
        before = source.text[match.start() - 1 : match.start()] if match.start() else ""
        after = source.text[match.end() : match.end() + 1]
        if any(map(is_word_character, before + after)):
            continue
        if start < match.start():
            yield source[start : match.start()], False
        yield source[match.start() : match.end()], True
        start = match.end()
    if start < len(source.text):
        yield source[start:], False


def split_at_added_tokens(
    source: AlignedText, tokens: Mapping[str, AddedToken]
) -> list[tuple[AlignedText, AddedToken | None]]:
    """Split at added tokens.

    Args:
        source: The text.
        tokens: Text to token. ``single_word`` undoes a split inside a word. ``lstrip`` and
            ``rstrip``, which take the spaces beside a token away, change nothing: no later step
            keeps spaces.

    Returns:
        The parts in order, each with its token if it is one.
    """
    pattern = _longest_of(frozenset(tokens))
    if pattern is None:
        return [(source, None)]
    parts: list[AlignedText] = []
    position = 0
    for match in pattern.finditer(source.text):
        parts += [source[position : match.start()], source[match.start() : match.end()]]
        position = match.end()
    parts = [part for part in (*parts, source[position:]) if part.text]
    for index in range(len(parts)):
        token = tokens.get(parts[index].text)
        if token is not None:
            _keep_word_whole(parts, index, token)
    return [(part, tokens.get(part.text)) for part in parts if part.text]


def _keep_word_whole(parts: list[AlignedText], index: int, token: AddedToken) -> None:
    empty = AlignedText("", (), ())
    left = parts[index - 1] if index else empty
    right = parts[index + 1] if index + 1 < len(parts) else empty
    if token.single_word and left.text and left.text[-1] != " ":
        parts[index - 1] = AlignedText.joined([parts[index - 1], parts[index]])
        parts[index] = empty
    elif token.single_word and right.text and right.text[0] != " ":
        parts[index + 1] = AlignedText.joined([parts[index], parts[index + 1]])
        parts[index] = empty
