"""Units: bounded, with two documents at least, and all of the text."""

import pytest

from corpora.test_holding_out import sources_of
from corpora.texts import documents, write
from mobilebert.corpora import units
from mobilebert.corpora.units import HeldOutCounts, make_units
from mobilebert.errors import InputError


@pytest.fixture
def small_units(monkeypatch):
    monkeypatch.setattr(units, "UNIT_CHARACTERS", 4000)
    monkeypatch.setattr(units, "_PIECE_CHARACTERS", 2000)


def units_of(sources):
    return list(make_units(sources, {}, [HeldOutCounts() for _ in sources]))


def test_units_have_a_bounded_size_and_two_documents(tmp_path, small_units):
    write(tmp_path, "a.txt", documents(30, paragraphs=3))
    write(tmp_path, "b.txt", documents(2, paragraphs=80, seed=1))
    write(tmp_path, "c.txt", documents(1, paragraphs=1, seed=2))
    sources = sources_of(tmp_path)
    made = units_of(sources)
    assert len(made) > 4
    assert [unit.number for unit in made] == list(range(len(made)))
    assert all(len(unit.pieces) > 1 for unit in made)
    # A unit is full with its last piece, and the last one may take in a piece that is left.
    assert all(unit.size < 4000 + 2 * 2200 for unit in made)
    assert all(piece.size < 2200 for unit in made for piece in unit.pieces)
    said = [text for unit in made for piece in unit.pieces for text in piece.paragraphs]
    expected = [t for source in sources for f in source.files for _, t in f.text.read()]
    assert said == expected


def test_fingerprints_tell_text_and_settings_apart(tmp_path):
    prints = set()
    for seed in (0, 1):
        path = write(tmp_path, f"{seed}.txt", documents(2, seed=seed))
        (unit,) = units_of(sources_of(path))
        (again,) = units_of(sources_of(path))
        assert unit.fingerprint("s") == again.fingerprint("s")
        prints |= {unit.fingerprint("s"), unit.fingerprint("t")}
    assert len(prints) == 4


@pytest.mark.parametrize(
    "now",
    [documents(3), documents(1), documents(2, seed=1), [documents(1)[0], ["x"]]],
    ids=["more", "fewer", "others", "the last"],
)
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, now):
    path = write(tmp_path, "a.txt", documents(2))
    sources = sources_of(path)
    write(tmp_path, "a.txt", now)
    with pytest.raises(InputError, match="has changed"):
        units_of(sources)
