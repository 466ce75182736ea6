"""Strategies of knowledge transfer as lists of stages.

Section 3.3 of the paper: auxiliary (all at once), joint (all layers, then pretraining
distillation), progressive (one layer after the other, then pretraining distillation).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mobilebert.distillation.backgrounds import Background, DecayFromStart, PhaseBackground
from mobilebert.distillation.choices import TransferFactors
from mobilebert.distillation.stages import Slots, Stage
from mobilebert.errors import InputError
from mobilebert.training.schedules import Schedule, ScheduleShape, warmup_steps

__all__ = [
    "PROGRESSIVE_FORMS",
    "Divisor",
    "ProgressiveForm",
    "StrategyName",
    "auxiliary",
    "joint",
    "pretraining_stage",
    "progressive",
    "spread_steps",
    "stages_of",
]

# The share of the published run's second part that is warm-up: 10,000 of 500,000 steps.
_WARMUP = 0.02


class StrategyName(StrEnum):
    """The strategies there are."""

    AUXILIARY = "auxiliary"
    JOINT = "joint"
    PROGRESSIVE = "progressive"


class Divisor(StrEnum):
    """What the loss of a progressive stage is divided by."""

    LAYERS = "layers"  # the number of layers
    STAGE = "stage"  # the number of layers that are run


def _constant(steps: int) -> Background:
    return Schedule(steps, shape=ScheduleShape.CONSTANT)


@dataclass(frozen=True, kw_only=True)
class ProgressiveForm:
    """How the stages of progressive transfer go.

    Attributes:
        rate: Factor on the rate of the layer whose turn it is.
        below: What part of that the layers below have; 0 freezes them.
        embedding_rate: Factor on the rate of the embeddings.
        background: Steps of a stage -> its background.
        divisor: What the loss is divided by.
        slots: What becomes of the optimizer's running means.
        rests_at_zero: Whether these begin again from 0 at steps of rate 0.
        dropout: Whether the student's dropout acts, in the distillation behind the stages too.
    """

    rate: float = 3.0
    below: float = 0.1
    embedding_rate: float = 0.0
    background: Callable[[int], Background] = PhaseBackground
    divisor: Divisor = Divisor.LAYERS
    slots: Slots = Slots.BEGIN_ANEW
    rests_at_zero: bool = True
    dropout: bool = False


_ORIGINAL = ProgressiveForm()

# The code that made the published checkpoint; the paper's words; TensorFlow Model Garden
# (official/projects/mobilebert/distillation.py), where each stage has an optimizer of its own.
PROGRESSIVE_FORMS: dict[str, ProgressiveForm] = {
    "original": _ORIGINAL,
    "frozen": replace(_ORIGINAL, below=0.0),
    "model-garden": ProgressiveForm(
        rate=1.0,
        below=1.0,
        embedding_rate=1.0,
        background=_constant,
        divisor=Divisor.STAGE,
        rests_at_zero=False,
        dropout=True,
    ),
}


def pretraining_stage(
    layers: int,
    steps: int,
    *,
    hard_share: float = 0.5,
    warmup: float = _WARMUP,
    dropout: bool | None = None,
    name: str = "distillation",
) -> Stage:
    """Return the stage that trains everything with masked words and next sentences.

    Args:
        layers: Of the student.
        steps: How many.
        hard_share: Weight of the right words (alpha); 1 for pretraining without a teacher.
        warmup: A share of the steps, or a number of them.
        dropout: Whether the student's acts; by default, as in the code, only without a teacher.
        name: Of the stage.

    Raises:
        InputError: A number outside its range.
    """
    return Stage(
        name=name,
        steps=steps,
        gates=(0.0,) * layers,
        layer_rates=(1.0,) * layers,
        embedding_rate=1.0,
        head_rate=1.0,
        background=DecayFromStart(steps, warmup_steps(warmup, steps)),
        pretraining=1.0,
        hard_share=hard_share,
        dropout=hard_share == 1 if dropout is None else dropout,
    )


def auxiliary(
    layers: int,
    steps: int,
    *,
    factors: TransferFactors | None = None,
    hard_share: float = 0.5,
    warmup: float = _WARMUP,
) -> tuple[Stage, ...]:
    """Return the one stage in which the transfer of all layers is added to the distillation.

    Args:
        layers: Of the student.
        steps: How many.
        factors: Of the transfer; the published ones by default.
        hard_share: Weight of the right words (alpha).
        warmup: A share of the steps, or a number of them.

    Raises:
        InputError: A number outside its range.
    """
    stage = pretraining_stage(
        layers, steps, hard_share=hard_share, warmup=warmup, dropout=False, name="auxiliary"
    )
    gates, factors = (1.0,) * layers, factors or TransferFactors()
    return (replace(stage, gates=gates, divisor=float(layers), factors=factors),)


def joint(
    layers: int,
    steps: int,
    distillation_steps: int,
    *,
    factors: TransferFactors | None = None,
    hard_share: float = 0.5,
    warmup: float = _WARMUP,
) -> tuple[Stage, ...]:
    """Return two stages: the transfer of all layers together, then distillation.

    The first stage trains the layers alone, with the background of one long phase.

    Args:
        layers: Of the student.
        steps: Of the transfer.
        distillation_steps: Of the distillation; 0 leaves it out.
        factors: Of the transfer; the published ones by default.
        hard_share: Weight of the right words (alpha).
        warmup: Of the distillation: a share of its steps, or a number of them.

    Raises:
        InputError: A number outside its range.
    """
    first = Stage(
        name="joint",
        steps=steps,
        gates=(1.0,) * layers,
        layer_rates=(1.0,) * layers,
        background=PhaseBackground(steps),
        divisor=float(layers),
        factors=factors or TransferFactors(),
    )
    return (first, *_afterwards(layers, distillation_steps, hard_share, warmup))


def progressive(
    layers: int,
    steps: int | Sequence[int],
    distillation_steps: int,
    *,
    form: ProgressiveForm | str = "original",
    factors: TransferFactors | None = None,
    hard_share: float = 0.5,
    warmup: float = _WARMUP,
) -> tuple[Stage, ...]:
    """Return a stage for each layer, from below, and distillation after them.

    In the original form a layer's rate is ``3 background(t) {0 before its stage, 1 in it, 0.1
    after}``. Running means begin anew in every stage: the background of a stage's first step is 0,
    and the code zeroes those of every layer whose rate is 0.

    Args:
        layers: Of the student.
        steps: Of all layers together, or of each; those that do not divide evenly go to the
            lowest layers, one more for each.
        distillation_steps: Of the distillation; 0 leaves it out.
        form: How the stages go: "original", "frozen", "model-garden", or one of your own.
        factors: Of the transfer; the published ones by default.
        hard_share: Weight of the right words (alpha).
        warmup: Of the distillation: a share of its steps, or a number of them.

    Raises:
        InputError: There is no such form, fewer steps than layers, or a number outside its range.
    """
    if isinstance(form, str):
        if form not in PROGRESSIVE_FORMS:
            raise InputError(
                f"There is no form {form!r} of progressive transfer; choose one of "
                f"{', '.join(PROGRESSIVE_FORMS)}."
            )
        form = PROGRESSIVE_FORMS[form]
    parts = spread_steps(steps, layers)
    stages = [
        _progressive_stage(number, parts, form, factors or TransferFactors())
        for number in range(layers)
    ]
    # Where the layers learn with dropout, the words do; elsewhere as `pretraining_stage` says.
    dropout = form.dropout or None
    return (*stages, *_afterwards(layers, distillation_steps, hard_share, warmup, dropout))


def stages_of(
    strategy: StrategyName | str,
    layers: int,
    steps: int | Sequence[int],
    distillation_steps: int,
    *,
    form: ProgressiveForm | str = "original",
    factors: TransferFactors | None = None,
    hard_share: float = 0.5,
    warmup: float = _WARMUP,
) -> tuple[Stage, ...]:
    """Return the stages of a strategy; all strategies have as many steps in all.

    Args:
        strategy: "auxiliary", "joint" or "progressive".
        layers: Of the student.
        steps: Of the transfer, in all or of each layer; auxiliary transfer goes on in the steps of
            the distillation as well.
        distillation_steps: Of the distillation.
        form: How progressive stages go; without meaning for others.
        factors: Of the transfer; the published ones by default.
        hard_share: Weight of the right words (alpha).
        warmup: Of the distillation: a share of its steps, or a number of them.

    Raises:
        InputError: There is no such strategy, or a number is outside its range.
    """
    if strategy not in set(StrategyName):
        raise InputError(
            f"There is no strategy {strategy!r}; choose one of {', '.join(StrategyName)}."
        )
    if strategy == StrategyName.PROGRESSIVE:
        return progressive(
            layers,
            steps,
            distillation_steps,
            form=form,
            factors=factors,
            hard_share=hard_share,
            warmup=warmup,
        )
    transfer = steps if isinstance(steps, int) else sum(spread_steps(steps, layers))
    if strategy == StrategyName.AUXILIARY:
        total = transfer + distillation_steps
        return auxiliary(layers, total, factors=factors, hard_share=hard_share, warmup=warmup)
    return joint(
        layers, transfer, distillation_steps, factors=factors, hard_share=hard_share, warmup=warmup
    )


def spread_steps(steps: int | Sequence[int], layers: int) -> tuple[int, ...]:
    """Give every layer its steps.

    Args:
        steps: In all, or of each.
        layers: How many layers there are.

    Raises:
        InputError: Fewer than one step for a layer, or another number of numbers than of layers.
    """
    if isinstance(steps, int):
        if steps < layers:
            raise InputError(
                f"{steps} steps are fewer than one for each of {layers} layers; give at least "
                f"{layers}."
            )
        whole, rest = divmod(steps, layers)
        return tuple(whole + (number < rest) for number in range(layers))
    if len(steps) != layers or min(steps) < 1:
        raise InputError(
            f"The steps of layers are {', '.join(map(str, steps))}; needed are {layers} numbers, "
            "one for each layer, of at least 1."
        )
    return tuple(steps)


def _progressive_stage(
    number: int, parts: tuple[int, ...], form: ProgressiveForm, factors: TransferFactors
) -> Stage:
    layers = range(len(parts))
    below = form.rate * form.below
    return Stage(
        name=f"layer-{number:02d}",
        steps=parts[number],
        gates=tuple(float(layer == number) for layer in layers),
        layer_rates=tuple(
            form.rate if layer == number else below * (layer < number) for layer in layers
        ),
        embedding_rate=form.embedding_rate,
        background=form.background(parts[number]),
        divisor=float(len(parts) if form.divisor is Divisor.LAYERS else number + 1),
        factors=factors,
        slots=form.slots,
        rests_at_zero=form.rests_at_zero,
        dropout=form.dropout,
    )


def _afterwards(
    layers: int, steps: int, hard_share: float, warmup: float, dropout: bool | None = None
) -> tuple[Stage, ...]:
    if steps == 0:
        return ()
    return (
        pretraining_stage(layers, steps, hard_share=hard_share, warmup=warmup, dropout=dropout),
    )
