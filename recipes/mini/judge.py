"""What the bundled model is held to: masked words and next sentences it has not seen, and its size.

    python recipes/mini/judge.py MODEL DATA FILE

MODEL is judged as it is stored, on what DATA has held out, with seed 0; FILE becomes a JSON with
all numbers, by source as well, and what of TARGETS was reached.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from by_itself import run_script

from mobilebert.errors import InputError
from mobilebert.files import write_atomic

__all__ = ["TARGETS", "judged", "main"]

# At least, and those that are read: all there are.
WORDS, ALL = 50_000, 1_000_000
QUESTION, ANSWER = "The capital of France is [MASK].", "paris"
# Metric -> the least it is to be.
TARGETS = {
    "masked_lm_accuracy": 0.40,
    "next_sentence_accuracy": 0.75,
    "words": WORDS,
}
# Of the file of weights, and the place of the answer.
MOST_BYTES, LOWEST_PLACE = 25e6, 5


def judged(model: Path, data: Path) -> dict[str, Any]:
    """Judge a model.

    Args:
        model: Its directory.
        data: Prepared data with held-out text.

    Returns:
        All numbers, by name; ``sources`` has them by source.

    Raises:
        InputError: Nothing is held out.
    """
    import torch

    from mobilebert import MobileBertForPreTraining, pipeline
    from mobilebert.pretraining.evaluation import judge_pretraining
    from mobilebert.pretraining.material import judging_data, load_tokenizer
    from mobilebert.pretraining.publishing import source_rows

    loaded = MobileBertForPreTraining.from_pretrained(model, dtype=torch.float32)
    held_out = judging_data(data, load_tokenizer(model), loaded.config.vocab_size)
    if held_out is None:
        raise InputError(f"{data} has nothing held out; prepare it with --held-out 0.01.")
    scores = judge_pretraining(loaded, held_out, words=ALL, seed=0)
    found = pipeline("fill-mask", str(model), top_k=100)(QUESTION)
    answers = [answer["token_str"] for answer in found]
    return {
        **scores.metrics(),
        "words": scores.total().words,
        "seed": scores.seed,
        "bytes": (model / "model.safetensors").stat().st_size,
        "parameters": loaded.num_parameters(),
        "answers": answers[:LOWEST_PLACE],
        "place": answers.index(ANSWER) + 1 if ANSWER in answers else None,
        "sources": [
            {"name": row.name, "words": row.words, **row.metrics} for row in source_rows(scores)
        ],
    }


def reached(found: dict[str, Any]) -> dict[str, bool]:
    """Return which targets a model has reached, by name.

    Args:
        found: Of `judged`.
    """
    at_least = {name: found.get(name, 0) >= least for name, least in TARGETS.items()}
    place = found["place"]
    return {
        **at_least,
        "bytes": found["bytes"] <= MOST_BYTES,
        "place": place is not None and place <= LOWEST_PLACE,
    }


def main(given: Sequence[str]) -> None:
    """Judge, write the JSON and say what was reached."""
    model, data, file = map(Path, given)
    found = judged(model, data)
    found["reached"] = reached(found)
    write_atomic(file, json.dumps(found, indent=2, allow_nan=False) + "\n")
    for name, is_reached in found["reached"].items():
        print(f"{name}: {found.get(name)} ({'reached' if is_reached else 'not reached'})")


if __name__ == "__main__":
    run_script(main, __doc__)
