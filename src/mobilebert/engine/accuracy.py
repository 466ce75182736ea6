"""How far a faster element type is from float32 on one model, and which type it may run in.

The model answers a fixed sample in float32 and in the faster type; float32 itself is within 1e-4 of
float64. Random ids are a harder test than text: a model is less sure of them, and less sure
answers move more.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.config import MobileBertConfig
from mobilebert.engine.execution import Axis, Execution
from mobilebert.engine.native import is_amd, isa_dtypes
from mobilebert.engine.ragged import RaggedBatch
from mobilebert.tasks import TaskSpec

__all__ = [
    "BOUNDS",
    "FASTER",
    "FASTER_ON_AMD",
    "Answers",
    "Measurement",
    "answer_sample",
    "candidates",
    "compare",
    "decide",
    "from_facts",
    "to_facts",
    "token_errors",
]

Array = npt.NDArray[np.floating[Any]]
Float32Array = npt.NDArray[np.float32]

# Instruction set -> its element types that are faster than float32, the fastest first.
# On AMX int8 is no faster than bfloat16: measuring each token's range takes what tiles save.
FASTER: dict[str, tuple[str, ...]] = {
    "amx": ("bfloat16",),
    "avx512vnni": ("int8",),
    "neon": ("bfloat16",),
}

# What differs where AMD made the processor, which has no AMX: a VDPBF16PS does twice the work of a
# float32 FMA. A Zen 5, 24 layers, one thread, milliseconds for a text of 16 tokens and of 128:
# float32 3.2 and 22.6, bfloat16 2.1 and 12.6, int8 2.0 and 12.8. Intel's with AMX start half as
# many (measured: 48e9 numbers a second, float32 96e9): bfloat16 without AMX is slower there.
FASTER_ON_AMD: dict[str, tuple[str, ...]] = {"avx512vnni": ("int8", "bfloat16")}


@dataclass(frozen=True)
class Measurement:
    """How far a model's answers in one element type are from those in float32.

    Attributes:
        error: max |difference| / max |value| of the last hidden state, for each token; the 99th
            percentile of all tokens. Where a few channels dwarf the others, the error of the others
            if that is larger.
        probability: Largest difference of a probability the head gives; 0 without a head.
        agreement: Share of answers whose most probable label is the same; 1 without a head.
    """

    error: float
    probability: float
    agreement: float

    def within(self, bound: "Measurement") -> bool:
        """Tell whether no number is worse than the bound's; NaN is."""
        return (
            self.error <= bound.error
            and self.probability <= bound.probability
            and self.agreement >= bound.agreement
        )


# Element type -> the worst that "auto" accepts. A bound on the probability makes one on agreement:
# a label that changes led by no more than twice that bound. Agreement itself is only told, because
# a few hundred answers are too few for shares of 99.5 %, and untrained heads answer by chance.
BOUNDS: dict[str, Measurement] = {
    "bfloat16": Measurement(error=0.02, probability=0.01, agreement=0.0),
    "int8": Measurement(error=0.05, probability=0.03, agreement=0.0),
}

# (tokens, texts) of the sample.
_LENGTHS = ((4, 8), (8, 8), (16, 8), (32, 4), (64, 2), (128, 1))
_SEED = 20240404
# [CLS] and [SEP] of BERT's vocabularies.
_CLS, _SEP = 101, 102
# Vocabulary logits are asked for at every so many tokens: they cost most of the time.
_EVERY = 5
# A channel is an outlier if it reaches so many times as far as half of the channels do.
_OUTLIER = 100.0


def candidates(isa: str) -> tuple[str, ...]:
    """Return the element types of an instruction set that "auto" measures, the fastest first."""
    known = isa_dtypes().get(isa, ())
    faster = FASTER | FASTER_ON_AMD if is_amd() else FASTER
    return tuple(dtype for dtype in faster.get(isa, ()) if dtype in known)


def decide(wanted: tuple[str, ...], measured: Mapping[str, Measurement]) -> str | None:
    """Return the first type within its bound, float32 if none is; None where one is not measured.

    Args:
        wanted: Types to choose from, the fastest first.
        measured: What is known of the model.
    """
    for dtype in wanted:
        if dtype not in measured:
            return None
        if measured[dtype].within(BOUNDS[dtype]):
            return dtype
    return "float32"


