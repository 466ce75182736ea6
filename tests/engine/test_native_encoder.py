"""The native encoder called directly with anything: Python exceptions, never a crash.

`Engine` refuses wrong texts before this (test_engine.py), and kernels check nothing: this is the
wall between the two. After every refusal the encoder must still give the right answer.
"""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from native_calls import (
    ARGUMENTS,
    BIG,
    PATHS,
    REFUSALS,
    arguments,
    build,
    room,
    still_right,
    unaligned,
)


@pytest.fixture(scope="module", params=PATHS, ids="-".join)
def encoder(request):
    return build(*request.param)


def with_element(name, place, value):
    changed = arguments()
    changed[name][place] = value
    return changed


BAD_CALLS = {
    "an id too large": (with_element("ids", 3, 97), "ids holds 97; allowed are 0 to 96"),
    "an id far too large": (with_element("ids", 3, BIG), "ids holds 2147483647"),
    "a negative id": (with_element("ids", 0, -1), "ids holds -1"),
    "a position too large": (with_element("positions", 2, 40), "positions holds 40"),
    "a negative position": (with_element("positions", 2, -BIG), "positions holds -2147483647"),
    "a segment too large": (with_element("types", 2, 2), "types holds 2"),
    "a neighbour too large": (with_element("following", 2, 97), "following holds 97"),
    "a neighbour below none": (with_element("previous", 2, -2), "previous holds -2"),
    "a row too large": (with_element("wanted_rows", 0, 24), "wanted_rows holds 24"),
    "a negative row": (with_element("wanted_rows", 0, -1), "wanted_rows holds -1"),
    "starts that do not begin": (with_element("starts", 0, 1), "starts must rise from 0"),
    "starts that do not end": (with_element("starts", 3, 23), "starts must rise from 0"),
    "starts beyond the end": (with_element("starts", 3, BIG), "starts must rise from 0"),
    "starts that fall": (with_element("starts", 1, 20), "starts must rise from 0"),
    "starts below 0": (with_element("starts", 1, -5), "starts must rise from 0"),
    "a text without tokens": (with_element("starts", 1, 6), "A text has no tokens"),
    "no starts": (arguments() | {"starts": np.zeros(0, np.int32)}, "starts must rise"),
    "no tokens for a text": (
        {name: np.zeros(2 * (name == "starts"), np.int32) for name in ARGUMENTS},
        "A text has no tokens",
    ),
    "fewer positions": (
        arguments() | {"positions": np.zeros(23, np.int32)},
        "positions has 23 numbers, not 24",
    ),
    "more segments": (arguments() | {"types": np.zeros(25, np.int32)}, "types has 25 numbers"),
    "unaligned ids": (arguments() | {"ids": unaligned(arguments()["ids"])}, "ids is not aligned"),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_a_call_that_reaches_outside_is_refused(case, encoder):
    given_arrays, message = BAD_CALLS[case]
    with pytest.raises(ValueError, match=message):
        encoder.native.run(**given_arrays, results=room(encoder.program))
    assert still_right(encoder)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arrays_of_another_kind_are_refused(name, encoder):
    right = arguments()[name]
    wrong = {
        "64 bits": right.astype(np.int64),
        "no sign": right.astype(np.uint32),
        "fractions": right.astype(np.float32),
        "two axes": right[None],
        "every other number": np.repeat(right, 2)[::2],
        "other bytes": right.astype(">i4"),
        "a list": right.tolist(),
        "nothing": None,
    }
    for kind, value in wrong.items():
        with pytest.raises(TypeError):
            encoder.native.run(**arguments() | {name: value}, results=room(encoder.program))
        assert still_right(encoder), kind


@pytest.mark.parametrize("name", ["stream", "states", "pooled", "vocabulary", "projection"])
def test_room_that_does_not_fit_is_refused(name, encoder):
    right = room(encoder.program)[name]
    locked = right.copy()
    locked.flags.writeable = False
    wrong = {
        "too small": right[..., :-1].copy(),
        "too large": np.concatenate([right, right]),
        "64 bits": right.astype(np.float64),
        "half": right.astype(np.float16),
        "integers": right.view(np.int32),
        "columns first": np.asfortranarray(right),
        "every other number": np.repeat(right, 2, axis=-1)[..., ::2],
        "read-only": locked,
        "unaligned": unaligned(right),
        "nothing": None,
        "a list": right.tolist(),
    }
    for kind, value in wrong.items():
        results = room(encoder.program) | {name: value}
        with pytest.raises(ValueError, match=name):
            encoder.native.run(**arguments(), results=results)
        assert np.isnan(locked).all(), kind
        assert still_right(encoder), kind


def test_results_that_are_not_asked_for_are_not_needed(encoder):
    for name in encoder.right:
        asked = room(encoder.program)
        del asked[name]
        if name == "vocabulary":
            with pytest.raises(ValueError, match="no room for the vocabulary"):
                encoder.native.run(**arguments(), results=asked)
        else:
            encoder.native.run(**arguments(), results=asked)
            assert all((asked[other] == encoder.right[other]).all() for other in asked)
    nothing = arguments() | {"wanted_rows": np.zeros(0, np.int32)}
    encoder.native.run(**nothing, results={})
    none = {name: np.zeros(int(name == "starts"), np.int32) for name in ARGUMENTS}
    encoder.native.run(**none, results={})


numbers = st.sampled_from([-BIG - 1, -2, -1, 0, 1, 3, 5, 6, 23, 24, 39, 40, 96, 97, BIG])
changes = st.lists(
    st.tuples(st.sampled_from(ARGUMENTS), st.integers(0, 23), numbers), min_size=1, max_size=4
)
lengths = st.dictionaries(st.sampled_from(ARGUMENTS), st.integers(0, 40), max_size=2)


@settings(max_examples=150)
@given(changes=changes, lengths=lengths)
def test_any_call_is_refused_or_runs(changes, lengths):
    for path in PATHS:
        encoder = build(*path)
        changed = arguments()
        for name, length in lengths.items():
            changed[name] = np.resize(changed[name], length)
        for name, place, value in changes:
            if len(changed[name]):
                changed[name][place % len(changed[name])] = value
        # Whatever the arguments are, results have the room that they need.
        tokens, starts, wanted = (len(changed[name]) for name in ("ids", "starts", "wanted_rows"))
        results = room(encoder.program, tokens, max(starts - 1, 0), wanted)
        with suppress(*REFUSALS):
            encoder.native.run(**changed, results=results)
        assert still_right(encoder)
