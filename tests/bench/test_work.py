"""Works, lengths and the ways to do them."""

import numpy as np
import pytest

from mobilebert.bench.lengths import LENGTHS, mixed_lengths
from mobilebert.bench.runners import RUNNERS, Cost, Runner, chosen_runners
from mobilebert.bench.ways import Way, over_batches, padded_batches, ways_of
from mobilebert.bench.work import SUITES, Caches, Kind, Work, suite, useful_flop
from mobilebert.config import MobileBertConfig
from mobilebert.errors import InputError


@pytest.mark.parametrize(
    ("length", "multiply_adds"), [(16, 325_582_848), (128, 2_692_743_168), (384, 8_682_209_280)]
)
def test_flop_are_those_of_the_published_formula(length, multiply_adds):
    """S * (20,250,624 + 6,144 * S) multiply-adds; the paper says 5.7 billion operations at 128."""
    assert multiply_adds == length * (20_250_624 + 6_144 * length)
    assert useful_flop(MobileBertConfig(), [length]) == 2 * multiply_adds
    assert useful_flop(MobileBertConfig(), [length] * 3) == 6 * multiply_adds


@pytest.mark.parametrize("name", LENGTHS)
def test_drawn_lengths_follow_the_distribution(name):
    drawn = mixed_lengths(name, 64)
    assert drawn == mixed_lengths(name, 64)
    assert len(drawn) == 64
    assert min(drawn) >= LENGTHS[name][0]
    assert max(drawn) <= LENGTHS[name][-1]
    # The quantile function rises by at most this between neighbours of a 20-part table.
    widest = int(np.diff(LENGTHS[name]).max())
    for share in (0.25, 0.5, 0.75):
        assert abs(np.quantile(drawn, share) - LENGTHS[name][round(20 * share)]) <= widest
    assert list(drawn) != sorted(drawn)


def test_unknown_lengths_are_refused():
    with pytest.raises(InputError, match="squad, sst2, not of 'wiki'"):
        mixed_lengths("wiki", 3)


def test_every_suite_has_different_names():
    for works in SUITES.values():
        names = [work.name for work in works]
        assert len(set(names)) == len(names)


def test_the_grid_has_what_is_promised():
    works = SUITES["grid"]
    shapes = {(work.lengths[0], len(work.lengths)) for work in works if not work.mixed}
    assert {(length, batch) for length in (16, 128, 512) for batch in (1, 8, 32)} <= shapes
    assert {work.caches for work in works} == {Caches.WARM, Caches.COLD}
    assert {work.threads for work in works} == {None, 1}
    assert sum(work.mixed for work in works) == 2


def test_other_shapes_replace_a_suite():
    works = suite("figures", lengths=(16, 32), batches=(1, 4))
    assert [(len(work.lengths), work.lengths[0]) for work in works] == [
        *((1, 16), (1, 32), (4, 16), (4, 32))
    ]


def test_ways_of_one_text():
    assert ways_of(Work("", (16,)), 2) == (Way(2, 1, 1), Way(1, 1, 1))
    assert ways_of(Work("", (16,)), 1) == (Way(1, 1, 1),)


def test_ways_of_a_batch_have_streams_only_where_each_gets_a_batch():
    ways = ways_of(Work("", (128,) * 16), 2)
    assert ways[0] == Way(2, 1, 16)
    assert {way.batch_size for way in ways if way.streams == 2} == {8, 1}
    assert all(way.threads * way.streams <= 2 for way in ways)


def test_padding_peers_pad_and_the_others_do_not():
    work = Work("", mixed_lengths("sst2", 64))
    padding, apart = (Runner("x", "int8", None, apart=apart) for apart in (False, True))
    assert {way.padded for way in padding.ways(work, 2)} == {True}
    assert {way.padded for way in apart.ways(work, 2)} == {False}
    assert {way.batch_size for way in padding.ways(work, 2)} == {8, 16, 64}
    assert padding.takes_part(work)
    assert apart.takes_part(work)
    assert not apart.takes_part(Work("", (8,)))


def test_who_takes_part():
    own = Runner("engine", "int8", None, ours=True)
    peer = Runner("peer", "int8", None)
    assert not peer.takes_part(Work("", (8,), peers=False))
    assert own.takes_part(Work("", (8,), peers=False))
    assert not own.takes_part(Work("", (8,), dtypes=("float32",)))
    assert not own.takes_part(Work("", (8,), kind=Kind.PROCESS))


def test_compiling_peers_have_one_way():
    work = Work("", (128,) * 16)
    assert Runner("x", "int8", None, cost=Cost.COMPILATION).ways(work, 2) == (Way(2, 1, 16),)


def test_batches_are_sorted_and_their_outputs_put_back():
    rng = np.random.default_rng(0)
    texts = [rng.integers(1, 90, length) for length in (3, 7, 1, 5)]
    assert [batch.rows for batch in padded_batches(texts, 2)] == [(1, 3), (0, 2)]

    def forward(ids, mask):
        assert (ids[mask == 0] == 0).all()
        return np.repeat((ids * mask)[..., None], 2, axis=2)

    for way in (Way(1, 1, 2), Way(1, 2, 1), Way(1, 3, 3)):
        call = over_batches(forward, texts, way, np.asarray)
        for text, output in zip(texts, call.outputs(call.run()), strict=True):
            np.testing.assert_array_equal(output, np.stack([text, text], axis=1))


def test_runners_are_chosen_by_name():
    assert chosen_runners() == RUNNERS
    assert {runner.dtype for runner in chosen_runners(["INT8"])} == {"int8"}
    with pytest.raises(InputError, match="No runner is called 'tvm'"):
        chosen_runners(["tvm"])


def test_names_of_runners_differ():
    assert len({runner.name for runner in RUNNERS}) == len(RUNNERS)
