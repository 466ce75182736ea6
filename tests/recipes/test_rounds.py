"""Which trainings of all rounds the card of the bundled checkpoint tells."""

import json
from pathlib import Path

import pytest

from recipes.small_corpus import script

mini, card, keep = (script("mini", name) for name in ("mini", "card", "keep"))


def trained(directory, seed, further=None):
    """What a round leaves that a card reads: the first one, or one of a checkpoint."""
    begun = directory / "begun"
    starts = {"teacher": "transplanted", "normed": "normed.json", "student": "exchanged"}
    source = mini.Sources(encoder=Path("E"), seed=seed)
    if further is not None:
        del starts["teacher"]
        begun.mkdir(parents=True)
        starts["normed"] = str(begun)
        source = mini.Sources(further=str(further), teacher=Path("T"), seed=seed)
    steps = mini.mini_steps(Path("D"), directory, mini.SCALES["cores"], source)
    mini.keep_commands(steps, directory)
    for name, start in starts.items():
        (directory / name).mkdir()
        report = {"model": {"start": start}, "settings": {"seed": seed}, "history": []}
        (directory / name / "report.json").write_text(json.dumps(report))
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

        def listed(judged, reports, manifest):
            found.extend(reports)
            return "A card."

        monkeypatch.setattr(card, "card", listed)
        card.main([str(tmp_path), str(output), str(tmp_path), str(tmp_path / "judged.json")])
        return found

    return told


FIRST = ["teacher, round 1", "normed, round 1"]
STUDENT = "student, round 1"
SECOND = ["normed, round 2", "student, round 2"]


def test_a_round_that_is_kept_already_is_told_once(told, tmp_path):
    rounds = str(tmp_path / "rounds")
    first = trained(tmp_path / "first", 0)
    keep.main([str(first), rounds])
    again = trained(tmp_path / "again", 1, first / "model")
    assert told(again) == [*FIRST, STUDENT, *SECOND]
    keep.main([str(again), rounds])
    assert told(again) == [*FIRST, STUDENT, *SECOND]
    third = trained(tmp_path / "third", 2, again / "model")
    assert told(third) == [*FIRST, STUDENT, *SECOND, "normed, round 3", "student, round 3"]


def test_a_student_that_nothing_comes_of_is_left_out(told, tmp_path):
    rounds = str(tmp_path / "rounds")
    first = trained(tmp_path / "first", 0)
    keep.main([str(first), rounds])
    again = trained(tmp_path / "again", 1, first / "normed")
    assert told(again) == [*FIRST, *SECOND]
    keep.main([str(again), rounds])
    kept = json.loads((tmp_path / "rounds/2/normed.json").read_text())
    assert kept["model"]["start"] == "normed"
    # It is no ancestor of later rounds either.
    third = trained(tmp_path / "third", 2, again / "model")
    assert told(third) == [*FIRST, *SECOND, "normed, round 3", "student, round 3"]


def test_a_checkpoint_of_commands_that_are_not_there_has_a_student(told, tmp_path):
    first = trained(tmp_path / "first", 0)
    keep.main([str(first), str(tmp_path / "rounds")])
    again = trained(tmp_path / "again", 1, first / "normed")
    (again / keep.COMMANDS_FILE).unlink()
    assert told(again) == [*FIRST, STUDENT, *SECOND]
