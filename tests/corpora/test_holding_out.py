"""What is held out: in proportion, decided by the text alone, never on both sides."""

import json
import tracemalloc
from array import array
from collections import Counter
from itertools import permutations
from random import Random

import pytest

from corpora.texts import documents, write
from mobilebert.corpora.holding_out import Window, choose_held_out
from mobilebert.corpora.manifest import Split
from mobilebert.corpora.scanning import ScannedFile, scan
from mobilebert.corpora.text_files import find_files, open_text
from mobilebert.corpora.text_sources import TextSource, group_files
from mobilebert.corpora.units import HeldOutCounts, make_units
from mobilebert.errors import InputError


def sources_of(*paths):
    return group_files([scan(open_text(path)) for path in find_files(paths)])


def split(sources, share):
    """Paragraphs of both splits by source, and what was counted."""
    counts = [HeldOutCounts() for _ in sources]
    texts = {half: [[] for _ in sources] for half in Split}
    for unit in make_units(sources, choose_held_out(sources, share), counts):
        for piece in unit.pieces:
            texts[unit.split][piece.source] += piece.paragraphs
    return texts[Split.TRAIN], texts[Split.HELD_OUT], counts


def size(paragraphs):
    return sum(map(len, paragraphs))


def test_each_source_is_held_out_in_proportion(tmp_path):
    """Thousands of tiny documents, some large ones, and two that are far beyond the share."""
    write(tmp_path, "tiny.txt", documents(2000, paragraphs=1, words=10))
    write(tmp_path, "large.txt.xz", documents(40, paragraphs=40, seed=1))
    write(tmp_path, "huge.txt", documents(2, paragraphs=900, seed=2))
    sources = sources_of(tmp_path)
    train, held, counts = split(sources, 0.04)
    for number, source in enumerate(sources):
        share = size(held[number]) / source.characters
        assert 0.04 <= share <= 0.08
        assert size(train[number]) + size(held[number]) == source.characters
        assert counts[number].characters == size(held[number])
        assert not set(train[number]) & set(held[number])
    names = [source.name for source in sources]
    assert counts[names.index("tiny.txt")].documents > 60
    assert counts[names.index("tiny.txt")].parts <= 1
    huge = names.index("huge.txt")
    assert (counts[huge].documents, counts[huge].parts) == (0, 1)
    # The part is contiguous.
    places = [int(text.split()[1][1:]) for text in held[huge]]
    assert places == list(range(places[0], places[0] + len(places)))
    assert len({text.split()[0] for text in held[huge]}) == 1


def test_a_document_that_is_held_out_is_a_document_as_a_whole(tmp_path):
    write(tmp_path, "a.txt", documents(300, paragraphs=3))
    train, held, _ = split(sources_of(tmp_path), 0.05)
    names = [{text.split()[0] for text in texts[0]} for texts in (train, held)]
    assert len(names[0] & names[1]) <= 1  # of one perhaps a part


def test_other_documents_and_orders_change_nothing_for_a_text(tmp_path):
    docs = documents(200, paragraphs=2)
    write(tmp_path, "one/a.txt", docs)
    write(tmp_path, "two/b.txt.xz", docs[::-1])
    held = [set(split(sources_of(tmp_path / name), 0.05)[1][0]) for name in ("one", "two")]
    assert held[0] == held[1]


def test_the_same_text_elsewhere_is_held_out_too(tmp_path):
    docs = documents(100, paragraphs=4)
    write(tmp_path, "a.txt", docs)
    write(tmp_path, "b.txt", docs[:50] + documents(100, paragraphs=4, seed=1))
    write(tmp_path, "c.txt", documents(60, paragraphs=4, seed=2) + docs[:20] * 2)
    train, held, _ = split(sources_of(tmp_path), 0.06)
    everything = [{text for texts in half for text in texts} for half in (train, held)]
    assert not everything[0] & everything[1]
    assert everything[1]


def test_the_order_of_files_changes_nothing(tmp_path):
    """Documents that several files have, some of them too long to be held out as a whole."""
    docs = documents(40, paragraphs=6) + documents(3, paragraphs=300, seed=1)
    write(tmp_path, "a.txt", docs[:30] + docs[40:42])
    write(tmp_path, "b.txt", docs[20:])
    write(tmp_path, "c.txt", docs[10:42])
    sources = sources_of(tmp_path)
    chosen = [choose_held_out(order, 0.02) for order in permutations(sources)]
    assert all(held == chosen[0] for held in chosen)
    assert {window.whole for window in chosen[0].values()} == {True, False}


