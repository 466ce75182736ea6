"""Token ids of many paragraphs, each word looked up once."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

__all__ = ["TextIds"]

# Words of English text are few; beyond this many the memory is worth more than the time.
_REMEMBERED = 500_000
# Characters of what is worth remembering: in scripts without blanks a paragraph is a word.
_LONGEST_REMEMBERED = 64
# Texts at a time, and characters of all but the last of them.
_BATCH = 16_384
_BATCH_CHARACTERS = 1_000_000


class TextIds:
    """Gives texts their ids, faster than the tokenizer does.

    Normalisation, splitting and WordPiece never look across a space (google-research/bert,
    tokenization.py), so what stands between two spaces always has the same ids, and is asked for
    once. Special tokens in a text are text.

    Args:
        tokenizer: A `MobileBertTokenizer` or `MobileBertTokenizerFast`. Where it has tokens of its
            own that are found in unsplit text, texts go to it as a whole.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, list[int]] = {"": []}
        own = [token for token in tokenizer.added_tokens_decoder.values() if not token.special]
        self._by_word = not own and not tokenizer.init_kwargs.get("never_split")

    def of(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """Yield the ids of each text, without special tokens."""
        for batch in _batches(texts):
            yield from self._of_some(batch)

    def _of_some(self, texts: Sequence[str]) -> list[list[int]]:
        if not self._by_word:
            return self._asked(texts)
        if len(self._known) > _REMEMBERED:
            self._known = {"": []}
        split = [text.split(" ") for text in texts]
        # In order of their appearance: the tokenizer's answer does not depend on it, but reading
        # the same text in the same way makes what goes wrong repeatable.
        unknown = [word for word in dict.fromkeys(_all(split)) if word not in self._known]
        self._known.update(zip(unknown, self._asked(unknown), strict=True))
        ids_of = self._known.__getitem__
        found = [list(_all(map(ids_of, words))) for words in split]
        for word in unknown:
            if len(word) > _LONGEST_REMEMBERED:
                del self._known[word]
        return found

    def _asked(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        encoded = self._tokenizer(
            list(texts),
            add_special_tokens=False,
            split_special_tokens=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
        ids: list[list[int]] = encoded["input_ids"]
        return ids


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    start = characters = 0
    for number, text in enumerate(texts):
        if number - start == _BATCH or characters >= _BATCH_CHARACTERS:
            yield texts[start:number]
            start, characters = number, 0
        characters += len(text)
    yield texts[start:]


def _all(parts: Iterable[Iterable[Any]]) -> Iterable[Any]:
    return chain.from_iterable(parts)
