"""How the bundled model is trained, and how long: for two processor cores, or for a GPU."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

__all__ = ["SCALES", "Scale"]

HERE = Path(__file__).parent
# Layers of the student: a step for each.
_LEAST = 8


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Lengths and sizes of the training.

    Attributes:
        machine: What it is meant for.
        student: config.json of the student.
        teacher: Preset or config.json of the teacher; None for a student that learns alone, and
            where the teacher is a published encoder.
        is_transplanted: Whether it is one, inside (`transplant.py`).
        teacher_steps: Of the teacher.
        teacher_rate: Highest rate of the teacher; None for that of the student.
        transfer: Settings of the transfer that are not the usual ones.
        transfer_steps: Of the student, layer by layer.
        distillation_steps: Of the student, with the teacher's words.
        normed_steps: Of the student with layer normalisation, whose weights it then begins with.
        word_steps: Of the student alone, with a falling rate.
        batch_size: Sequences of a step.
        learning_rate: Highest rate; behind a teacher the last steps have a quarter of it.
        precision: Of the arithmetic.
        checkpoint_every: Steps between states: minutes on that machine, never an hour.
    """

    machine: str
    student: str = str(HERE / "student.json")
    teacher: str | None = None
    is_transplanted: bool = False
    teacher_steps: int = 0
    teacher_rate: float | None = None
    transfer: Mapping[str, float] = field(default_factory=dict)
    transfer_steps: int = 0
    distillation_steps: int = 0
    normed_steps: int = 0
    word_steps: int
    batch_size: int
    learning_rate: float
    precision: str = "bfloat16"
    checkpoint_every: int = 100

    @property
    def has_teacher(self) -> bool:
        """Whether a teacher is trained first."""
        return self.is_transplanted or self.teacher is not None

    def shortened(self, share: float) -> "Scale":
        """Return the same with a share of the steps, to try everything out.

        Args:
            share: Of the steps; of the transfer there are as many as layers at least.
        """
        names = ("teacher_steps", "transfer_steps", "distillation_steps")
        names += ("normed_steps", "word_steps")
        steps = {name: getattr(self, name) for name in names}
        fewer = {name: max(_LEAST, round(share * x)) for name, x in steps.items() if x}
        return replace(self, **fewer)


# The corpus has 0.6 million sequences. Work of a token, backward pass included: the preset teacher
# 150 MFLOP, the small one 50, the transplanted one 80, the student 29; in distillation the student
# and a third of its teacher.
SCALES: dict[str, Scale] = {
    # 111 million tokens, 3.2e15 FLOP. After 500 steps the student with layer normalisation found
    # 27.7 % of the masked words, and 27.6 % 150 steps after it got NoNorm; one that had NoNorm all
    # the time 25.6 %, and 34.0 % after 11,500 steps.
    "alone": Scale(
        machine="two processor cores, two hours",
        normed_steps=12_000,
        word_steps=1_500,
        batch_size=64,
        learning_rate=1.5e-3,
        checkpoint_every=200,
    ),
    # 43 million tokens for the teacher, 66 for the student. all-MiniLM-L6-v2 itself, all its
    # weights learning with a rate of 5e-4, found 32.6 % of the masked words after 400 steps; a
    # student alone found as many after 7,000.
    "transplanted": Scale(
        machine="two processor cores, four hours, and a published encoder",
        student=str(HERE / "transferred.json"),
        is_transplanted=True,
        teacher_steps=5_200,
        teacher_rate=5e-4,
        # Attentions are compared head by head, and the encoder has three times as many.
        transfer={"attention_factor": 0.0},
        # Layer by layer brought nothing at small scale (docs/ordering.md), and costs little.
        transfer_steps=900,
        distillation_steps=6_600,
        word_steps=600,
        batch_size=64,
        learning_rate=1.5e-3,
        checkpoint_every=100,
    ),
    # 100 million tokens for the teacher and 120 for the student, 1.5e16 FLOP.
    "small": Scale(
        machine="two processor cores, a day or two",
        teacher=str(HERE / "teacher.json"),
        teacher_steps=12_000,
        transfer_steps=2_400,
        distillation_steps=10_000,
        word_steps=2_400,
        batch_size=64,
        learning_rate=1e-3,
    ),
    # 2 billion tokens for the teacher and as many for the student, 4e17 FLOP.
    "full": Scale(
        machine="one GPU, some hours",
        teacher="ib-bert-mini",
        teacher_steps=60_000,
        transfer_steps=8_000,
        distillation_steps=48_000,
        word_steps=8_000,
        batch_size=256,
        learning_rate=1e-3,
        checkpoint_every=500,
    ),
}
