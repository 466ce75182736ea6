import hashlib
import json
import subprocess
import sys

import pytest

import mobilebert
from commands.running import answers, assert_refused, invoke
from mobilebert.commands import facts
from mobilebert.config import MobileBertConfig
from mobilebert.engine.native import choose_isa
from mobilebert.hub import BUNDLED_MODEL, BUNDLED_MODELS
from mobilebert.weights import parameter_count


def test_the_machine():
    found = json.loads(answers("info", "--json"))
    assert found["mobilebert"] == mobilebert.__version__
    engine = found["backends"].pop("engine")
    assert engine.startswith(f"available: {choose_isa()} of generic")
    available = {"numpy": "available", "torch": "available", "keras": "available, on tensorflow"}
    assert found["backends"] == available
    assert found["libraries"]["numpy"]
    assert found["processor"]["cores"] >= 1
    assert "checkpoint" not in found
    text = answers("info")
    assert "numpy" in text
    assert BUNDLED_MODEL in text


def test_an_engine_that_was_not_compiled_is_loud(monkeypatch):
    monkeypatch.setattr(facts, "engine_is_compiled", lambda: False)
    assert json.loads(answers("info", "--json"))["backends"]["engine"].startswith("NOT COMPILED")


@pytest.mark.parametrize(
    ("keras", "state"),
    [
        ("jax", "not installed: python -m pip install 'mobilebert[jax]'"),
        ("torch", "KERAS_BACKEND is 'torch'; possible are tensorflow, jax"),
    ],
)
def test_what_keras_needs_is_said(keras, state, monkeypatch):
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setenv("KERAS_BACKEND", keras)
    monkeypatch.setattr(facts, "is_installed", lambda name: name != "jax")
    assert json.loads(answers("info", "--json"))["backends"]["keras"] == state


def test_a_checkpoint():
    found = json.loads(answers("info", BUNDLED_MODEL, "--json", "--sha256"))["checkpoint"]
    file = BUNDLED_MODELS[BUNDLED_MODEL] / "model.safetensors"
    assert found["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert found["bytes"] == file.stat().st_size
    assert found["dtype"] == "float16"
    assert found["task"] == "pretraining"
    config = MobileBertConfig.from_pretrained(BUNDLED_MODEL)
    assert found["parameters"] == parameter_count(config, "pretraining")
    assert found["missing weights"] == found["unused tensors"] == []


@pytest.mark.parametrize("task", ["text-classification", "zero-shot-classification"])
def test_labels(task, checkpoints):
    found = json.loads(answers("info", checkpoints[task], "--json"))["checkpoint"]
    assert len(found["labels"]) == 3
    assert found["class"] == "MobileBertForSequenceClassification"
    assert found["labels"][0] in answers("info", checkpoints[task])


def test_no_framework_is_imported():
    code = (
        "import sys\nfrom mobilebert.commands.main import cli\n"
        f"cli(['info', {BUNDLED_MODEL!r}], standalone_mode=False)\n"
        "print(any(name in sys.modules for name in ('torch', 'tensorflow', 'keras', 'jax')))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize("option", [("--sha256",), ("--revision", "main")])
def test_options_of_a_checkpoint_need_one(option):
    assert_refused(invoke("info", *option), f"{option[0]} has no use without MODEL")


def test_a_bad_checkpoint(tmp_path):
    assert_refused(invoke("info", tmp_path / "nowhere"), "nowhere")
    (tmp_path / "config.json").write_text("{}")
    assert_refused(invoke("info", tmp_path), "no weights")
