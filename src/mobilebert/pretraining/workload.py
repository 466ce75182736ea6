"""What pre-training makes small: the losses of masked words and of next sentences.

Devlin et al. 2019 (arXiv:1810.04805), section 3.1: the sum of the mean over the masked words of a
batch and the mean over its pairs.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

from torch import Tensor
from torch.nn import functional as F

from mobilebert.pretraining.batches import PretrainingBatch, PretrainingData
from mobilebert.torch.models import MobileBertForPreTraining
from mobilebert.torch.packed import encode_packed, masked_lm_loss, pooled_rows
from mobilebert.training.arithmetic import arithmetic, first_lost
from mobilebert.training.batching import BatchPlan, IntArray
from mobilebert.training.loop import BatchLoss
from mobilebert.training.settings import Precision

__all__ = ["MASKED_WORDS", "NEXT_SENTENCE", "PretrainingWorkload", "next_sentence_scores"]

# Names of the parts in curves.
MASKED_WORDS, NEXT_SENTENCE = "masked words", "next sentence"


def next_sentence_scores(model: MobileBertForPreTraining, first: Tensor) -> Tensor:
    """Score whether a second segment follows, from states of first tokens, [P, H] -> [P, 2]."""
    scores: Tensor = model.get_submodule("cls.seq_relationship")(pooled_rows(model, first))
    return scores.float()


class PretrainingWorkload:
    """A model that learns masked words and next sentences.

    Args:
        model: The model, in training mode.
        data: What it reads.
        plan: The batches of the steps.
        precision: Element type of the arithmetic.

    Attributes:
        weights: What is trained, by name.
        guessing: Loss of a model that knows nothing.
        part_names: Names of the two losses.
    """

    def __init__(
        self,
        model: MobileBertForPreTraining,
        data: PretrainingData,
        plan: BatchPlan,
        precision: Precision = Precision.FLOAT32,
    ) -> None:
        self.model, self.data, self.plan, self.precision = model, data, plan, precision
        self.weights: Mapping[str, Tensor] = dict(model.named_parameters())
        names = [MASKED_WORDS, NEXT_SENTENCE] if data.has_pairs else [MASKED_WORDS]
        self.part_names: tuple[str, ...] = tuple(names)
        self.guessing = math.log(model.config.vocab_size) + math.log(2) * data.has_pairs
        self._counts = lru_cache(maxsize=1)(self._count)

    def loss(self, examples: IntArray, step: int) -> BatchLoss:
        """Return the loss of some sequences, in units of sequences."""
        batch = self.data.batch(examples, step)
        words, pairs, sequences = self._counts(step)
        with arithmetic(self.precision, self.model.device):
            found = self._encoded(batch)
            mean = masked_lm_loss(self.model, found[: len(batch.rows)], batch.wanted)
        sums = {MASKED_WORDS: mean * len(batch.rows)}
        divisors = {MASKED_WORDS: words, NEXT_SENTENCE: pairs}
        counts = {MASKED_WORDS: float(len(batch.rows)), NEXT_SENTENCE: float(len(batch.other))}
        if self.data.has_pairs:
            with arithmetic(self.precision, self.model.device):
                scores = next_sentence_scores(self.model, found[len(batch.rows) :])
            sums[NEXT_SENTENCE] = F.cross_entropy(scores, batch.other, reduction="sum")
        # The loop divides by the sequences of the whole batch, so each mean is one over it.
        total = sum(
            (value * (sequences / (divisors[name] or 1)) for name, value in sums.items()),
            start=found.new_zeros(()),
        )
        parts = {name: (float(value.detach()), counts[name]) for name, value in sums.items()}
        return BatchLoss(total, float(len(examples)), parts)

    def fault(self, examples: IntArray, step: int) -> str:
        """Name the layer that gives no numbers."""
        batch = self.data.batch(examples, step).packed

        def states() -> Sequence[Tensor]:
            with arithmetic(self.precision, self.model.device):
                encoded = encode_packed(self.model, batch, output_hidden_states=True)
            return encoded.hidden_states or ()

        return first_lost(self.weights, states)

    def _encoded(self, batch: PretrainingBatch) -> Tensor:
        """Return the last states of masked words, and behind them of the pairs' first tokens."""
        rows = batch.rows.new_empty(len(batch.rows) + len(batch.pairs))
        rows[: len(batch.rows)], rows[len(batch.rows) :] = batch.rows, batch.pairs
        return encode_packed(self.model, batch.packed, rows=rows).last_hidden_state

    def _count(self, step: int) -> tuple[int, int, int]:
        examples = self.plan.batch(step)
        return *self.data.counts(examples), len(examples)
