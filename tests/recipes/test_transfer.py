import json
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from recipes.small_corpus import PIECES, RECIPES, script, write_corpus, write_models

transfer = script("transfer", "transfer")
NAMES = ("train-tokenizer", "prepare-pretraining", "pretrain", "distill", "finetune", "run")
SHARE = "0.002"
# The recipe with models and a vocabulary as small as the text, in a process of its own.
START = """
import sys
from pathlib import Path
sys.path += [{recipes!r}, {recipes!r} + "/transfer"]
import transfer
transfer.HERE, transfer.VOCAB_SIZE = Path({models!r}), {pieces}
transfer.main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("data"), transfer.TEXT)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module", autouse=True)
def _small(models):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfer, "HERE", models)
        patch.setattr(transfer, "VOCAB_SIZE", PIECES)
        yield


def arguments(data, output):
    given = ["--data", data, "--output", output, "--share", SHARE, "--threads", 1]
    return [str(word) for word in given]


@pytest.fixture(scope="module")
def made(data, tmp_path_factory):
    output = tmp_path_factory.mktemp("made") / "all"
    transfer.main(arguments(data, output))
    return output


def test_it_comes_to_a_classifier(made):
    report = json.loads((made / "student/report.json").read_text())
    assert report["strategy"] == "progressive"
    assert report["stages"][-1] == "distillation"
    assert len(report["stages"]) == transfer.LAYERS + 1
    tuned = json.loads((made / "sst2/report.json").read_text())
    assert tuned["evaluation"]["items"] == 10
    assert tuned["model"]["start"].endswith("student")


def test_the_commands_are_kept(made):
    lines = (made / "commands.sh").read_text().splitlines()
    found = [shlex.split(line) for line in lines if not line.startswith("#")]
    assert tuple(words[1] for words in found) == NAMES


def test_it_goes_on_and_makes_nothing_twice(data, made, capsys):
    before = {path: path.stat().st_mtime_ns for path in made.glob("*/*.safetensors")}
    transfer.main(arguments(data, made))
    assert capsys.readouterr().out.count("finished before") == len(NAMES) - 1
    assert before
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_it_prints_alone(data, tmp_path, capsys):
    transfer.main([*arguments(data, tmp_path / "new"), "--print"])
    assert capsys.readouterr().out.count("\nmobilebert ") == len(NAMES)
    assert not (tmp_path / "new").exists()


def test_killed_it_goes_on_to_the_same_student(data, models, made, tmp_path):
    output = tmp_path / "killed"
    program = START.format(recipes=str(RECIPES), models=str(models), pieces=PIECES)
    recipe = [sys.executable, "-c", program, *arguments(data, output)]
    process = subprocess.Popen(
        recipe, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE
    )
    while process.poll() is None and not (output / "student/curves.jsonl").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    _, said = process.communicate()
    assert process.returncode == -signal.SIGKILL, said.decode()
    assert not (output / "student/report.json").exists()
    transfer.main(arguments(data, output))
    found, wanted = (load_file(place / "student/model.safetensors") for place in (output, made))
    assert [name for name in wanted if not torch.equal(found[name], wanted[name])] == []
