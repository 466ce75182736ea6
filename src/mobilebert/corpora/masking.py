"""Masked words: which tokens of a batch a model has to find, drawn anew each time."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mobilebert.errors import InputError

__all__ = ["Drawing", "MaskedTokens", "Masking", "mask_tokens"]

IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]

# Of the tokens chosen: [MASK] for these, another token for as many as the second number says, and
# the token itself for the rest (Devlin et al. 2019, arXiv:1810.04805, section 3.1).
_MASKED, _REPLACED = 0.8, 0.1

_CONTINUATION = "##"


class Drawing(StrEnum):
    """How it is drawn which tokens are chosen."""

    EACH = "each"  # every one by itself: how many is random
    EXACT = "exact"  # as many as the share says of each sequence


@dataclass(frozen=True)
class Masking:
    """How tokens are masked.

    Attributes:
        mask_id: Id of [MASK].
        drawable: Ids that may stand for another: all but special ones.
        special: Whether an id is special and never masked, [V].
        continues: Whether an id continues a word, [V].
        share: How many tokens are chosen, 0 to 1.
        whole_words: Whether words are chosen rather than tokens.
        drawing: How it is drawn which.
        max_masked: How many tokens of a sequence are chosen at most, if the number is exact.
    """

    mask_id: int
    drawable: IntArray
    special: BoolArray
    continues: BoolArray
    share: float = 0.15
    whole_words: bool = False
    drawing: Drawing = Drawing.EACH
    max_masked: int | None = None

    @classmethod
    def of(
        cls,
        tokenizer: Any,
        vocab_size: int,
        *,
        share: float = 0.15,
        whole_words: bool = False,
        drawing: Drawing = Drawing.EACH,
        max_masked: int | None = None,
    ) -> Self:
        """Take the ids of a tokenizer.

        Args:
            tokenizer: The tokenizer.
            vocab_size: Rows of the model's vocabulary; those beyond the tokenizer's are not drawn.
            share: As for the class.
            whole_words: As for the class.
            drawing: As for the class.
            max_masked: As for the class.

        Raises:
            InputError: The tokenizer has no [MASK], or the share is no share.
        """
        if tokenizer.mask_token_id is None:
            raise InputError("The tokenizer has no mask token, so no words can be masked.")
        if not 0 < share < 1:
            raise InputError(f"The share of masked words must be between 0 and 1, not {share}.")
        special = np.ones(vocab_size, np.bool_)
        continues = np.zeros(vocab_size, np.bool_)
        for token, id_ in tokenizer.get_vocab().items():
            if id_ < vocab_size:
                special[id_] = False
                continues[id_] = token.startswith(_CONTINUATION)
        special[[id_ for id_ in tokenizer.all_special_ids if id_ < vocab_size]] = True
        drawable = np.flatnonzero(~special)
        return cls(
            tokenizer.mask_token_id,
            drawable,
            special,
            continues,
            share,
            whole_words,
            drawing,
            max_masked,
        )

    def count(self, ids: IntArray) -> int:
        """Return how many tokens of a sequence are chosen where the number is exact.

        It depends on nothing that is drawn, so the masks of a batch are counted before it is. Whole
        words may leave some of them over, where no word is short enough.

        Args:
            ids: Token ids of one sequence, [T].
        """
        return self._count(int((~self.special[ids]).sum()))

    def _count(self, maskable: int) -> int:
        """As create_pretraining_data.py, of the tokens that can be masked rather than of all."""
        wanted = min(maskable, max(1, round(self.share * maskable)))
        return wanted if self.max_masked is None else min(wanted, self.max_masked)


@dataclass(frozen=True)
class MaskedTokens:
    """A batch with masks.

    Attributes:
        ids: What the model reads, [T].
        places: Where tokens are to be found, in rising order, [M].
        wanted: Their ids, [M].
    """

    ids: IntArray
    places: IntArray
    wanted: IntArray


def mask_tokens(ids: IntArray, masking: Masking, generator: np.random.Generator) -> MaskedTokens:
    """Choose tokens and hide them: each on its own, or each word as a whole.

    At least one is chosen, if there is one that is not special.

    Args:
        ids: Token ids with special tokens, [T]: of one sequence, or of several one after the other
            if each token is drawn by itself.
        masking: How.
        generator: Draws; the same state gives the same masks.
    """
    special = masking.special[ids]
    groups = _words(ids, special, masking) if masking.whole_words else np.arange(len(ids))
    places = _CHOICES[masking.drawing](special, groups, masking, generator)
    kind = generator.random(len(places))
    other = generator.choice(masking.drawable, len(places))
    hidden = np.where(kind < _MASKED, masking.mask_id, other)
    hidden = np.where(kind < _MASKED + _REPLACED, hidden, ids[places])
    masked = ids.copy()
    masked[places] = hidden
    return MaskedTokens(masked, places, ids[places])


def _each(
    special: BoolArray, groups: IntArray, masking: Masking, generator: np.random.Generator
) -> IntArray:
    drawn = generator.random(len(special)) < masking.share  # one for each group, at most
    chosen = drawn[groups] & ~special
    if not chosen.any() and not special.all():
        chosen = (groups == groups[generator.choice(np.flatnonzero(~special))]) & ~special
    return np.flatnonzero(chosen)


def _exactly(
    special: BoolArray, groups: IntArray, masking: Masking, generator: np.random.Generator
) -> IntArray:
    maskable = np.flatnonzero(~special)
    count = masking._count(len(maskable))
    if not masking.whole_words:
        return np.sort(generator.choice(maskable, count, replace=False, shuffle=False))
    words = np.split(maskable, np.flatnonzero(np.diff(groups[maskable])) + 1)
    chosen: list[IntArray] = []
    left = count
    for number in generator.permutation(len(words)).tolist():
        if len(words[number]) <= left:
            chosen.append(words[number])
            left -= len(words[number])
        if not left:
            break
    if not chosen:  # every word is longer: a part of one, so that there is something to find
        return words[int(generator.integers(len(words)))][:count] if count else maskable[:0]
    return np.sort(np.concatenate(chosen))


_CHOICES = {Drawing.EACH: _each, Drawing.EXACT: _exactly}


def _words(ids: IntArray, special: BoolArray, masking: Masking) -> IntArray:
    """Number the words; a piece behind a special token shares the number of that."""
    begins = ~masking.continues[ids] | special
    return np.asarray(np.cumsum(begins) - begins[:1].sum())
