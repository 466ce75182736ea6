"""Pairs, blocks and segments, planned over texts whose ids are worked out by hand."""

import copy
from itertools import pairwise
from random import Random
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from mobilebert.corpora import text_ids
from mobilebert.corpora.blocks import JoinedUnit, join_unit, plan_blocks
from mobilebert.corpora.segments import SegmentedUnit, Vocabulary, segment_unit
from mobilebert.corpora.sequences import plan_pairs
from mobilebert.corpora.settings import PreparationSettings
from mobilebert.corpora.shards import NO_PAIR
from mobilebert.corpora.text_ids import TextIds
from mobilebert.corpora.units import Piece

SEP, STOP, CLOSE, PIECE = 3, 10, 11, 12


class Spelled:
    """Texts that are their ids, written out."""

    def of(self, texts):
        return iter([[int(word) for word in text.split()] for text in texts])


def flags(*ids):
    found = np.zeros(30, np.bool_)
    found[list(ids)] = True
    return found


VOCABULARY = Vocabulary(30, 2, SEP, flags(PIECE), flags(STOP), flags(CLOSE))


def segments(text, room):
    unit = segment_unit([Piece(0, [text])], Spelled(), VOCABULARY, room)
    return [unit.tokens[a:b].tolist() for a, b in pairwise(unit.bounds)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20 21 22 23", [[20, 21, 22, 23]]),  # fits a quarter of 16
        ("20 21 22 23 24", [[20, 21, 22, 23], [24]]),  # between words
        ("20 21 10 23 24", [[20, 21, 10], [23, 24]]),  # behind a sentence
        ("20 10 22 23 24", [[20, 10, 22, 23], [24]]),  # not behind one that is very short
        ("20 21 10 11 24", [[20, 21, 10, 11], [24]]),  # what closes stays with it
        ("20 21 22 23 12 25", [[20, 21, 22], [23, 12, 25]]),  # words stay whole
        ("20 12 12 12 12 25", [[20, 12, 12, 12], [12, 25]]),  # unless they are too long
    ],
)
def test_long_paragraphs_are_cut(text, expected):
    assert segments(text, room=16) == expected


TEXT = st.lists(st.integers(10, 29), max_size=60)


