"""How far an engine's answers are from the exact ones; for tests and benchmarks/accuracy.py."""

import numpy as np

from mobilebert.engine.interpreter import apply_heads, interpret
from mobilebert.engine.program import build_program
from mobilebert.engine.ragged import RaggedBatch

__all__ = ["compared", "measure", "softmax"]

BATCH = 32


def softmax(logits):
    """Probabilities over the last axis, in float64."""
    powers = np.exp(np.asarray(logits, np.float64) - np.max(logits, axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def compared(found, wanted):
    """Compare parts of (logits [texts, classes], last states [tokens, H]).

    Returns:
        ``texts``; ``agreement``, the share of texts with the same best class; ``probability``, the
        largest change of a probability; ``token_error``, the largest max |difference| / max |value|
        of a token.
    """
    texts, same, probability, token = 0, 0, 0.0, 0.0
    for (scores, states), (exact_scores, exact_states) in zip(found, wanted, strict=True):
        texts += len(exact_scores)
        same += int((scores.argmax(axis=-1) == exact_scores.argmax(axis=-1)).sum())
        change = np.abs(softmax(scores) - softmax(exact_scores)).max()
        errors = np.abs(states - exact_states).max(axis=-1) / np.abs(exact_states).max(axis=-1)
        # Unlike max(), this keeps a NaN.
        probability = float(np.maximum(probability, change))
        token = float(np.maximum(token, errors.max()))
    return {
        "texts": texts,
        "agreement": same / texts,
        "probability": probability,
        "token_error": token,
    }


def measure(engines, tensors, config, task, rows, types=None, places=None):
    """Compare engines with the model in float64.

    Args:
        engines: By name.
        tensors: The model, by canonical name.
        config: Its configuration.
        task: A row of the task table, one that emits one array of logits.
        rows: Token ids of each text.
        types: Segments of each text; zeros by default.
        places: For a vocabulary head, the position in each text that is asked about.

    Returns:
        By name of the engine, what `compared` says.
    """
    # The folded program in float64 is the reference to 1e-10 (tests/engine/test_folding.py), and
    # needs no padding.
    exact = {name: np.asarray(array, np.float64) for name, array in tensors.items()}
    program = build_program(exact, config, task)
    wanted, found = [], {name: [] for name in engines}
    for first in range(0, len(rows), BATCH):
        part = slice(first, first + BATCH)
        segments = None if types is None else types[part]
        batch = RaggedBatch.from_rows(rows[part], segments)
        positions, masked = None, np.empty(0, np.int64)
        if places is not None:
            positions = np.stack([np.arange(len(rows[part])), places[part]], axis=1)
            masked = batch.rows_of(positions)
        stream = interpret(program, batch)[-1]
        outputs = apply_heads(program, stream, batch.starts[:-1], masked)
        wanted.append((outputs["projection" if places is None else "vocabulary"], stream))
        for name, engine in engines.items():
            told = engine(
                rows[part], token_type_ids=segments, positions=positions, output_hidden_states=True
            )
            found[name].append((told[0], np.concatenate(told.hidden_states[-1])))
    return {name: compared(parts, wanted) for name, parts in found.items()}
