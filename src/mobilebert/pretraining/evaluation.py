"""Judging a pre-trained model on text it has not seen: masked words and next sentences, by source.

Dimensions: M masked words, P pairs, V vocabulary.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from mobilebert.errors import InputError
from mobilebert.pretraining.batches import PretrainingData
from mobilebert.pretraining.workload import next_sentence_scores
from mobilebert.torch.models import MobileBertForPreTraining
from mobilebert.torch.packed import encode_packed, masked_lm_scores
from mobilebert.training.arithmetic import arithmetic
from mobilebert.training.batching import micro_batches
from mobilebert.training.settings import Precision

__all__ = ["PretrainingScores", "SourceScores", "judge_pretraining"]

# Tokens that go through the model at once, and rows whose vocabulary is scored at once.
_TOKENS, _ROWS = 8192, 512


@dataclass
class SourceScores:
    """How a model does on the text of a source; sums.

    Attributes:
        words: Masked words.
        found: How many of them are the most probable word.
        loss: Sum of the negative logarithms of their probabilities.
        pairs: Pairs of segments.
        told: How many of them are rightly told to follow, or not to.
        pair_loss: Sum of the negative logarithms of the probabilities of what is right.
    """

    words: int = 0
    found: int = 0
    loss: float = 0.0
    pairs: int = 0
    told: int = 0
    pair_loss: float = 0.0

    def metrics(self) -> dict[str, float]:
        """Return the means, by name; those of pairs only if there are some."""
        known = {
            "masked_lm_accuracy": (self.found, self.words),
            "masked_lm_loss": (self.loss, self.words),
            "next_sentence_accuracy": (self.told, self.pairs),
            "next_sentence_loss": (self.pair_loss, self.pairs),
        }
        return {name: total / count for name, (total, count) in known.items() if count}


@dataclass(frozen=True)
class PretrainingScores:
    """How a model does on text it has not seen.

    Attributes:
        sources: By name of the source.
        sequences: How many were read.
        seed: Of the masks, and of which sequences were read.
    """

    sources: dict[str, SourceScores] = field(default_factory=dict)
    sequences: int = 0
    seed: int = 0

    def total(self) -> SourceScores:
        """Return the sums over all sources."""
        total = SourceScores()
        for scores in self.sources.values():
            for name, value in vars(scores).items():
                setattr(total, name, getattr(total, name) + value)
        return total

    def metrics(self) -> dict[str, float]:
        """Return the means over all sources, by name."""
        return self.total().metrics()


@torch.no_grad()
def judge_pretraining(
    model: MobileBertForPreTraining,
    data: PretrainingData,
    *,
    words: int | None = 50_000,
    seed: int = 0,
    precision: Precision = Precision.FLOAT32,
    pairs: bool = True,
    on_progress: Callable[[int, int], None] | None = None,
) -> PretrainingScores:
    """Judge a model.

    Sequences are drawn from all alike, so that every source has the share it has in the data.

    Args:
        model: The model; left in the mode it is in.
        data: What it is judged by. Its seed decides the masks.
        words: Masked words after which there are enough; None for all sequences.
        seed: Of which sequences are read.
        precision: Element type of the arithmetic.
        pairs: Whether next sentences are judged too, where the data have pairs.
        on_progress: Told how many of how many sequences are done.

    Raises:
        InputError: Nothing in the data is masked.
    """
    chosen = _chosen(data, words, seed)
    scores = PretrainingScores({}, len(chosen), seed)
    was_training = model.training
    model.eval()
    done = 0
    try:
        order = chosen[np.argsort(-data.lengths[chosen], kind="stable")]
        for part in micro_batches(order, data.lengths, _TOKENS):
            _judge(model, data, part, precision, scores, pairs)
            done += len(part)
            if on_progress is not None:
                on_progress(done, len(chosen))
    finally:
        model.train(was_training)
    if not scores.total().words:
        raise InputError(f"{data.corpus.directory} holds no words that could be masked.")
    return scores


def _chosen(data: PretrainingData, words: int | None, seed: int) -> Any:
    order = np.random.default_rng(seed).permutation(len(data.lengths))
    if words is None:
        return order
    counted = 0
    for place, number in enumerate(order):
        counted += data.counts([number])[0]
        if counted >= words:
            return order[: place + 1]
    return order


def _judge(
    model: MobileBertForPreTraining,
    data: PretrainingData,
    part: Any,
    precision: Precision,
    scores: PretrainingScores,
    judges_pairs: bool,
) -> None:
    # Step 0 for all: masks are a function of the seed and the sequence.
    batch = data.batch(part, 0)
    rows = torch.cat([batch.rows, batch.pairs])
    with arithmetic(precision, model.device):
        states = encode_packed(model, batch.packed, rows=rows).last_hidden_state
    found, losses = [], []
    for some, wanted in zip(
        torch.split(states[: len(batch.rows)], _ROWS),
        torch.split(batch.wanted, _ROWS),
        strict=True,
    ):
        with arithmetic(precision, model.device):
            logits = masked_lm_scores(model, some).float()
        found.append(logits.argmax(dim=-1) == wanted)
        losses.append(F.cross_entropy(logits, wanted, reduction="none"))
    names = [data.corpus.source_names[data.corpus.sources[int(number)]] for number in part]
    sequence = batch.sequence
    for place, right, loss in zip(
        sequence, torch.cat(found).tolist(), torch.cat(losses).tolist(), strict=True
    ):
        source = scores.sources.setdefault(names[place], SourceScores())
        source.words, source.found = source.words + 1, source.found + right
        source.loss += loss
    if not judges_pairs or not len(batch.pairs):
        return
    with arithmetic(precision, model.device):
        pair_scores = next_sentence_scores(model, states[len(batch.rows) :])
    told = (pair_scores.argmax(dim=-1) == batch.other).tolist()
    pair_losses = F.cross_entropy(pair_scores, batch.other, reduction="none").tolist()
    pairs = [n for n, number in enumerate(part) if data.corpus.follows[int(number)] >= 0]
    for place, right, loss in zip(pairs, told, pair_losses, strict=True):
        source = scores.sources.setdefault(names[place], SourceScores())
        source.pairs, source.told = source.pairs + 1, source.told + right
        source.pair_loss += loss