def _sample(config: MobileBertConfig) -> RaggedBatch:
    """Draw the texts: the same for every model of a vocabulary, every other one in [CLS], [SEP]."""
    generator = np.random.default_rng(_SEED)
    framed = config.vocab_size > _SEP
    rows, types = [], []
    for length, texts in _LENGTHS:
        for text in range(texts):
            size = min(length, config.max_position_embeddings)
            row = generator.integers(0, config.vocab_size, size)
            if framed and text % 2 == 0 and size > 2:
                row[[0, size // 2, -1]] = _CLS, _SEP, _SEP
            rows.append(row)
            types.append((np.arange(size) > size // 2) * min(1, config.type_vocab_size - 1))
    return RaggedBatch.from_rows(rows, types)


@dataclass(frozen=True)
class Answers:
    """What a model gives for the sample.

    Attributes:
        states: The last hidden state, [T, H].
        probabilities: Of each of the head's outputs, [answers, labels].
    """

    states: Float32Array
    probabilities: tuple[Float32Array, ...]


def answer_sample(execution: Execution, config: MobileBertConfig) -> Answers:
    """Run the sample."""
    batch = _sample(config)
    wanted = np.arange(0, len(batch.ids), _EVERY)
    results = execution.run(batch, wanted, last_state=True)
    states = results["last_hidden_state"].array
    task = execution.task
    heads = () if task.name == "feature_extraction" else task.emits
    with np.errstate(all="ignore"):  # what is not finite is outside every bound
        chances = tuple(
            part
            for name in heads
            for part in _probabilities(results[name].array, results[name].axis, task, batch)
        )
    return Answers(np.ascontiguousarray(states), chances)


def _probabilities(
    logits: Float32Array, axis: Axis, task: TaskSpec, batch: RaggedBatch
) -> Iterator[Float32Array]:
    """Turn one output's logits into probabilities, in rows."""
    over_positions = task.projection is not None and task.projection.split
    if over_positions and axis is Axis.TOKENS:
        # A span's start is one of the tokens of a text.
        for first, end in pairwise(batch.starts):
            yield _softmax(logits[None, first:end])
    elif logits.shape[-1] == 1:
        yield (1 / (1 + np.exp(-logits.astype(np.float64)))).astype(np.float32)
    else:
        yield _softmax(logits)


def _softmax(logits: Float32Array) -> Float32Array:
    chances = np.empty_like(logits)
    # Row by row: over a vocabulary, what is computed on the way is as large as the model.
    for row, scores in zip(chances, logits, strict=True):
        powers = np.exp((scores - scores.max()).astype(np.float64))
        row[:] = powers / powers.sum()
    return chances


def _largest_difference(one: Float32Array, other: Float32Array) -> float:
    return float(np.max([np.abs(x - y).max() for x, y in zip(one, other, strict=True)]))


def token_errors(found: Array, wanted: Array) -> Array:
    """Return how far each token's vector is from the one wanted, relative to that.

    Args:
        found: [..., H].
        wanted: The same.

    Returns:
        max |difference| / max |wanted| over the last axis, [...].
    """
    largest = np.maximum(np.abs(wanted).max(axis=-1), np.finfo(np.float32).tiny)
    errors: Array = np.abs(found - wanted).max(axis=-1) / largest
    return errors


def compare(found: Answers, wanted: Answers) -> Measurement:
    """Compare the answers of two element types.

    Args:
        found: Those of the faster one.
        wanted: Those of float32.
    """
    if not np.isfinite(wanted.states).all():  # float32 itself is lost: nothing can be said
        return Measurement(math.nan, math.nan, 0.0)
    with np.errstate(all="ignore"):
        # [CLS] reaches 2.5e7 in one channel of the published checkpoint: beside that any error of
        # the others, which heads read too, would be nothing.
        reach = np.abs(wanted.states).max(axis=0)
        ordinary = reach <= _OUTLIER * np.median(reach)
        errors = np.maximum(
            token_errors(found.states, wanted.states),
            token_errors(found.states[:, ordinary], wanted.states[:, ordinary]),
        )
        moved, same = [0.0], [np.ones(0, bool)]
        for mine, theirs in zip(found.probabilities, wanted.probabilities, strict=True):
            moved.append(_largest_difference(mine, theirs))
            same.append(mine.argmax(axis=-1) == theirs.argmax(axis=-1))
    agreed = np.concatenate(same)
    return Measurement(
        error=float(np.quantile(errors, 0.99)),
        probability=float(np.max(moved)),
        agreement=float(agreed.mean()) if agreed.size else 1.0,
    )


def to_facts(measured: Mapping[str, Measurement]) -> dict[str, Any]:
    """Return measurements as JSON has them; a number that is not finite is null."""
    return {
        dtype: {k: v if math.isfinite(v) else None for k, v in asdict(row).items()}
        for dtype, row in measured.items()
    }


def from_facts(facts: Mapping[str, Any]) -> dict[str, Measurement]:
    """Return what `to_facts` stored."""
    return {
        dtype: Measurement(**{k: math.nan if v is None else v for k, v in row.items()})
        for dtype, row in facts.items()
    }