def slowly(source, share):
    """What is held out of a source, with a table of all its documents."""
    sizes, copies = {}, Counter()
    for file in source.files:
        sizes.update(zip(file.fingerprints, file.sizes, strict=True))
        copies.update(file.fingerprints)
    held, taken, wanted = {}, 0, round(source.characters * share)
    for key in sorted(sizes):
        if taken >= wanted:
            break
        after = taken + sizes[key] * copies[key]
        if after > 2 * wanted or after >= source.characters:
            part = -(-(wanted - taken) // copies[key])
            start = (sizes[key] - part) * (key % 2**16) // 2**16
            return held | {key: (start, start + part, False)}
        held[key] = (0, sizes[key], True)
        taken = after
    return held


def drawn_file(draw, documents, largest):
    prints = [draw.getrandbits(64) for _ in range(documents)]
    prints += draw.choices(prints, k=documents // 3)
    sizes = {key: draw.randint(1, largest) for key in prints}
    return ScannedFile(None, array("Q", prints), array("Q", [sizes[key] for key in prints]))


@pytest.mark.parametrize("seed", range(20))
def test_the_same_is_chosen_as_with_a_table_of_all_documents(seed):
    draw = Random(seed)
    share = draw.choice([0.01, 0.1, 0.5])
    files = [drawn_file(draw, draw.randint(1, 400), draw.choice([300, 90_000])) for _ in range(3)]
    sources = [
        TextSource("one", (*files[:2], ScannedFile(None, files[0].fingerprints, files[0].sizes))),
        TextSource("two", (files[2],)),
    ]
    sources = [source for source in sources if source.characters * share >= 400]
    wanted = [slowly(source, share) for source in sources]
    held = choose_held_out(sources, share)
    assert {key: (w.start, w.end, w.whole) for key, w in held.items()} == wanted[0] | (
        wanted[1] if len(wanted) > 1 else {}
    )


@pytest.mark.parametrize("blank", [" ", "_"])
@pytest.mark.parametrize("rows", [1, 2])
def test_a_huge_paragraph_is_held_out_in_part(tmp_path, rows, blank):
    """A row of .jsonl without line ends; or a script without blanks."""
    words = [f"word{n}" for n in range(10_000)]
    half = len(words) // rows
    texts = [blank.join(words[n * half : (n + 1) * half]) for n in range(rows)]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    sources = sources_of(path)
    train, held, counts = split(sources, 0.01)
    assert size(train[0]) + size(held[0]) == sum(map(len, texts))
    assert 0.01 <= size(held[0]) / size(texts) < 0.012
    assert (counts[0].documents, counts[0].parts) == (0, 1)
    assert any(held[0][0] in text for text in texts)
    if blank == " ":
        said = [word for half in (train[0], held[0]) for text in half for word in text.split()]
        assert sorted(said) == sorted(words)


def test_paragraphs_of_usual_length_stay_whole(tmp_path):
    docs = documents(30, paragraphs=20, words=120)
    sources = sources_of(write(tmp_path, "a.txt", docs))
    train, held, _ = split(sources, 0.01)
    assert sorted(train[0] + held[0]) == sorted(text for doc in docs for text in doc)


@pytest.mark.parametrize(
    ("start", "end", "parts"),
    [
        (0, 5, ["aaa bbb ", "ccc ddd"]),
        (5, 6, ["aaa ", "bbb ", "ccc ddd"]),
        (9, 90, ["aaa bbb ", "ccc ddd"]),
        (4, 15, ["aaa ", "bbb ccc ddd"]),
        (0, 15, ["aaa bbb ccc ddd"]),
        (20, 30, ["aaa bbb ccc ddd"]),
    ],
)
def test_where_a_paragraph_is_parted(start, end, parts):
    for place in (0, 100):
        window = Window(place + start, place + end, False, longest=10)
        assert window.parts("aaa bbb ccc ddd", place) == parts
        assert Window(place + start, place + end, True, 10).parts("aaa bbb ccc ddd", place) == [
            "aaa bbb ccc ddd"
        ]


def test_choosing_needs_little_memory_for_each_document():
    """A table of Python's integers would have 200 bytes and more for each."""
    count = 50_000
    file = ScannedFile(None, array("Q", range(count)), array("Q", [1000]) * count)
    tracemalloc.start()
    try:
        choose_held_out([TextSource("many", (file,))], 0.01)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 * count


def test_files_of_one_document_are_a_source_together(tmp_path):
    for number, doc in enumerate(documents(40, paragraphs=6)):
        write(tmp_path, f"books/{number}.txt", [doc])
    write(tmp_path, "books/many.txt", documents(3, seed=1))
    write(tmp_path, "other/many.txt", documents(3, seed=2))
    write(tmp_path, "alone/one.txt", documents(1, seed=3))
    sources = sources_of(tmp_path)
    names = {source.name: len(source.files) for source in sources}
    assert names == {"books/": 40, "books/many.txt": 1, "other/many.txt": 1, "one.txt": 1}
    _, held, counts = split(sources, 0.05)
    books = [source.name for source in sources].index("books/")
    assert counts[books].documents >= 1
    assert held[books]


def test_no_share_and_too_small_a_share(tmp_path):
    sources = sources_of(write(tmp_path, "a.txt", documents(4, paragraphs=2)))
    assert not choose_held_out(sources, 0)
    with pytest.raises(InputError, match="too few to judge by"):
        choose_held_out(sources, 0.01)


def test_something_is_left_to_train_on(tmp_path):
    sources = sources_of(write(tmp_path, "a.txt", documents(2, paragraphs=20)))
    train, held, _ = split(sources, 0.5)
    assert train[0]
    assert held[0]
