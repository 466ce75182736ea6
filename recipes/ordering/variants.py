"""What the ordering compares, and with which settings: one teacher, students of one budget."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))
from steps import options_of

__all__ = ["BUDGET", "VARIANTS", "Budget", "Variant"]

_MODELS = Path(__file__).parents[1] / "transfer"


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What all students have in common.

    Attributes:
        text: Files of the corpus.
        preparation: How they become sequences.
        vocab_size: Of the vocabulary, trained on the same text.
        teacher: Configuration of the teacher.
        student: Of the students.
        teacher_steps: Of the teacher.
        transfer_steps: Of a student with layers to be transferred, before the words.
        word_steps: Of the words behind it; without transfer, words have both.
        training: Of teacher and students.
        tuning_steps: On the task.
        tuning: Other settings there.
        task: The data set, in recipes/rows.py.
        revision: Of how students are trained; results of several are not compared. Since 2 every
            stage reads on in one stream, and masked words alone have no dropout, as all others.
    """

    text: tuple[str, ...] = ("openstax_ccby", "wiki_vital_summaries", "factbook")
    # So much is held out that an evaluation has 50,000 masked words.
    preparation: Mapping[str, Any] = field(
        default_factory=lambda: {"max_length": 64, "held_out": 0.08}
    )
    vocab_size: int = 8000
    teacher: Path = _MODELS / "teacher.json"
    student: Path = _MODELS / "student.json"
    teacher_steps: int = 5000
    # 240 : 500 in the published run.
    transfer_steps: int = 800
    word_steps: int = 1600
    training: Mapping[str, Any] = field(
        default_factory=lambda: {
            "batch_size": 32,
            "learning_rate": 2e-3,
            "warmup": 0.05,
            "evaluate_every": 600,
            "precision": "bfloat16",
        }
    )
    tuning_steps: int = 400
    tuning: Mapping[str, Any] = field(
        default_factory=lambda: {"batch_size": 32, "learning_rate": 5e-4}
    )
    task: str = "sst2"
    revision: int = 2

    @property
    def steps(self) -> int:
        """Of a student, in all."""
        return self.transfer_steps + self.word_steps


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A way to train a student.

    Attributes:
        title: What it is called in the table.
        strategy: Of `mobilebert distill`.
        settings: Where they are not the defaults.
    """

    title: str
    strategy: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def arguments(self, budget: Budget, places: Mapping[str, Path], seed: int) -> tuple[str, ...]:
        """Return the arguments of ``mobilebert``.

        Args:
            budget: What students have in common.
            places: Directories: "data", "teacher", "output".
            seed: Of the student.
        """
        common = {"data": places["data"], "output": places["output"], "seed": seed}
        common = {**common, **budget.training}
        words_alone = self.strategy == "distillation"
        own = {"teacher": places["teacher"], "student": budget.student, "strategy": self.strategy}
        steps = {"distillation_steps": budget.steps if words_alone else budget.word_steps}
        if not words_alone:
            steps["transfer_steps"] = budget.transfer_steps
        return ("distill", *options_of({**own, **steps, **common, **self.settings}))


BUDGET = Budget()

# From the least that a teacher gives to the most (paper, section 4.5); then the strategies. The
# progressive one is "fmt-at".
VARIANTS: dict[str, Variant] = {
    # Not by `mobilebert pretrain`, which has dropout and another decay of the rate.
    "words": Variant(
        title="masked words alone",
        strategy="distillation",
        settings={"hard_share": 1.0, "no_copies": True},
    ),
    "pd": Variant(
        title="+ the teacher's words (PD)",
        strategy="distillation",
        settings={"no_copies": True},
    ),
    # What all below have as well: so that a gain of theirs is one of the transfer.
    "pd-copies": Variant(
        title="+ its embeddings and heads, copied",
        strategy="distillation",
    ),
    "fmt": Variant(
        title="+ feature maps, layer by layer (FMT)",
        strategy="progressive",
        settings={"attention_factor": 0.0},
    ),
    "fmt-at": Variant(title="+ attentions (AT): progressive", strategy="progressive"),
    "joint": Variant(title="the same, joint", strategy="joint"),
    "auxiliary": Variant(title="the same, auxiliary", strategy="auxiliary"),
}
