"""What a stage makes small: transfer between layers, words of the teacher's, next sentences."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from mobilebert.distillation.choices import StatisticsOf, TransferForm
from mobilebert.distillation.layer_mapping import LayerMapping
from mobilebert.distillation.objectives import (
    masked_word_units,
    next_sentence,
    pretraining_distillation,
)
from mobilebert.distillation.stage_loss import BothStates, encode_both, transfer_loss
from mobilebert.distillation.stages import Stage
from mobilebert.pretraining.batches import PretrainingBatch, PretrainingData
from mobilebert.pretraining.workload import MASKED_WORDS, NEXT_SENTENCE, next_sentence_scores
from mobilebert.torch.models import MobileBertForPreTraining
from mobilebert.torch.packed import encode_packed
from mobilebert.training.arithmetic import arithmetic, first_lost
from mobilebert.training.batching import BatchPlan, IntArray
from mobilebert.training.loop import BatchLoss
from mobilebert.training.objectives import Summed
from mobilebert.training.settings import Precision

__all__ = ["TRANSFER", "Objectives", "TransferWorkload"]

# Name of the part in curves; the others are those of pre-training.
TRANSFER = "transfer"


@dataclass(frozen=True, kw_only=True)
class Objectives:
    """How the objectives are stated, in all stages alike.

    Attributes:
        form: Which statement is meant.
        statistics: Which of the teacher's maps means and variances are taken of.
        temperature: Of the teacher's words.
    """

    form: TransferForm = TransferForm.CODE
    statistics: StatisticsOf = StatisticsOf.LAYER
    temperature: float = 1.0


class TransferWorkload:
    """A student that learns from a teacher, in one stage.

    Args:
        student: The student, as `enter_stage` leaves it.
        teacher: The teacher, in evaluation mode; None where no stage needs one.
        stage: The stage.
        mapping: Between the layers; None where the stage compares none.
        data: What both read.
        plan: The batches of the steps.
        objectives: How the objectives are stated.
        precision: Element type of the arithmetic.

    Attributes:
        weights: The student's, by name, those that rest in this stage too: a state has to hold
            what earlier stages have made of them.
        guessing: Loss of a model that knows nothing, where words are learned.
        part_names: Names of the stage's losses.
    """

    def __init__(
        self,
        student: MobileBertForPreTraining,
        teacher: MobileBertForPreTraining | None,
        stage: Stage,
        mapping: LayerMapping | None,
        data: PretrainingData,
        plan: BatchPlan,
        *,
        objectives: Objectives | None = None,
        precision: Precision = Precision.FLOAT32,
    ) -> None:
        self.student, self.teacher, self.stage, self.mapping = student, teacher, stage, mapping
        self.data, self.plan, self.precision = data, plan, precision
        self.objectives = objectives or Objectives()
        self.weights: Mapping[str, Tensor] = dict(student.named_parameters())
        learns_words = bool(stage.pretraining)
        has = {
            TRANSFER: bool(stage.transferred),
            MASKED_WORDS: learns_words,
            NEXT_SENTENCE: learns_words and data.has_pairs,
        }
        self.part_names: tuple[str, ...] = tuple(name for name, there in has.items() if there)
        words = math.log(student.config.vocab_size) + math.log(2) * data.has_pairs
        self.guessing = stage.pretraining * words
        self._divisors = lru_cache(maxsize=1)(self._units)

    def loss(self, examples: IntArray, step: int) -> BatchLoss:
        """Return the loss of some sequences, in units of sequences."""
        batch = self.data.batch(examples, step)
        rows = torch.cat([batch.rows, batch.pairs])
        # Where no layers are compared, little else is computed of the last one.
        alone = None if self.stage.transferred else rows
        with arithmetic(self.precision, self.student.device):
            both = encode_both(
                self.stage,
                self.mapping,
                self.student,
                self.teacher,
                batch.packed,
                self.objectives.statistics,
                rows=alone,
            )
        found: dict[str, Summed] = {}
        transferred = transfer_loss(self.stage, both, self.objectives.form)
        if transferred is not None:
            found[TRANSFER] = transferred
        if self.stage.pretraining:
            found |= self._words(batch, both, rows if alone is None else None)
        return self._whole(found, step, len(examples))

    def fault(self, examples: IntArray, step: int) -> str:
        """Name the layer of the student that gives no numbers."""
        batch = self.data.batch(examples, step).packed

        def states() -> Sequence[Tensor]:
            with arithmetic(self.precision, self.student.device):
                encoded = encode_packed(self.student, batch, output_hidden_states=True)
            return encoded.hidden_states or ()

        return first_lost(self.weights, states)

    def _words(
        self, batch: PretrainingBatch, both: BothStates, rows: Tensor | None
    ) -> dict[str, Summed]:
        """Compare masked words and next sentences; `rows` are still to be taken of the states."""
        count = len(batch.rows)
        states = both.student.last_hidden_state
        ours = states if rows is None else states.index_select(0, rows)
        theirs = None
        if both.teacher is not None and self.stage.needs_words:
            shown = both.teacher.last_hidden_state
            theirs = (shown if rows is None else shown.index_select(0, rows))[:count]
        found: dict[str, Summed] = {}
        with arithmetic(self.precision, self.student.device):
            # Parts of a batch may have no masked words, as texts of unknown ones alone.
            if not count:
                found[MASKED_WORDS] = Summed(0.0 * states.sum(), torch.tensor(0))
            else:
                found[MASKED_WORDS] = pretraining_distillation(
                    self.student,
                    ours[:count],
                    batch.wanted,
                    self.teacher,
                    theirs,
                    hard_share=self.stage.hard_share,
                    temperature=self.objectives.temperature,
                    form=self.objectives.form,
                )
            if self.data.has_pairs:
                scores = next_sentence_scores(self.student, ours[count:])
                found[NEXT_SENTENCE] = next_sentence(scores, batch.other)
        return found

    def _whole(self, found: Mapping[str, Summed], step: int, examples: int) -> BatchLoss:
        divisors = self._divisors(step)
        sequences = len(self.plan.batch(step))
        # The loop divides by the sequences of the whole batch, so each mean is one over it.
        weighted = [
            self._weight(name) * (sequences / (divisors[name] or 1)) * part.total
            for name, part in found.items()
        ]
        parts = {
            name: (float(part.total.detach()), float(part.units)) for name, part in found.items()
        }
        return BatchLoss(torch.stack(weighted).sum(), float(examples), parts)

    def _weight(self, name: str) -> float:
        return 1.0 if name == TRANSFER else self.stage.pretraining

    def _units(self, step: int) -> dict[str, float]:
        """Return what the sums of the whole batch of a step are divided by."""
        examples = self.plan.batch(step)
        words, pairs = self.data.counts(examples) if self.stage.pretraining else (0, 0)
        tokens = float(self.plan.lengths[examples].sum())
        divided = masked_word_units(words, self.objectives.form)
        return {TRANSFER: tokens, MASKED_WORDS: divided, NEXT_SENTENCE: float(pairs)}
