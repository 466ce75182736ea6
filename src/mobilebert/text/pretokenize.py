"""Second step of tokenization: from text to words and punctuation signs."""

from collections.abc import Collection, Iterable, Iterator

from mobilebert.text.characters import is_punctuation
from mobilebert.text.normalize import AlignedText, Normalizer

__all__ = ["BasicTokenizer"]


class BasicTokenizer:
    """Normalization and splitting into words and punctuation.

    Args:
        do_lower_case: Whether to lower-case the text.
        never_split: Words (delimited by whitespace) that are kept as they are.
        tokenize_chinese_chars: Whether each CJK ideograph is a word.
        strip_accents: Whether to remove accents; None follows `do_lower_case`.
        do_split_on_punc: Whether punctuation signs are words of their own.

    Source: google-research/bert ``tokenization.py``; the name and arguments are transformers'.
    """

    def __init__(
        self,
        do_lower_case: bool = True,
        never_split: Iterable[str] | None = None,
        tokenize_chinese_chars: bool = True,
        strip_accents: bool | None = None,
        do_split_on_punc: bool = True,
    ) -> None:
        self.do_lower_case = do_lower_case
        self.never_split = set(never_split or ())
        self.tokenize_chinese_chars = tokenize_chinese_chars
        self.strip_accents = strip_accents
        self.do_split_on_punc = do_split_on_punc
        self._normalizer = Normalizer(do_lower_case, tokenize_chinese_chars, strip_accents)

    def tokenize(self, text: str, never_split: Iterable[str] | None = None) -> list[str]:
        """Split a text into words.

        Args:
            text: The text.
            never_split: More words to keep, beside those of the constructor.

        Returns:
            Words and punctuation signs, normalized.
        """
        keep = self.never_split.union(never_split or ())
        return [word.text for word in self.words(AlignedText.of(text), keep)]

    def words(self, source: AlignedText, keep: Collection[str]) -> Iterator[AlignedText]:
        """Split a text into words that know their place in the source.

        Args:
            source: The text.
            keep: Words that are neither folded nor split.
        """
        for word in self._normalizer.words(source):
            composed = self._normalizer.compose(word) if keep else word
            if keep and composed.text in keep:
                yield composed
                continue
            folded = self._normalizer.fold(word)
            if self.do_split_on_punc:
                yield from _split_on_punctuation(folded)
            elif folded.text:
                yield folded


def _split_on_punctuation(word: AlignedText) -> Iterator[AlignedText]:
    if word.text.isalnum():
        yield word
        return
    start = 0
    for position, char in enumerate(word.text):
        if is_punctuation(char):
            if start < position:
                yield word[start:position]
            yield word[position : position + 1]
            start = position + 1
    if start < len(word.text):
        yield word[start:]
