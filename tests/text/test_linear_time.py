"""The pure-Python tokenizer works in time linear in the text, counted in calls, not by clock."""

import bisect
import sys
import unicodedata
from types import SimpleNamespace

import pytest

from mobilebert.text import MobileBertTokenizer, normalize as normalize_module

SIZE = 6_000
TEXTS = {
    "words": "the quick brown fox ",
    "one word": "abcdefghij",
    "one accented word": "éàü",
    "punctuation": "-",
    "ideographs": "字",
    "combining marks": "\u0316\u0301",
    "letters with marks": "e\u0316\u0301",
    "Hangul letters": "\u1100\u1161\u11a8",
    "controls": "\x01",
    "spaces": " ",
    "special tokens": "[MASK]",
    "almost special tokens": "[MASK",
    "brackets": "[",
    "never split": "C++",
    "almost never split": "C++C++x",
    "capital I with dot": "İ",
}


def calls(function, *arguments):
    """Count the Python and C function calls that a call makes."""
    count = 0

    def profile(_frame, event, _argument):
        nonlocal count
        count += event in ("call", "c_call")

    previous = sys.getprofile()
    sys.setprofile(profile)
    try:
        function(*arguments)
    finally:
        sys.setprofile(previous)
    return count


@pytest.fixture(scope="module")
def tokenizer(directory):
    return MobileBertTokenizer.from_pretrained(directory, never_split=["C++"])


@pytest.mark.parametrize("unit", TEXTS.values(), ids=TEXTS)
def test_twice_the_text_is_twice_the_work(tokenizer, unit):
    short = (unit * SIZE)[:SIZE]
    tokenizer(short)  # fills the caches of character classes
    once, twice = calls(tokenizer, short), calls(tokenizer, short + short)
    assert twice <= 2.1 * once + 300


def insertions(text):
    """Count the moves of an insertion sort of combining marks, as CPython does it."""
    moves, run = 0, []
    for char in "".join(unicodedata.normalize("NFD", char) for char in text):
        combining = unicodedata.combining(char)
        if combining == 0:
            run = []
            continue
        place = bisect.bisect_right(run, combining)
        moves += len(run) - place
        run.insert(place, combining)
    return moves


@pytest.mark.parametrize("unit", TEXTS.values(), ids=TEXTS)
def test_marks_are_in_order_before_they_are_normalized(tokenizer, unit, monkeypatch):
    """CPython sorts combining marks by insertion: quadratic unless they are nearly in order."""
    moves = []

    def counting(form, text):
        moves.append(insertions(text) / max(1, len(text)))
        return unicodedata.normalize(form, text)

    counted = SimpleNamespace(
        normalize=counting, combining=unicodedata.combining, category=unicodedata.category
    )
    monkeypatch.setattr(normalize_module, "unicodedata", counted)
    tokenizer((unit * SIZE)[:SIZE])
    # Words of up to 200 characters are left to CPython: at most 100 moves for a character.
    assert all(each <= 100 for each in moves)


def test_the_insertion_counter_sees_marks_out_of_order():
    assert insertions("\u0301\u0316" * 1000) / 2000 > 100


def test_the_counter_sees_quadratic_work():
    """The twin: a quadratic function does not pass the comparison above."""

    def quadratic(text):
        for end in range(len(text)):
            for _ in range(end // 50):
                len(text)

    once, twice = calls(quadratic, "a" * 1000), calls(quadratic, "a" * 2000)
    assert twice > 2.1 * once + 300
