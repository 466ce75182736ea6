"""Batches of prepared sequences: masks drawn by step, sequences one behind the other.

Dimensions: B sequences, T tokens of all sequences together, M masked words, P pairs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mobilebert.corpora.masking import MaskedTokens, Masking, mask_tokens
from mobilebert.corpora.prepared import PreparedCorpus, PreparedSequence
from mobilebert.corpora.settings import MaskingTime
from mobilebert.errors import InputError
from mobilebert.torch.packed import PackedBatch, pack

__all__ = ["PretrainingBatch", "PretrainingData"]

IntArray = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class PretrainingBatch:
    """Some sequences with masks, and what a model should say about them.

    Attributes:
        packed: The sequences, with masks.
        rows: The rows of masked words, [M].
        wanted: The ids that stood there, [M].
        pairs: The rows of the first tokens of those sequences that are pairs, [P].
        other: 0 where the second segment follows the first, 1 where it does not, [P].
        sequence: Which of the sequences each masked word is of, [M].
    """

    packed: PackedBatch
    rows: Tensor
    wanted: Tensor
    pairs: Tensor
    other: Tensor
    sequence: IntArray


class PretrainingData:
    """Prepared sequences, as a model reads them.

    Args:
        corpus: The sequences.
        tokenizer: The tokenizer they were prepared with.
        vocab_size: Rows of the model's vocabulary.
        seed: Of masks.
        device: Where batches are to be.

    Raises:
        InputError: The data were prepared with another vocabulary, or the model has fewer rows.
    """

    def __init__(
        self,
        corpus: PreparedCorpus,
        tokenizer: Any,
        vocab_size: int,
        *,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        corpus.check_vocabulary(tokenizer)
        if len(tokenizer) > vocab_size:
            raise InputError(
                f"The tokenizer has {len(tokenizer):,} tokens, and the model rows for "
                f"{vocab_size:,}: take the model's own tokenizer and data prepared with it, or "
                "give the model more rows (resize_token_embeddings)."
            )
        self.corpus, self.device = corpus, torch.device(device)
        self._seed = seed
        self._masking: Masking | None = None
        if corpus.manifest.settings.masking is not MaskingTime.STATIC:
            self._masking = corpus.masking(tokenizer, vocab_size)

    @property
    def lengths(self) -> npt.NDArray[np.int32]:
        """Tokens of each sequence, int32 [N]."""
        return self.corpus.lengths

    @property
    def has_pairs(self) -> bool:
        """Whether sequences are pairs, of which it is asked whether one follows the other."""
        return self.corpus.manifest.settings.next_sentence

    def counts(self, numbers: Iterable[int]) -> tuple[int, int]:
        """Count what a batch asks, before anything is drawn.

        Args:
            numbers: Of the sequences.

        Returns:
            Masked words and pairs. Whole words may leave a few of the words over.
        """
        words = pairs = 0
        for number in numbers:
            sequence = self.corpus[int(number)]
            words += self.count(sequence)
            pairs += sequence.follows is not None
        return words, pairs

    def count(self, sequence: PreparedSequence) -> int:
        """Count the masked words of a sequence."""
        if self._masking is None:
            return 0 if sequence.places is None else len(sequence.places)
        return self._masking.count(sequence.ids)

    def batch(self, numbers: Sequence[int] | IntArray, step: int) -> PretrainingBatch:
        """Read sequences and mask them; masks are a function of seed, step and sequence.

        Args:
            numbers: Of the sequences, at least one.
            step: Counted from 0.
        """
        sequences = [self.corpus[int(number)] for number in numbers]
        masked = [
            self._masked(sequence, [self._seed, step, int(number)])
            for sequence, number in zip(sequences, numbers, strict=True)
        ]
        starts = np.cumsum([0, *(len(sequence.ids) for sequence in sequences)])
        pairs = [n for n, sequence in enumerate(sequences) if sequence.follows is not None]
        rows = np.concatenate([m.places + s for m, s in zip(masked, starts, strict=False)])
        packed = pack([m.ids for m in masked], [sequence.types for sequence in sequences])
        return PretrainingBatch(
            packed.to(self.device),
            self._tensor(rows),
            self._tensor(np.concatenate([m.wanted for m in masked])),
            self._tensor(starts[pairs]),
            self._tensor(np.array([not sequences[n].follows for n in pairs], np.int64)),
            np.repeat(np.arange(len(masked)), [len(m.places) for m in masked]),
        )

    def _masked(self, sequence: PreparedSequence, key: list[int]) -> MaskedTokens:
        if self._masking is None:
            assert sequence.places is not None  # drawn when the data were made
            assert sequence.wanted is not None
            return MaskedTokens(sequence.ids, sequence.places, sequence.wanted)
        return mask_tokens(sequence.ids, self._masking, np.random.default_rng(key))

    def _tensor(self, array: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.asarray(array, np.int64)).to(self.device)
