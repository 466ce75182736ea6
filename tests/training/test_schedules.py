"""Schedules: points computed by hand."""

import pytest

from mobilebert.errors import InputError
from mobilebert.training.schedules import Schedule, ScheduleShape, warmup_steps


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ("linear", [0.5, 1.0, 1.0, 0.775, 0.55, 0.325, 0.1, 0.1]),
        ("cosine", [0.5, 1.0, 1.0, 0.868198, 0.55, 0.231802, 0.1, 0.1]),
        ("constant", [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_factors(shape, wanted):
    schedule = Schedule(steps=6, warmup=2, shape=shape, end_factor=0.1)
    assert [schedule(step) for step in range(8)] == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("shape", ScheduleShape)
def test_no_step_is_lost_and_none_rises_after_the_warmup(shape):
    schedule = Schedule(steps=40, warmup=4, shape=shape)
    factors = [schedule(step) for step in range(40)]
    assert min(factors) > 0
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert max(factors) == 1.0
    assert factors[4:] == sorted(factors[4:], reverse=True)


def test_without_warmup_the_first_step_has_the_whole_rate():
    assert Schedule(steps=1)(0) == 1.0
    assert Schedule(steps=10)(0) == 1.0
    assert Schedule(steps=10)(10) == pytest.approx(1e-4)


@pytest.mark.parametrize(
    ("warmup", "steps", "wanted"),
    [(0.1, 100, 10), (0.1, 5, 0), (0, 5, 0), (0.0, 5, 0), (3, 5, 3), (3.0, 5, 3), (0.99, 1, 0)],
)
def test_warmup_as_share_or_as_steps(warmup, steps, wanted):
    assert warmup_steps(warmup, steps) == wanted


@pytest.mark.parametrize("warmup", [-0.1, 1.5, 10, 11, float("nan"), float("inf")])
def test_impossible_warmups_are_refused(warmup):
    with pytest.raises(InputError, match="The warm-up is"):
        warmup_steps(warmup, 10)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"steps": 5, "warmup": 5}, "0 to 4"),
        ({"steps": 5, "warmup": -1}, "0 to 4"),
        ({"steps": 5, "end_factor": 1.5}, "end_factor is 1.5"),
        ({"steps": 5, "shape": "exponential"}, "choose one of linear, cosine, constant"),
    ],
)
def test_impossible_schedules_are_refused(options, named):
    with pytest.raises(InputError, match=named):
        Schedule(**options)
