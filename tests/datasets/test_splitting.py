"""Splits keep proportions, keep together what belongs together, and repeat."""

import tracemalloc
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from mobilebert.datasets.items import ChoiceItem, PlainItem, QuestionItem, TaggedItem, TextItem
from mobilebert.datasets.splitting import leaks, split
from mobilebert.errors import InputError


def texts(labels):
    return [TextItem(f"F, line {n}", f"text {n}", None, label) for n, label in enumerate(labels)]


def counted(items, places):
    return Counter(items[place].label for place in places)


@pytest.mark.parametrize("seed", range(5))
def test_each_label_in_proportion(seed):
    items = texts(["a"] * 600 + ["b"] * 300 + ["c"] * 50 + ["d"])
    train, dev = split(items, share=0.2, seed=seed)
    assert sorted([*train, *dev]) == list(range(len(items)))
    assert counted(items, dev) == {"a": 120, "b": 60, "c": 10}


def test_another_seed_is_another_split():
    items = texts("ab" * 100)
    first, again, other = (split(items, seed=seed)[1].tolist() for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_numbers_are_stratified_by_their_size():
    items = texts([float(n) for n in range(1000)])
    _, dev = split(items, share=0.1)
    assert np.histogram(dev, bins=10, range=(0, 1000))[0].tolist() == [10] * 10


def test_each_of_several_labels_in_proportion():
    generator = np.random.default_rng(0)
    names = "abcd"
    items = texts([tuple(name for name in names if generator.random() < 0.3) for _ in range(1000)])
    _, dev = split(items, share=0.1)
    everywhere = Counter(name for item in items for name in item.label)
    held = Counter(name for place in dev for name in items[place].label)
    assert len(dev) == pytest.approx(100, abs=5)
    for name in names:
        assert held[name] == pytest.approx(everywhere[name] / 10, abs=5)


@settings(derandomize=True)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 20), st.sampled_from(["", "g", "h", "i"])),
        min_size=12,
        max_size=60,
    ),
    share=st.sampled_from([0.1, 0.3, 0.5]),
    seed=st.integers(0, 9),
)
def test_what_belongs_together_stays_together(rows, share, seed):
    items = [TextItem("F", f" Text  {n}" if n % 2 else f"text {n}", None, c) for c, n, _ in rows]
    groups = [group for _, _, group in rows]
    try:
        train, dev = split(items, share=share, seed=seed, groups=groups)
    except InputError:
        return
    assert sorted([*train, *dev]) == list(range(len(items)))
    for part in (train, dev):
        assert len(part)
    assert not {rows[n][1] for n in train} & {rows[n][1] for n in dev}
    assert not {groups[n] for n in train} & {groups[n] for n in dev} - {""}
    assert set(counted(items, dev)) <= set(counted(items, train))
    assert leaks([items[n] for n in train], [items[n] for n in dev]) == []


@pytest.mark.parametrize("groups", [None, ["a", "b"] * 10_000])
def test_few_bytes_are_needed_for_each_item(groups):
    """Data may be larger than memory; 390 bytes a row are what one list for each unit took."""
    items = (TextItem("F", f"text {n}", None, "abcd"[n % 4]) for n in range(20_000))
    tracemalloc.start()
    try:
        if groups is None:
            split(items)
        else:
            with pytest.raises(InputError):
                split(items, groups=groups)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 150 * 20_000


def test_articles_stay_whole():
    items = [
        QuestionItem("F", f"{n}", "who?", f"{n}", (), f"article {n // 20}") for n in range(600)
    ]
    groups = [item.group for item in items]
    splits = [split(items, share=0.1, seed=seed, groups=groups)[1] for seed in range(4)]
    assert [len(dev) for dev in splits] == [60] * 4
    assert len({groups[n] for dev in splits for n in dev}) > 3


@pytest.mark.parametrize("share", [0, 1, -0.5, float("nan")])
def test_a_share_that_is_none(share):
    with pytest.raises(InputError, match="between 0 and 1"):
        split(texts("abab"), share=share)


@pytest.mark.parametrize("items", [texts("a"), [], texts("ab"), [texts("a")[0]] * 100])
def test_what_cannot_be_split(items):
    with pytest.raises(InputError, match="cannot be split.*--dev"):
        split(items)


OTHERS = [
    lambda n, text: TaggedItem(f"F{n}", tuple(text.split()), ("O",) * len(text.split())),
    lambda n, text: QuestionItem(f"F{n}", str(n), f"{n}?", text),
    lambda n, text: ChoiceItem(f"F{n}", text, ("a", "b") if n % 3 else ("b", "a"), 0),
    lambda n, text: TextItem(f"F{n}", *((text, "same") if n % 3 else ("same", text)), "x"),
    lambda n, text: PlainItem(f"F{n}", text),
    lambda n, text: TextItem(f"F{n}", "same", text, "x"),
]


@pytest.mark.parametrize("make", OTHERS)
def test_items_of_every_kind(make):
    items = [make(n, f"some text {n % 50}") for n in range(100)]
    train, dev = split(items, share=0.2)
    assert len(dev) == 20
    assert leaks([items[n] for n in train], [items[n] for n in dev]) == []
    assert len(leaks(items, [items[3], make(200, "other")])) == 1


@pytest.mark.parametrize("rare", ["I-product", "UH", "O"])
def test_the_only_sentence_with_a_tag_is_learned(rare):
    tags = [("B-product", "NN") if n % 2 else ("NN", "NN") for n in range(20)]
    tags[7] = ("B-product", rare)
    items = [TaggedItem(f"F{n}", ("word", str(n)), pair) for n, pair in enumerate(tags)]
    for seed in range(30):
        train, dev = split(items, share=0.3, seed=seed)
        assert 7 in train
        assert len(dev) in {6, 7}


def test_leaks_are_placed():
    train = [TextItem("train, line 1", "A fine\nfilm"), TextItem("train, line 2", "a", "b")]
    dev = [TextItem("dev, line 1", "a", "c"), TextItem("dev, line 2", "a  fine FILM")]
    (leak,) = leaks(train, dev)
    assert str(leak) == "dev, line 2: its text stands in train, line 1 too."
    contexts = [QuestionItem(f"{name}, line 1", "1", f"{name}?", "C") for name in ("train", "dev")]
    (leak,) = leaks(contexts[:1], contexts[1:])
    assert str(leak) == "dev, line 1: its context stands in train, line 1 too."


ALIKE = [
    (TextItem("F1", "a film", "a b"), TextItem("F2", "A  B", "a film")),
    (ChoiceItem("F1", "a", ("x", "y", "z"), 0), ChoiceItem("F2", "A", ("z", "x", "y"), 1)),
    (QuestionItem("F1", "1", "who?", "A text"), QuestionItem("F2", "2", "why?", "a text")),
]
UNLIKE = [
    (TextItem("F1", "a", "b"), TextItem("F2", "a", "c")),
    (ChoiceItem("F1", "a", ("b", "c"), 0), ChoiceItem("F2", "b", ("a", "c"), 0)),
    (QuestionItem("F1", "1", "who?", "a"), QuestionItem("F2", "2", "who?", "b")),
]


def test_the_order_of_texts_makes_no_others():
    assert all(leaks([one], [other]) for one, other in ALIKE)
    assert not any(leaks([one], [other]) for one, other in UNLIKE)


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_texts_in_another_order_are_on_one_side(one, other):
    with pytest.raises(InputError, match="2 rows in 1 groups"):
        split([one, other], share=0.5)
