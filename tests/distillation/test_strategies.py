"""The published schedule step by step, against the formulas of the code written down anew."""

import math
from dataclasses import replace

import pytest

from mobilebert.distillation.backgrounds import DecayFromStart, PhaseBackground
from mobilebert.distillation.choices import TransferFactors
from mobilebert.distillation.stages import Slots, Stage
from mobilebert.distillation.strategies import (
    PROGRESSIVE_FORMS,
    auxiliary,
    joint,
    pretraining_stage,
    progressive,
    spread_steps,
    stages_of,
)
from mobilebert.errors import InputError
from mobilebert.training.schedules import Schedule, ScheduleShape

LAYERS, STEPS, PHASE = 24, 240_000, 10_000
# Every border of a phase and the steps beside it, and where the background turns.
WITHIN = (0, 1, 2, 500, 989, 990, 991, 1000, 5000, 7777, 9998, 9999)
SELECTED = [PHASE * phase + step for phase in range(LAYERS) for step in WITHIN]


def polynomial_decay(start, step, steps, end, power):
    """The function of TensorFlow's documentation, without cycles."""
    return (start - end) * (1 - min(step, steps) / steps) ** power + end


def piecewise_constant(x, boundaries, values):
    """The function of TensorFlow's documentation: a border belongs to what is before it."""
    return values[sum(x > boundary for boundary in boundaries)]


def codes_background(step, phase=PHASE):
    within = step % phase
    down = polynomial_decay(1.0, within, phase, end=0.9, power=0.5)
    up = polynomial_decay(0.0, within, phase, end=10.0, power=1.0)
    return min(down, up)


def codes_multiplier(step, layer):
    start = PHASE * layer
    gate = piecewise_constant(step, [start, start + PHASE], [0.0, 1.0, 0.1])
    return 3.0 * codes_background(step) * gate


def stage_at(stages, step):
    """Return the stage of a step of the whole run, and the step within it."""
    for stage in stages:
        if step < stage.steps:
            return stage, step
        step -= stage.steps
    raise AssertionError("the run is over")


@pytest.fixture(scope="module")
def published():
    return progressive(LAYERS, STEPS, 500_000)


def test_the_published_run_has_its_steps(published):
    assert [stage.steps for stage in published] == [PHASE] * LAYERS + [500_000]
    assert [stage.name for stage in published[:2]] == ["layer-00", "layer-01"]
    assert published[-1].name == "distillation"


def test_rates_of_layers_are_those_of_the_code(published):
    for step in SELECTED:
        stage, within = stage_at(published, step)
        for layer, rate in enumerate(stage.layer_rates):
            found = rate * stage.background(within)
            assert found == pytest.approx(codes_multiplier(step, layer), abs=1e-12), (step, layer)


def test_the_code_rests_at_every_border(published):
    for phase in range(LAYERS):
        stage, within = stage_at(published, PHASE * phase)
        assert within == 0
        assert stage.background(0) == codes_background(PHASE * phase) == 0
        # So that all running means are zeroed there.
        assert stage.rests_at_zero
        assert stage.slots is Slots.BEGIN_ANEW


def test_rates_by_hand(published):
    stage = published[5]
    assert stage.layer_rates[4:7] == (pytest.approx(0.3), 3.0, 0.0)
    assert (stage.embedding_rate, stage.head_rate, stage.dropout) == (0, 0, False)
    # 10 * 500 / 10000; 0.9 + 0.1 * sqrt(0.75).
    assert stage.background(500) == pytest.approx(0.5)
    assert stage.background(2500) == pytest.approx(0.9 + 0.1 * math.sqrt(0.75))
    assert stage.background(10_000) == pytest.approx(0.9)


def test_gates_and_depths(published):
    for number, stage in enumerate(published[:-1]):
        assert stage.transferred == (number,)
        assert stage.depth == number + 1
        assert stage.divisor == LAYERS
        assert stage.factors == TransferFactors()
        assert stage.needs_teacher
        assert not stage.needs_words
        for step in WITHIN[1:]:
            gates = [codes_multiplier(PHASE * number + step, layer) > 0.3 for layer in range(24)]
            wanted = codes_background(step) > 0.1
            assert not wanted or gates == [bool(gate) for gate in stage.gates]


def test_distillation_is_that_of_the_code(published):
    stage = published[-1]
    for step in (0, 1, 9_999, 10_000, 10_001, 250_000, 499_999):
        decayed = polynomial_decay(1.0, step, 500_000, end=1e-4, power=1.0)
        wanted = step / 10_000 if step < 10_000 else decayed
        assert stage.background(step) == pytest.approx(wanted, abs=1e-12), step
    assert set(stage.layer_rates) == {1.0}
    assert (stage.embedding_rate, stage.head_rate) == (1, 1)
    assert (stage.pretraining, stage.hard_share, stage.transferred) == (1, 0.5, ())
    assert not stage.dropout
    assert stage.depth == LAYERS
    assert stage.needs_words
    assert stage.slots is Slots.BEGIN_ANEW
    assert not stage.rests_at_zero


def test_a_phase_of_one_step():
    assert PhaseBackground(1)(0) == 1


@pytest.mark.parametrize(("form", "below"), [("frozen", 0.0), ("model-garden", 1.0)])
def test_layers_below_in_other_forms(form, below):
    stage = progressive(4, 40, 0, form=form)[2]
    rate = stage.layer_rates[2]
    assert stage.layer_rates == (below * rate, below * rate, rate, 0.0)


