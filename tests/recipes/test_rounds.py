"""Which trainings of all rounds the card of the bundled checkpoint tells."""

import json
from pathlib import Path

import pytest

from recipes.small_corpus import script

mini, card, keep = (script("mini", name) for name in ("mini", "card", "keep"))


STARTS = {
    "teacher": "transplanted",
    "long_teacher": "teacher",
    "normed": "normed.json",
    "student": "exchanged",
    "long_student": "stretched",
}
KINDS = {"encoder": [*STARTS], "further": [*STARTS][2:4], "lengthen": [*STARTS][4:]}


def trained(directory, seed, begins="encoder", with_=Path("E")):
    """What a round leaves that a card reads: the first one, or one of a checkpoint."""
    teacher = None if begins == "encoder" else Path("T")
    source = mini.Sources(**{begins: with_}, teacher=teacher, seed=seed)
    steps = mini.mini_steps(Path("D"), directory, mini.SCALES["cores"], source)
    mini.keep_commands(steps, directory)
    (directory / "long_data").mkdir()
    (directory / "long_data/manifest.json").write_text("{}")
    for name in KINDS[begins]:
        start = "begun" if (begins, name) == ("further", "normed") else STARTS[name]
        (directory / name).mkdir()
        report = {"model": {"start": str(directory / start)}, "settings": {"seed": seed}}
        (directory / name / "report.json").write_text(json.dumps(report | {"history": []}))
        (directory / name / "curves.jsonl").write_text("")
    (directory / "judged.json").write_text("{}")
    return directory


@pytest.fixture
def told(tmp_path, monkeypatch):
    """The names of the trainings that the card of a round would tell."""
    monkeypatch.setattr(card, "ROUNDS", tmp_path / "rounds")
    for name in ("manifest.json", "judged.json"):
        (tmp_path / name).write_text("{}")

    def told(output):
        found = []

        def listed(judged, reports, manifest, long_manifest):
            found.extend(reports)
            return "A card."

        monkeypatch.setattr(card, "card", listed)
        card.main([str(tmp_path), str(output), str(tmp_path), str(tmp_path / "judged.json")])
        return found

    return told


def named(number, *names):
    return [f"{name}, round {number}" for name in names]


AGAIN = ("normed", "student")
FIRST = named(1, "teacher", "long_teacher", "normed")
STUDENT, LONG_STUDENT = named(1, "student", "long_student")
SECOND, THIRD = (named(number, *AGAIN) for number in (2, 3))


def test_a_round_that_is_kept_already_is_told_once(told, tmp_path):
    rounds = str(tmp_path / "rounds")
    first = trained(tmp_path / "first", 0)
    keep.main([str(first), rounds])
    again = trained(tmp_path / "again", 1, "further", str(first / "model"))
    assert told(again) == [*FIRST, STUDENT, LONG_STUDENT, *SECOND]
    keep.main([str(again), rounds])
    assert told(again) == [*FIRST, STUDENT, LONG_STUDENT, *SECOND]
    third = trained(tmp_path / "third", 2, "further", str(again / "model"))
    assert told(third) == [*FIRST, STUDENT, LONG_STUDENT, *SECOND, *THIRD]


@pytest.fixture
def in_turn(told, tmp_path):
    """Rounds one after the other, all kept; returns what the card of the last one tells."""

    def in_turn(*rounds):
        for number, round_ in enumerate(rounds, 1):
            output = trained(tmp_path / str(number), *round_)
            found = told(output)
            keep.main([str(output), str(tmp_path / "rounds")])
        return found

    return in_turn


@pytest.mark.parametrize("begun", ["normed", "student"])
def test_students_that_nothing_comes_of_are_left_out(in_turn, tmp_path, begun):
    again = (1, "further", str(tmp_path / "1" / begun))
    first = [*FIRST, STUDENT][: 3 + (begun == "student")]
    assert in_turn((0,), again) == [*first, *SECOND]
    kept = json.loads((tmp_path / "rounds/2/normed.json").read_text())
    assert kept["model"]["start"] == begun


def test_they_are_no_ancestors_of_later_rounds_either(in_turn, tmp_path):
    rounds = [(0,), (1, "further", str(tmp_path / "1/normed")), (2, "further", str(tmp_path / "M"))]
    assert in_turn(*rounds) == [*FIRST, *SECOND, *THIRD]


LENGTHENED = named(2, "long_student")


def test_a_lengthened_checkpoint_goes_on_from_its_student(in_turn, tmp_path):
    lengthened = (1, "lengthen", str(tmp_path / "1/student"))
    assert in_turn((0,), lengthened) == [*FIRST, STUDENT, *LENGTHENED]
    kept = json.loads((tmp_path / "rounds/2/long_student.json").read_text())
    assert kept["model"]["start"] == "student"


@pytest.mark.parametrize(
    ("third", "expected"),
    [
        (("further", "1/normed"), [*FIRST, *THIRD]),
        (("further", "2/model"), [*FIRST, STUDENT, *LENGTHENED, *THIRD]),
        (("further", "2/long_student"), [*FIRST, STUDENT, *LENGTHENED, *THIRD]),
        (("lengthen", "1/student"), [*FIRST, STUDENT, "long_student, round 3"]),
        (("lengthen", "2/model"), [*FIRST, STUDENT, *LENGTHENED, "long_student, round 3"]),
    ],
)
def test_a_round_behind_a_lengthened_one_has_its_own_ancestors(in_turn, tmp_path, third, expected):
    kind, path = third
    lengthened = (1, "lengthen", str(tmp_path / "1/student"))
    # The same settings as the round before: that it is another one is told by its start alone.
    seed = 1 if path == "2/model" else 2
    assert in_turn((0,), lengthened, (seed, kind, str(tmp_path / path))) == expected


def test_a_teacher_of_a_round_between_is_told(told, tmp_path):
    rounds = str(tmp_path / "rounds")
    keep.main([str(trained(tmp_path / "first", 0)), rounds])
    again = trained(tmp_path / "again", 1, "lengthen", str(tmp_path / "first/student"))
    (again / "long_teacher").mkdir()
    for name in ("report.json", "curves.jsonl"):
        content = (tmp_path / "first/long_teacher" / name).read_bytes()
        (again / "long_teacher" / name).write_bytes(content)
    assert told(again) == [*FIRST, STUDENT, *named(2, "long_teacher", "long_student")]
    keep.main([str(again), rounds])
    further = trained(tmp_path / "further", 2, "further", str(tmp_path / "first/normed"))
    assert told(further) == [*FIRST, "long_teacher, round 2", *THIRD]


def test_a_checkpoint_of_commands_that_are_not_there_has_a_student(told, tmp_path):
    first = trained(tmp_path / "first", 0)
    keep.main([str(first), str(tmp_path / "rounds")])
    again = trained(tmp_path / "again", 1, "further", str(first / "normed"))
    (again / keep.COMMANDS_FILE).unlink()
    assert told(again) == [*FIRST, STUDENT, LONG_STUDENT, *SECOND]
