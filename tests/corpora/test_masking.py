"""Exactly as many masked words as the share says, and the drawing of fine-tuning as it was."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from mobilebert.corpora.masking import Drawing, Masking, mask_tokens

CLS, SEP, MASK, UNK = 2, 3, 4, 1
V = 60
# Ids from 40 on continue words.
RULES = {
    "mask_id": MASK,
    "drawable": np.arange(5, V),
    "special": np.arange(V) < 5,
    "continues": np.arange(V) >= 40,
}
IDS = st.lists(st.integers(0, V - 1), min_size=1, max_size=200).map(np.array)


def exact(**settings):
    return Masking(**RULES, drawing=Drawing.EXACT, **settings)


@pytest.mark.parametrize(
    ("ids", "share", "most", "count"),
    [
        ([CLS, *[7] * 125, SEP], 0.15, None, 19),  # 18.75
        ([CLS, *[7] * 60, SEP, *[8] * 65, SEP], 0.15, None, 19),
        ([CLS, *[7] * 125, SEP], 0.15, 12, 12),
        ([CLS, 7, 8, SEP], 0.15, None, 1),  # 0.3, one at least
        ([CLS, UNK, SEP], 0.15, None, 0),
        ([CLS, 7, UNK, 8, SEP], 0.9, None, 2),  # 1.8 of the two that can be masked
    ],
)
def test_counts_worked_out_by_hand(ids, share, most, count):
    rule = exact(share=share, max_masked=most)
    assert rule.count(np.array(ids)) == count
    assert len(mask_tokens(np.array(ids), rule, np.random.default_rng(0)).places) == count


@given(IDS, st.floats(0.01, 0.9), st.none() | st.integers(1, 30), st.integers(0, 99))
def test_the_count_is_known_before_drawing(ids, share, most, seed):
    rule = exact(share=share, max_masked=most)
    found = mask_tokens(ids, rule, np.random.default_rng(seed))
    assert len(found.places) == len(set(found.places.tolist())) == rule.count(ids)
    assert not rule.special[ids[found.places]].any()
    assert np.array_equal(found.wanted, ids[found.places])
    assert np.array_equal(found.places, np.sort(found.places))
    untouched = np.delete(np.arange(len(ids)), found.places)
    assert np.array_equal(found.ids[untouched], ids[untouched])


def words_of(ids):
    """Lists of places that belong together."""
    words = []
    for place, id_ in enumerate(ids.tolist()):
        if id_ < 5:
            words.append(None)
        elif id_ >= 40 and words and words[-1] is not None:
            words[-1].append(place)
        else:
            words.append([place])
    return [word for word in words if word is not None]


@given(IDS, st.floats(0.01, 0.9), st.none() | st.integers(1, 30), st.integers(0, 99))
def test_whole_words_are_never_more_than_the_count(ids, share, most, seed):
    rule = exact(share=share, max_masked=most, whole_words=True)
    places = mask_tokens(ids, rule, np.random.default_rng(seed)).places.tolist()
    count = rule.count(ids)
    words = words_of(ids)
    assert len(places) <= count
    assert bool(places) == bool(words)
    if any(len(word) <= count for word in words):
        chosen = [word for word in words if set(word) & set(places)]
        assert sorted(place for word in chosen for place in word) == places
        left = [len(word) for word in words if word not in chosen]
        assert all(length > count - len(places) for length in left)  # stopped only for want of room
    else:
        assert len(places) == count


def test_each_token_is_chosen_as_often_as_others():
    ids = np.array([CLS, *range(5, 25), SEP])
    rule = exact()
    drawn = np.zeros(len(ids))
    for seed in range(2000):
        drawn[mask_tokens(ids, rule, np.random.default_rng(seed)).places] += 1
    # 3 of 20; four standard errors of 2,000 draws: 4 * sqrt(0.15 * 0.85 / 2000) = 0.032.
    assert np.abs(drawn[1:-1] / 2000 - 0.15).max() < 0.032
    assert drawn[[0, -1]].tolist() == [0, 0]


def test_the_drawing_of_fine_tuning_is_as_it_was():
    """Recorded before the exact drawing was added."""
    ids = np.array([CLS, 5, 41, 6, 7, 42, 43, 8, SEP, 9, 10, 44, 11, SEP])
    recorded = {
        False: ([3, 4, 6, 10, 11, 12], [4, 4, 43, 4, 4, 11]),
        True: ([4, 5, 6, 7, 9], [4, 4, 43, 4, 4]),
    }
    for whole_words, (places, hidden) in recorded.items():
        rule = Masking(**RULES, share=0.4, whole_words=whole_words)
        found = mask_tokens(ids, rule, np.random.default_rng(7))
        assert found.places.tolist() == places
        assert found.ids[found.places].tolist() == hidden
