"""Entities of tags, by hand and by what must hold for all."""

import pytest
from hypothesis import given, strategies as st

from mobilebert.metrics import entities_of_tags, score_entities

TYPES = ("PER", "LOC")
TAGS = st.sampled_from(["O", *(f"{prefix}-{kind}" for prefix in "BIES" for kind in TYPES)])


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ("O O", []),
        ("B-PER I-PER O", [("PER", 0, 2)]),
        ("B-PER B-PER", [("PER", 0, 1), ("PER", 1, 2)]),
        ("I-PER I-PER O I-LOC", [("PER", 0, 2), ("LOC", 3, 4)]),
        ("B-PER I-LOC", [("PER", 0, 1), ("LOC", 1, 2)]),
        ("B-PER E-PER E-PER", [("PER", 0, 2), ("PER", 2, 3)]),
        ("S-PER I-PER", [("PER", 0, 1), ("PER", 1, 2)]),
        ("PER PER O LOC", [("PER", 0, 2), ("LOC", 3, 4)]),
        ("B-per-son I-per-son", [("per-son", 0, 2)]),
        ("B-PER I-PER L-PER L-PER U-LOC", [("PER", 0, 3), ("PER", 3, 4), ("LOC", 4, 5)]),
        ("B I O B B", [("_", 0, 2), ("_", 3, 4), ("_", 4, 5)]),
        ("B M E S U", [("_", 0, 3), ("_", 3, 4), ("_", 4, 5)]),
        ("B- I- O I", [("_", 0, 2), ("_", 3, 4)]),
    ],
)
def test_by_hand(tags, wanted):
    assert entities_of_tags(tags.split()) == wanted


@given(st.lists(TAGS, max_size=20))
def test_every_tagged_token_is_in_one_entity(tags):
    covered = [place for _, first, end in entities_of_tags(tags) for place in range(first, end)]
    assert covered == [place for place, tag in enumerate(tags) if tag != "O"]


@given(st.lists(st.lists(TAGS, max_size=8), min_size=1, max_size=5))
def test_what_is_equal_is_right(sentences):
    counts = score_entities(sentences, sentences)[""]
    assert counts.right == counts.predicted == counts.support


def test_entities_without_a_type_are_not_counted_with_all():
    counts = score_entities([["B-", "I-", "O"]], [["B-", "I-", "B-"]])
    assert list(counts) == ["", "_"]
    assert (counts[""].right[0], counts["_"].right[0], counts["_"].support[0]) == (1, 1, 2)


def test_parts_of_speech_of_one_letter_are_types():
    wanted = [["N", "V", "S", "L", "E", "M"], ["S", "U", "E", "N"]]
    scores = score_entities([["N", "V", "S", "L", "E", "M"], ["S", "U", "U", "N"]], wanted)
    assert list(scores) == ["", "E", "L", "M", "N", "S", "U", "V"]
    assert scores["S"].f1[0] == scores["M"].f1[0] == 1
    assert scores["E"].recall[0] == 0.5
    # A model's tags count as well.
    assert "_" not in score_entities([["N", "O", "V"]], [["S", "O", "L"]])
    assert list(score_entities([["B", "I", "O"]], [["B", "I", "O"]])) == ["", "_"]


def test_span_and_type_count():
    wanted = [["B-PER", "I-PER", "O", "B-LOC"]]
    scores = score_entities([["B-PER", "O", "O", "B-LOC"]], wanted)
    assert {name: counts.f1[0] for name, counts in scores.items()} == {"": 0.5, "LOC": 1, "PER": 0}
    scores = score_entities([["B-PER", "I-PER", "O", "B-PER"]], wanted)
    assert scores[""].f1[0] == 0.5
    assert scores["PER"].precision[0] == 0.5
    assert scores["LOC"].recall[0] == 0
