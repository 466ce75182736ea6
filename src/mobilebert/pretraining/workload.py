"""What pre-training makes small: the losses of masked words and next sentences, and of a guide.

Devlin et al. 2019 (arXiv:1810.04805), section 3.1: the sum of the mean over the masked words of a
batch and the mean over its pairs.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mobilebert.pretraining.batches import PretrainingBatch, PretrainingData
from mobilebert.pretraining.guide import SENTENCES, STATES, Guide
from mobilebert.torch.models import MobileBertForPreTraining
from mobilebert.torch.packed import encode_packed, masked_lm_loss, pooled_rows
from mobilebert.training.arithmetic import arithmetic, first_lost
from mobilebert.training.batching import BatchPlan, IntArray
from mobilebert.training.loop import BatchLoss
from mobilebert.training.objectives import Summed
from mobilebert.training.settings import Precision

__all__ = ["MASKED_WORDS", "NEXT_SENTENCE", "PretrainingWorkload", "next_sentence_scores"]

# Names of the parts in curves.
MASKED_WORDS, NEXT_SENTENCE = "masked words", "next sentence"


def next_sentence_scores(model: MobileBertForPreTraining, first: Tensor) -> Tensor:
    """Score whether a second segment follows, from states of first tokens, [P, H] -> [P, 2]."""
    scores: Tensor = model.get_submodule("cls.seq_relationship")(pooled_rows(model, first))
    return scores.float()


class _Whole(NamedTuple):
    """What the batch of a step holds in all."""

    words: int
    pairs: int
    tokens: int
    sequences: int


class PretrainingWorkload:
    """A model that learns masked words and next sentences, perhaps of an encoder's states too.

    Args:
        model: The model, in training mode.
        data: What it reads.
        plan: The batches of the steps.
        precision: Element type of the arithmetic.
        guide: An encoder to learn from.

    Attributes:
        weights: What is trained, by name.
        guessing: Loss of a model that knows nothing.
        part_names: Names of the losses.
    """

    def __init__(
        self,
        model: MobileBertForPreTraining,
        data: PretrainingData,
        plan: BatchPlan,
        precision: Precision = Precision.FLOAT32,
        guide: Guide | None = None,
    ) -> None:
        self.model, self.data, self.plan, self.precision = model, data, plan, precision
        self.guide = guide
        self.weights: Mapping[str, Tensor] = dict(model.named_parameters())
        names = [MASKED_WORDS, NEXT_SENTENCE] if data.has_pairs else [MASKED_WORDS]
        self.guessing = math.log(model.config.vocab_size) + math.log(2) * data.has_pairs
        self._factors: Mapping[str, float] = {}
        if guide is not None:
            guide.enter(precision, model.device)
            self._factors = guide.factors
            self.weights |= guide.projection.state_dict(prefix="projection.", keep_vars=True)
            names += guide.factors
            # A projection of states that says nothing differs by 1 from what is normalised.
            self.guessing += sum(guide.factors.values())
        self.part_names: tuple[str, ...] = tuple(names)
        self._counts = lru_cache(maxsize=1)(self._count)

    def loss(self, examples: IntArray, step: int) -> BatchLoss:
        """Return the loss of some sequences, in units of sequences."""
        batch = self.data.batch(examples, step)
        whole = self._counts(step)
        shown = None if self.guide is None else self.guide.read(batch)
        with arithmetic(self.precision, self.model.device):
            found = self._sums(batch, shown)
        divisors = {
            MASKED_WORDS: whole.words,
            NEXT_SENTENCE: whole.pairs,
            STATES: whole.tokens,
            SENTENCES: whole.sequences,
        }
        # The loop divides by the sequences of the whole batch, so each mean is one over it.
        weighted = [
            self._factors.get(name, 1.0) * (whole.sequences / (divisors[name] or 1)) * part.total
            for name, part in found.items()
        ]
        parts = {
            name: (float(part.total.detach()), float(part.units)) for name, part in found.items()
        }
        return BatchLoss(torch.stack(weighted).sum(), float(len(examples)), parts)

    def fault(self, examples: IntArray, step: int) -> str:
        """Name the layer that gives no numbers."""
        batch = self.data.batch(examples, step).packed

        def states() -> Sequence[Tensor]:
            with arithmetic(self.precision, self.model.device):
                encoded = encode_packed(self.model, batch, output_hidden_states=True)
            return encoded.hidden_states or ()

        return first_lost(self.weights, states)

    def _sums(self, batch: PretrainingBatch, shown: Tensor | None) -> dict[str, Summed]:
        """Return the sums of all losses; `shown` are states of the encoder."""
        words = len(batch.rows)
        rows = batch.rows.new_empty(words + len(batch.pairs))
        rows[:words], rows[words:] = batch.rows, batch.pairs
        # Where states are compared, all are wanted of the last layer.
        wanted = rows if shown is None else None
        states = encode_packed(self.model, batch.packed, rows=wanted).last_hidden_state
        chosen = states if shown is None else states.index_select(0, rows)
        # Parts of a batch may have no masked words, as texts of unknown ones alone.
        mean = masked_lm_loss(self.model, chosen[:words], batch.wanted) if words else states.sum()
        found = {MASKED_WORDS: Summed(mean * words, torch.tensor(words))}
        if self.data.has_pairs:
            scores = next_sentence_scores(self.model, chosen[words:])
            total = F.cross_entropy(scores, batch.other, reduction="sum")
            found[NEXT_SENTENCE] = Summed(total, torch.tensor(len(batch.other)))
        if self.guide is not None and shown is not None:
            found |= self.guide.losses(states, shown, batch.packed)
        return found

    def _count(self, step: int) -> _Whole:
        examples = self.plan.batch(step)
        words, pairs = self.data.counts(examples)
        return _Whole(words, pairs, int(self.plan.lengths[examples].sum()), len(examples))