@given(st.lists(st.lists(TEXT, max_size=5), min_size=1, max_size=5), st.integers(4, 60))
def test_segments_are_all_of_the_text(documents, room):
    pieces = [
        Piece(n, [" ".join(map(str, ids)) for ids in paragraphs])
        for n, paragraphs in enumerate(documents)
    ]
    unit = segment_unit(pieces, Spelled(), VOCABULARY, room)
    full = [(n, doc) for n, doc in enumerate(documents) if any(doc)]
    assert unit.tokens.tolist() == [id_ for _, doc in full for ids in doc for id_ in ids]
    assert unit.sources == [n for n, _ in full]
    assert all(0 < b - a <= max(1, room // 4) for a, b in pairwise(unit.bounds))
    lengths = [unit.bounds[b] - unit.bounds[a] for a, b in pairwise(unit.documents)]
    assert lengths == [sum(map(len, doc)) for _, doc in full]


def unit_of(*documents, sources=None):
    """Documents by the lengths of their segments; each token is its place."""
    bounds, firsts = [0], [0]
    for lengths in documents:
        bounds += (bounds[-1] + np.cumsum(lengths)).tolist()
        firsts.append(len(bounds) - 1)
    numbers = list(range(len(documents))) if sources is None else sources
    return SegmentedUnit(np.arange(bounds[-1]), bounds, firsts, numbers)


LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=40)


@given(st.lists(LENGTHS, min_size=1, max_size=6), st.integers(8, 80), st.integers(0, 999))
def test_what_every_pair_is(documents, max_length, seed):
    unit = unit_of(*documents, sources=[0] * len(documents))
    chosen = PreparationSettings(max_length=max_length)
    last = -1
    for pair in plan_pairs(unit, chosen, Random(seed)):
        first, second = pair.first_end - pair.first_start, pair.second_end - pair.second_start
        assert first > 0
        assert second > 0
        assert first + second <= chosen.room
        ends = np.cumsum([sum(doc) for doc in documents])
        at = np.searchsorted(ends, [pair.first_start, pair.second_start], side="right")
        inside = np.searchsorted(ends, [pair.first_end - 1, pair.second_end - 1], side="right")
        assert at.tolist() == inside.tolist()  # no segment crosses the end of a document
        if pair.follows:
            assert at[0] == at[1]
            assert pair.second_start >= pair.first_end
        elif len(documents) > 1:
            assert at[0] != at[1]
        assert pair.first_start > last
        last = pair.first_start


def test_all_of_the_text_is_read_but_what_is_cut_off():
    """Without truncation each token is in a first segment, or in a second that follows."""
    unit = unit_of(*[[10] * 40] * 20, sources=[0] * 20)
    chosen = PreparationSettings(max_length=63, short_sequences=0)
    seen = np.zeros(len(unit.tokens), int)
    pairs = list(plan_pairs(unit, chosen, Random(1)))
    for pair in pairs:
        seen[pair.first_start : pair.first_end] += 1
        if pair.follows:
            seen[pair.second_start : pair.second_end] += 1
    assert seen.max() == 1
    # What is lost are halves of single segments at the end of a document, if anything.
    assert (seen == 0).sum() <= 20 * 5
    # 266 or more pairs: four standard errors are 4 * sqrt(0.25 / 266) = 0.123.
    assert abs(np.mean([pair.follows for pair in pairs]) - 0.5) < 0.123


def test_pairs_that_follow_are_not_told_by_their_length():
    """Documents that fill no sequence: the random pair is as long as the true one."""
    unit = unit_of(*[[10, 10, 10, 10]] * 3000, sources=[0] * 3000)
    pairs = list(plan_pairs(unit, PreparationSettings(), Random(1)))
    lengths = {
        follows: np.mean(
            [
                p.first_end - p.first_start + p.second_end - p.second_start
                for p in pairs
                if p.follows == follows and p.first_start % 40 == 0
            ]
        )
        for follows in (0, 1)
    }
    assert abs(lengths[0] - lengths[1]) < 6


def test_random_segments_are_of_the_same_source_if_it_has_another_document():
    unit = unit_of(*[[8] * 20] * 6, sources=[0, 0, 0, 1, 1, 2])
    chosen = PreparationSettings(max_length=32)
    found = {source: set() for source in (0, 1, 2)}
    for seed in range(20):
        for pair in plan_pairs(unit, chosen, Random(seed)):
            if not pair.follows:
                document = pair.second_start // 160
                found[pair.source].add(unit.sources[document])
                assert document != pair.first_start // 160
    assert found == {0: {0}, 1: {1}, 2: {0, 1}}


def test_what_goes_on_at_the_border_of_a_halved_document_is_no_random_segment():
    unit = unit_of([10] * 8, sources=[0])
    chosen = PreparationSettings(max_length=103, short_sequences=0)  # nothing is cut off
    pairs = [pair for seed in range(200) for pair in plan_pairs(unit, chosen, Random(seed))]
    random = {p.second_start for p in pairs if not p.follows and p.first_start < 40}
    assert random == {50, 60, 70}


@given(st.lists(LENGTHS, min_size=1, max_size=3), st.integers(8, 80), st.integers(0, 999))
def test_a_random_segment_never_follows_directly(documents, max_length, seed):
    """Nor where documents are parts of one, as those before and behind what is held out."""
    unit = unit_of(*documents, sources=[0] * len(documents))
    for pair in plan_pairs(unit, PreparationSettings(max_length=max_length), Random(seed)):
        assert pair.follows or pair.second_start != pair.first_end


def test_a_share_of_sequences_is_short():
    unit = unit_of(*[[5] * 4000] * 2, sources=[0, 0])
    for share, short in ((0, 0), (1, 1)):
        chosen = PreparationSettings(max_length=128, short_sequences=share)
        pairs = [p for p in plan_pairs(unit, chosen, Random(0)) if p.follows]
        totals = [p.second_end - p.first_start for p in pairs]
        assert (np.mean(np.array(totals) < 120) > 0.8) == short


def test_short_sequences_may_have_a_length_of_their_own():
    unit = unit_of(*[[5] * 4000] * 2, sources=[0, 0])
    chosen = PreparationSettings(max_length=128, short_sequences=0.8, short_length=63)
    lengths = {0: [], 1: []}
    for pair in plan_pairs(unit, chosen, Random(0)):
        lengths[pair.follows].append(pair.second_end - pair.second_start)
        lengths[pair.follows][-1] += pair.first_end - pair.first_start
    for found in lengths.values():
        others = [length for length in found if length not in (60, 125)]
        assert len(others) <= 1  # at the end of a document
        assert abs(np.mean(np.array(found) <= 60) - 0.8) < 0.1


def test_no_pair_that_follows_is_told_by_equal_parts():
    """However short a sequence is to be, it is parted between segments where there are some."""
    unit = unit_of(*[[30] * 40] * 20, sources=[0] * 20)
    chosen = PreparationSettings(max_length=128, short_sequences=1)
    pairs = list(plan_pairs(unit, chosen, Random(0)))
    whole = [p for p in pairs if p.follows and p.second_end - p.first_start < chosen.room]
    assert len(whole) > 100
    inside = [p for p in whole if p.first_end % 30]
    # One segment may be left at the end of a document.
    assert all(pair.second_end % 1200 == 0 for pair in inside)
    single = unit_of(*[[31]] * 2000, sources=[0] * 2000)
    parts = [p for p in plan_pairs(single, chosen, Random(0)) if p.follows]
    equal = [p for p in parts if abs((p.first_end - p.first_start) * 2 - 31) <= 1]
    # Two places in thirty.
    assert abs(len(equal) / len(parts) - 2 / 30) < 0.04


def test_the_same_numbers_plan_the_same():
    unit = unit_of([7] * 90, [9] * 70, sources=[0, 0])
    one, same, other = (
        list(plan_pairs(unit, PreparationSettings(), Random(seed))) for seed in ("a", "a", "b")
    )
    assert one == same
    assert one != other


def blocks_of(unit, room, later=False, seed=0, **settings):
    chosen = PreparationSettings(
        max_length=room + 2, next_sentence=False, **{"short_sequences": 0, **settings}
    )
    planned = plan_blocks(unit, chosen, Random(seed), separator=SEP, later=later)
    return [(unit.tokens[p.first_start : p.first_end].tolist(), p.source) for p in planned]


def test_blocks_are_full_and_go_on_from_document_to_document():
    pieces = [
        Piece(0, ["20 21 22", "23 24"]),
        Piece(0, ["25 26"]),
        Piece(0, [""]),
        Piece(1, ["27 28"]),
    ]
    unit = join_unit(pieces, Spelled(), VOCABULARY)
    assert unit.tokens.tolist() == [20, 21, 22, 23, 24, SEP, 25, 26, 27, 28]
    assert list(unit.runs) == [(0, 8, 0), (8, 10, 1)]
    blocks = blocks_of(unit, 6)
    # [SEP] at the end of the first block is left out.
    assert blocks == [([20, 21, 22, 23, 24], 0), ([25, 26], 0), ([27, 28], 1)]


@given(st.lists(TEXT, min_size=1, max_size=6), st.integers(6, 40), st.booleans())
def test_blocks_hold_all_of_the_text(documents, room, later):
    pieces = [Piece(0, [" ".join(map(str, ids))]) for ids in documents]
    unit = join_unit(pieces, Spelled(), VOCABULARY)
    blocks = [ids for ids, _ in blocks_of(unit, room, later)]
    said = [id_ for block in blocks for id_ in block if id_ != SEP]
    assert said == [id_ for ids in documents for id_ in ids]
    assert all(len(block) <= room for block in blocks)
    assert all(len(block) >= room - 2 for block in blocks[later:-1])


def test_later_passes_cut_blocks_at_other_places():
    unit = JoinedUnit(np.arange(10, 300), [(0, 290, 0)])
    first, later = blocks_of(unit, 30), blocks_of(unit, 30, later=True, seed=3)
    assert len(first[0][0]) == 30
    assert len(later[0][0]) < 30


def test_single_segments_say_so():
    unit = JoinedUnit(np.arange(10, 30), [(0, 20, 0)])
    chosen = PreparationSettings(next_sentence=False)
    (block,) = plan_blocks(unit, chosen, Random(5), separator=SEP, later=False)
    assert block.follows == NO_PAIR
    assert block.second_start == block.second_end


WORDS = st.sampled_from(
    [
        *("word", "Word,", "naïve", "[SEP]", "東京", "##ing", "...", "aaaa" * 30, "İI", "ΑΣ"),
        *("a\u0301b", "\u0301", "tab\tbed", "x\u00a0y", "\x1c", "a\x1cb"),
        *("\u3000", "\u200d", "\u2028"),
    ]
)


@settings(deadline=None)  # the first call of a tokenizer takes its time
@given(st.lists(st.lists(WORDS | st.text(max_size=6), max_size=12), min_size=1, max_size=6))
def test_words_looked_up_once_have_the_ids_of_the_whole_text(tokenizer, texts):
    lines = [" ".join(words).encode("utf-8", "ignore").decode() for words in texts]
    whole = tokenizer(lines, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert list(TextIds(tokenizer).of(lines)) == whole


class Counting:
    """A tokenizer that remembers how much it was asked at once, and gives a text its length."""

    added_tokens_decoder: ClassVar = {}
    init_kwargs: ClassVar = {}

    def __init__(self):
        self.asked = []

    def __call__(self, texts, **options):
        self.asked.append(texts)
        return {"input_ids": [[len(text)] for text in texts]}


def test_long_words_are_asked_for_and_not_remembered(monkeypatch):
    """A paragraph without blanks is a word."""
    monkeypatch.setattr(text_ids, "_BATCH_CHARACTERS", 1000)
    long = ["東" * (100 + n) for n in range(40)]
    texts = [text for word in long for text in (word, f"short {word} {'x' * 64}")]
    tokenizer = Counting()
    ids = TextIds(tokenizer)
    assert list(ids.of(texts)) == [[len(word) for word in text.split(" ")] for text in texts]
    assert all(len(word) <= 64 for word in ids._known)
    assert ids._known.keys() == {"", "short", "x" * 64}
    assert max(sum(map(len, asked)) for asked in tokenizer.asked) <= 1200
    asked = [word for some in tokenizer.asked for word in some]
    assert asked.count("short") == asked.count("x" * 64) == 1


def test_any_number_of_texts_is_asked_for_in_order(monkeypatch):
    monkeypatch.setattr(text_ids, "_BATCH", 3)
    for count in range(8):
        texts = [str(10**n) for n in range(count)]
        assert list(TextIds(Counting()).of(texts)) == [[n + 1] for n in range(count)]


def test_tokens_that_are_found_in_unsplit_text_are_found(tokenizer):
    own = copy.deepcopy(tokenizer)
    own.add_tokens(["new york"])
    (ids,) = TextIds(own).of(["in New York"])
    assert own.convert_ids_to_tokens(ids) == ["in", "new york"]
