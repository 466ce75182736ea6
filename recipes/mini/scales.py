"""How long the bundled model is trained: on two processor cores, or on a GPU."""

from dataclasses import dataclass, fields, replace

__all__ = ["SCALES", "Scale"]

# A step for each layer of the student, of which there are six, and some more.
_LEAST = 8


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Lengths of the training.

    Attributes:
        machine: What it is meant for.
        teacher_steps: Of the teacher.
        transfer_steps: Of the student with layer normalisation, layer by layer.
        normed_steps: Of the same, with the teacher's words.
        student_steps: Of the student itself, with NoNorm.
        long_teacher_steps: Of the teacher, with texts up to the model's length.
        long_steps: Of the student, with such texts.
        batch_size: Sequences of a step.
        long_batch_size: The same of such texts.
        teacher_rate: Highest rate of the teacher, which knows much before.
        long_teacher_rate: The same with such texts.
        learning_rate: Highest rate of the student.
        precision: Of the arithmetic.
        checkpoint_every: Steps between states: minutes on that machine, never an hour.
    """

    machine: str
    teacher_steps: int
    transfer_steps: int
    normed_steps: int
    student_steps: int
    long_teacher_steps: int
    long_steps: int
    batch_size: int
    long_batch_size: int
    teacher_rate: float = 5e-4
    long_teacher_rate: float = 2e-4
    learning_rate: float
    precision: str = "bfloat16"
    checkpoint_every: int

    def shortened(self, share: float) -> "Scale":
        """Return the same with a share of the steps, to try everything out.

        Args:
            share: Of the steps; of the transfer there are as many as layers at least.
        """
        names = [field.name for field in fields(self) if field.name.endswith("_steps")]
        fewer = {name: max(_LEAST, round(share * getattr(self, name))) for name in names}
        return replace(self, **fewer)


# The corpus has 0.7 million sequences. Work of a token, backward pass included: the teacher 80
# MFLOP, the student 29; in distillation the student and a third of its teacher.
SCALES: dict[str, Scale] = {
    # 45 million tokens for the teacher, 80 for the student, 17 of them with longer texts.
    # all-MiniLM-L6-v2 itself, all its weights learning with a rate of 5e-4, found 32.6 % of the
    # masked words after 400 steps; a student alone found as many after 7,000. Of 500 steps the
    # student with layer normalisation found 27.7 % alone, and 27.6 % 150 steps after it got NoNorm;
    # with NoNorm all the time 25.6 %. Layer by layer brought nothing at small scale
    # (docs/ordering.md), and costs little.
    "cores": Scale(
        machine="two processor cores, five and a half hours",
        teacher_steps=5_200,
        transfer_steps=600,
        normed_steps=5_700,
        student_steps=1_900,
        long_teacher_steps=400,
        long_steps=2_800,
        batch_size=64,
        long_batch_size=32,
        learning_rate=1.5e-3,
        checkpoint_every=100,
    ),
    # 2 billion tokens for the teacher and as many for the student, 3e17 FLOP. Never run.
    "gpu": Scale(
        machine="one GPU, some hours",
        teacher_steps=60_000,
        transfer_steps=6_000,
        normed_steps=48_000,
        student_steps=8_000,
        long_teacher_steps=6_000,
        long_steps=10_000,
        batch_size=256,
        long_batch_size=128,
        learning_rate=1e-3,
        checkpoint_every=500,
    ),
}
