"""Token ids of many paragraphs, each word looked up once."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

__all__ = ["TextIds"]

# Words of English text are few; beyond this many the memory is worth more than the time.
_REMEMBERED = 500_000
# Texts at a time.
_BATCH = 16_384


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
        for start in range(0, len(texts), _BATCH):
            yield from self._of_some(texts[start : start + _BATCH])

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
        return [list(_all(map(ids_of, words))) for words in split]

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


def _all(parts: Iterable[Iterable[Any]]) -> Iterable[Any]:
    return chain.from_iterable(parts)