def test_the_form_of_model_garden():
    stages = progressive(4, 40, 10, form="model-garden")
    assert [stage.divisor for stage in stages[:-1]] == [1, 2, 3, 4]
    assert {stage.layer_rates[n] for n, stage in enumerate(stages[:-1])} == {1.0}
    assert all(stage.dropout for stage in stages)
    assert {stages[0].background(step) for step in range(10)} == {1.0}
    assert stages[0].embedding_rate == 1


def test_a_form_of_ones_own():
    form = PROGRESSIVE_FORMS["original"]
    own = type(form)(rate=2.0, below=0.5, slots=Slots.KEEP)
    assert progressive(2, 4, 0, form=own)[1].layer_rates == (1.0, 2.0)
    assert progressive(2, 4, 0, form=own)[1].slots is Slots.KEEP


def test_all_at_once():
    (stage,) = auxiliary(3, 100)
    assert stage.transferred == (0, 1, 2)
    assert (stage.divisor, stage.pretraining, stage.hard_share) == (3, 1, 0.5)
    assert (stage.embedding_rate, stage.layer_rates, stage.head_rate) == (1, (1, 1, 1), 1)
    assert stage.depth == 3
    assert isinstance(stage.background, DecayFromStart)


def test_all_layers_together():
    first, second = joint(3, 100, 200)
    assert (first.transferred, first.pretraining, first.divisor) == ((0, 1, 2), 0, 3)
    assert (first.embedding_rate, first.head_rate) == (0, 0)
    assert (second.transferred, second.pretraining, second.steps) == ((), 1, 200)
    assert len(joint(3, 100, 0)) == 1


@pytest.mark.parametrize("steps", [90, (20, 30, 40)])
def test_strategies_by_name_have_as_many_steps(steps):
    found = {name: stages_of(name, 3, steps, 200) for name in ("auxiliary", "joint", "progressive")}
    assert found["auxiliary"] == auxiliary(3, 290)
    assert found["joint"] == joint(3, 90, 200)
    assert found["progressive"] == progressive(3, steps, 200)
    assert {sum(stage.steps for stage in stages) for stages in found.values()} == {290}


@pytest.mark.parametrize("form", PROGRESSIVE_FORMS)
def test_words_without_a_teacher_behind_layers_have_dropout(form):
    assert progressive(3, 9, 9, form=form, hard_share=1.0)[-1].dropout


def test_pretraining_without_a_teacher():
    stage = pretraining_stage(3, 100, hard_share=1.0, name="pretraining")
    assert not stage.needs_teacher
    assert stage.dropout
    assert not pretraining_stage(3, 100).dropout


def test_steps_are_spread():
    assert spread_steps(11, 4) == (3, 3, 3, 2)
    assert spread_steps((5, 1, 2, 9), 4) == (5, 1, 2, 9)
    assert sum(spread_steps(240_007, 24)) == 240_007


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: spread_steps(3, 4), "3 steps are fewer than one for each of 4 layers"),
        (lambda: spread_steps((1, 2), 4), "are 1, 2; needed are 4 numbers"),
        (lambda: spread_steps((1, 0), 2), "are 1, 0; needed are 2 numbers"),
        (lambda: progressive(2, 4, 0, form="mine"), "no form 'mine'.* original, frozen, model-g"),
        (lambda: stages_of("all", 2, 4, 4), "no strategy 'all'.* auxiliary, joint, progressive"),
        (lambda: joint(2, -1, 0), "has -1 steps|steps is -1"),
        (lambda: pretraining_stage(2, 0), "0 steps|warm-up|at least 1"),
        (lambda: PhaseBackground(0), "steps is 0"),
        (lambda: DecayFromStart(5, 5), "warm-up of 5 steps does not fit into 5"),
        (lambda: DecayFromStart(5, 1, 2.0), "end_factor is 2.0"),
    ],
)
def test_what_is_refused(call, said):
    with pytest.raises(InputError, match=said):
        call()


NO_FACTORS = TransferFactors(feature_map=0.0, mean=0.0, variance=0.0, attention=0.0)
USUAL = {
    "name": "one",
    "steps": 2,
    "gates": (1.0, 0.0),
    "layer_rates": (1.0, 0.0),
    "background": Schedule(2, shape=ScheduleShape.CONSTANT),
}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"steps": 0}, "Stage one has 0 steps"),
        ({"gates": (1.0,)}, "1 gates and 2 rates"),
        ({"gates": (), "layer_rates": ()}, "0 gates and 0 rates"),
        ({"gates": (-1.0, 0.0)}, "gates is -1.0"),
        ({"layer_rates": (math.inf, 0.0)}, "layer_rates is inf"),
        ({"pretraining": math.nan}, "pretraining is nan"),
        ({"divisor": 0.0}, "divisor is 0.0"),
        ({"hard_share": 1.1}, "hard_share is 1.1"),
        ({"gates": (0.0, 0.0)}, "compares nothing"),
        ({"factors": NO_FACTORS}, "compares nothing"),
        ({"layer_rates": (0.0, 0.0)}, "nothing learns"),
    ],
)
def test_stages_that_are_none(fields, said):
    Stage(**USUAL)
    Stage(**USUAL, factors=replace(NO_FACTORS, variance=1.0))
    Stage(**USUAL, factors=NO_FACTORS, pretraining=1.0)
    with pytest.raises(InputError, match=said):
        Stage(**USUAL | fields)
