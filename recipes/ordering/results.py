"""What the students of the ordering came to: a JSON, whole after each run, and the page of it."""

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from variants import BUDGET, VARIANTS

from mobilebert.files import read_json, write_atomic

__all__ = ["METRICS", "Results", "page"]

# Metric -> title; all are shares, told in points.
METRICS = {
    "masked_lm_accuracy": "masked words found",
    "next_sentence_accuracy": "pairs told right",
    "task_accuracy": "SST-2",
}

PAGE = """# Which transfer helps, at small scale

One teacher ({teacher_layers} layers, LayerNorm, {teacher_points:.1f} % of masked words found after
{teacher_steps:,} steps), and students of equal size and budget: {steps:,} steps of {batch_size}
sequences of at most {max_length} tokens in {precision}. Students with transfer have
{transfer_steps:,} steps of it (auxiliary: in all steps) and {word_steps:,} steps of words. Judged
by {words:,} masked words of held-out text, and by {task_title} (its dev set, after {tuning_steps:,}
steps). Mean ± standard deviation over seeds, in points. The text is the modern part of the corpus
({text});
all else stands in recipes/ordering/variants.py.
{outdated}
{table}

{comparisons}

With so few steps and seeds this says what happens at this size, and no more. The published order is
that of students with 24 layers, of 740,000 steps with 2,048 sequences: progressive before joint
before auxiliary transfer, and feature maps the greatest gain (Sun et al. 2020, section 4.5).

Measured by `python recipes/ordering/ordering.py --data DIR --output DIR --seeds {seeds}`, which
goes on where it was interrupted, on {machine}.
"""

# Of results of the first revision; the next measurement has no use for it.
_OUTDATED = """
**To be measured again.** This table was measured before two things were mended:

- Every stage read the data from the beginning, each layer's and that of the words: students with a
  stage of transfer before the words saw 1,600 different batches, the others 2,400. Now all stages
  read on in one stream.
- Masked words alone were trained by `mobilebert pretrain`, with dropout of 0.1 on attentions and
  another decay of the rate; all others without dropout. So a part of what the teacher's words seem
  to give may be missing dropout. Now they are trained as the others are.
"""

# What is compared in pairs, the one first that is better by the paper.
_ORDER = (
    ("pd", "words"),
    ("pd-copies", "pd"),
    ("fmt", "pd-copies"),
    ("fmt-at", "fmt"),
    ("fmt-at", "joint"),
    ("joint", "auxiliary"),
)


class Results:
    """The JSON of all students, whole on disk after each change.

    Args:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content = read_json(path) if path.exists() else {"runs": {}}

    def begin(self, budget: Mapping[str, Any], machine: str) -> None:
        """Note what is measured; refuse results that were measured otherwise.

        Args:
            budget: What all students have in common.
            machine: Where.

        Raises:
            SystemExit: What is there has another budget.
        """
        there = self.content.setdefault("budget", dict(budget))
        self.content.setdefault("machine", machine)
        changed = [name for name, value in budget.items() if there.get(name) != value]
        if changed:
            sys.exit(
                f"Error: {self.path} was measured with another budget ({', '.join(changed)}); give "
                "the same options as then, or another --output."
            )

    def has(self, name: str, seed: int) -> bool:
        """Tell whether a student was judged."""
        return str(seed) in self.content["runs"].get(name, {})

    def keep(self, name: str, seed: int, entry: Mapping[str, Any]) -> None:
        """Add a student.

        Args:
            name: Of the variant.
            seed: Of the student.
            entry: Its metrics, and how long it took.
        """
        runs = self.content["runs"].setdefault(name, {})
        runs[str(seed)] = entry
        self.write()

    def write(self) -> None:
        """Write it."""
        write_atomic(self.path, json.dumps(self.content, indent=2, allow_nan=False) + "\n")


def entry_of(student: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a student.

    Args:
        student: Its report.json.
        task: That of the task it was tuned on.
    """
    return {
        "metrics": {
            **student["metrics"],
            "task_accuracy": task["evaluation"]["metrics"]["accuracy"],
        },
        "words": sum(source["words"] for source in student["sources"]),
        "date": student["date"],
    }


def _values(runs: Mapping[str, Any], metric: str) -> list[float]:
    return [100 * run["metrics"][metric] for run in runs.values() if metric in run["metrics"]]


def _shown(values: Sequence[float]) -> str:
    if not values:
        return "-"
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.1f}{spread}"


def _comparison(runs: Mapping[str, Any], better: str, other: str) -> str:
    """Write the line of two variants, compared in pairs of one seed."""
    told = []
    for metric in ("masked_lm_accuracy", "task_accuracy"):
        seeds = sorted(runs[better].keys() & runs[other].keys())
        gains = [
            100 * (runs[better][s]["metrics"][metric] - runs[other][s]["metrics"][metric])
            for s in seeds
        ]
        told.append(f"{statistics.fmean(gains):+.1f} ({min(gains):+.1f} to {max(gains):+.1f})")
    return f"| {VARIANTS[better].title} | {VARIANTS[other].title} | {' | '.join(told)} |"


def _comparisons(runs: Mapping[str, Any]) -> str:
    found = [pair for pair in _ORDER if set(runs.get(pair[0], {})) & set(runs.get(pair[1], {}))]
    if not found:
        return "Nothing to compare yet."
    lines = ["Differences of students of the same seed, mean (least to most):", ""]
    lines += ["| student | beside | masked words found | SST-2 |", "|---|---|--:|--:|"]
    return "\n".join(lines + [_comparison(runs, *pair) for pair in found])


def page(content: Mapping[str, Any]) -> str:
    """Write the page.

    Args:
        content: Of the JSON.
    """
    runs, budget = content["runs"], content["budget"]
    lines = [f"| student | seeds | {' | '.join(METRICS.values())} |"]
    lines.append("|---|--:|" + "--:|" * len(METRICS))
    for name, variant in VARIANTS.items():
        done = runs.get(name, {})
        cells = [_shown(_values(done, metric)) for metric in METRICS]
        lines.append(f"| {variant.title} | {len(done)} | {' | '.join(cells)} |")
    every = [run for done in runs.values() for run in done.values()]
    return PAGE.format(
        table="\n".join(lines),
        comparisons=_comparisons(runs),
        words=min((run["words"] for run in every), default=0),
        seeds=max((len(done) for done in runs.values()), default=0),
        teacher_points=100 * content["teacher"]["masked_lm_accuracy"],
        machine=content["machine"],
        outdated="" if budget.get("revision", 1) == BUDGET.revision else _OUTDATED,
        **budget,
    )
