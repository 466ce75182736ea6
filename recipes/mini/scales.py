"""How the bundled model is trained, and how long: for two processor cores, or for a GPU."""

from dataclasses import dataclass, replace
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
        teacher: Preset or config.json of the teacher; None for a student that learns alone.
        teacher_steps: Of the teacher.
        transfer_steps: Of the student, layer by layer.
        distillation_steps: Of the student, with the teacher's words.
        normed_steps: Of the student with layer normalisation, whose weights it then begins with.
        word_steps: Of the student alone, with a falling rate.
        batch_size: Sequences of a step.
        learning_rate: Highest rate; behind a teacher the last steps have a quarter of it.
        precision: Of the arithmetic.
        checkpoint_every: Steps between states: minutes on that machine, never an hour.
        encoder_layer: Layer of a published encoder whose states are learned beside the words;
            None for words alone.
        state_factor: Weight of those states.
    """

    machine: str
    teacher: str | None = None
    teacher_steps: int = 0
    transfer_steps: int = 0
    distillation_steps: int = 0
    normed_steps: int = 0
    word_steps: int
    batch_size: int
    learning_rate: float
    precision: str = "bfloat16"
    checkpoint_every: int = 100
    encoder_layer: int | None = None
    state_factor: float = 1.0

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
# 150 MFLOP, the small one 50, the student 29, the published encoder's forward pass 21; in
# distillation the student and a third of its teacher.
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
    # 390 million tokens, 1.8e16 FLOP. With 300 steps of 64 the states brought little: 24.0 % of
    # 5,000 masked words instead of 23.5 %, which may be chance, in 1.7 times the time; layer 4 with
    # a weight of 8 took some away (22.3 %).
    "guided": Scale(
        machine="two processor cores, nine to ten hours, and a published encoder",
        word_steps=24_000,
        batch_size=128,
        learning_rate=2e-3,
        encoder_layer=6,
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
