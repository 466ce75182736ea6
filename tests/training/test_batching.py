import numpy as np
import pytest
from hypothesis import given, strategies as st

from mobilebert.training.batching import BatchPlan, micro_batches


def lengths(count, seed=0):
    return np.random.default_rng(seed).integers(1, 100, count)


@given(count=st.integers(1, 300), size=st.integers(1, 40), seed=st.integers(0, 5))
def test_an_epoch_has_each_example_once(count, size, seed):
    plan = BatchPlan(lengths(count), size, seed)
    for epoch in (0, 1):
        steps = range(epoch * plan.steps_per_epoch, (epoch + 1) * plan.steps_per_epoch)
        batches = [plan.batch(step) for step in steps]
        assert sorted(np.concatenate(batches)) == list(range(count))
        assert all(len(batch) <= size for batch in batches)


def test_batches_depend_on_seed_and_step_alone():
    first, again, other = (BatchPlan(lengths(200), 16, seed) for seed in (1, 1, 2))
    late = [again.batch(step) for step in reversed(range(30))][::-1]
    for step in range(30):
        np.testing.assert_array_equal(first.batch(step), late[step])
    assert any(not np.array_equal(first.batch(step), other.batch(step)) for step in range(30))
    assert not np.array_equal(first.batch(0), first.batch(first.steps_per_epoch))


def test_a_batch_is_drawn_whatever_the_lengths():
    drawn = lengths(3200)
    plan = BatchPlan(drawn, 16, 0)
    batches = [drawn[plan.batch(step)] for step in range(plan.steps_per_epoch)]
    means = np.array([batch.mean() for batch in batches])
    # Means of 16 drawn lengths; those of similar lengths would differ as lengths do.
    assert means.std() == pytest.approx(drawn.std() / 4, rel=0.2)
    assert all((np.diff(batch) <= 0).all() for batch in batches)  # for parts of a batch


def test_weights_decide_how_often_examples_are_drawn():
    weights = np.ones(1000)
    weights[:10] = 99.0
    plan = BatchPlan(lengths(1000), 50, 0, weights)
    drawn = np.concatenate([plan.batch(step) for step in range(plan.steps_per_epoch)])
    assert len(drawn) == 1000
    assert (drawn < 10).mean() == pytest.approx(0.5, abs=0.05)


@given(
    passes=st.lists(st.floats(0, 4), min_size=1, max_size=60).filter(lambda x: sum(x) >= 1),
    size=st.integers(1, 9),
    seed=st.integers(0, 5),
)
def test_an_epoch_has_an_example_as_often_as_its_passes(passes, size, seed):
    plan = BatchPlan(lengths(len(passes)), size, seed, passes=np.array(passes))
    first, second = (
        np.concatenate([plan.batch(step) for step in range(start, start + plan.steps_per_epoch)])
        for start in (0, plan.steps_per_epoch)
    )
    for drawn in (first, second):
        assert len(drawn) == plan.examples_per_epoch == round(sum(passes))
        often = np.bincount(drawn, minlength=len(passes))
        # The sum is rounded, and distances with it.
        exact = np.array(passes) * (len(drawn) / sum(passes))
        assert (np.abs(often - exact) < 1 + 1e-6).all()


def test_passes_are_kept_on_the_mean_and_examples_drawn_anew():
    passes = np.repeat([0.0, 0.5, 1.0, 3.0], 250)
    plan = BatchPlan(lengths(1000), 1, 0, passes=passes)
    epochs = [
        np.concatenate(
            [plan.batch(n * plan.steps_per_epoch + s) for s in range(plan.steps_per_epoch)]
        )
        for n in range(2)
    ]
    often = np.array([np.bincount(epoch, minlength=1000) for epoch in epochs])
    np.testing.assert_array_equal(often.reshape(2, 4, 250).sum(2), [[0, 125, 250, 750]] * 2)
    assert (often[:, 500:] == passes[500:]).all()
    assert (often[0] != often[1]).sum() > 50  # another half
    # What is read three times is not read three times in a row.
    assert (epochs[0][1:] == epochs[0][:-1]).mean() < 0.02


@given(count=st.integers(1, 50), tokens=st.integers(1, 300))
def test_parts_are_as_large_as_allowed(count, tokens):
    sizes = lengths(count)
    parts = list(micro_batches(np.arange(count), sizes, tokens))
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(count))
    for number, part in enumerate(parts):
        assert len(part) == 1 or sizes[part].sum() <= tokens
        if number:
            assert sizes[parts[number - 1]].sum() + sizes[part[0]] > tokens
