import hashlib
import json
import subprocess
import sys

import pytest

import mobilebert
from commands.running import answers, assert_refused, invoke
from mobilebert.config import MobileBertConfig
from mobilebert.hub import BUNDLED_MODEL, BUNDLED_MODELS
from mobilebert.weights import parameter_count


def test_the_machine():
    facts = json.loads(answers("info", "--json"))
    assert facts["mobilebert"] == mobilebert.__version__
    assert facts["backends"] == {"numpy": "available", "torch": "available"}
    assert facts["libraries"]["numpy"]
    assert facts["processor"]["cores"] >= 1
    assert "checkpoint" not in facts
    text = answers("info")
    assert "numpy" in text
    assert BUNDLED_MODEL in text


def test_a_checkpoint():
    facts = json.loads(answers("info", BUNDLED_MODEL, "--json", "--sha256"))["checkpoint"]
    file = BUNDLED_MODELS[BUNDLED_MODEL] / "model.safetensors"
    assert facts["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert facts["bytes"] == file.stat().st_size
    assert facts["dtype"] == "float16"
    assert facts["task"] == "pretraining"
    config = MobileBertConfig.from_pretrained(BUNDLED_MODEL)
    assert facts["parameters"] == parameter_count(config, "pretraining")
    assert facts["missing weights"] == facts["unused tensors"] == []


@pytest.mark.parametrize("task", ["text-classification", "zero-shot-classification"])
def test_labels(task, checkpoints):
    facts = json.loads(answers("info", checkpoints[task], "--json"))["checkpoint"]
    assert len(facts["labels"]) == 3
    assert facts["class"] == "MobileBertForSequenceClassification"
    assert facts["labels"][0] in answers("info", checkpoints[task])


def test_no_framework_is_imported():
    code = (
        "import sys\nfrom mobilebert.commands.main import cli\n"
        f"cli(['info', {BUNDLED_MODEL!r}], standalone_mode=False)\n"
        "print('torch' in sys.modules or 'tensorflow' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1] == "False"


def test_a_bad_checkpoint(tmp_path):
    assert_refused(invoke("info", tmp_path / "nowhere"), "nowhere")
    (tmp_path / "config.json").write_text("{}")
    assert_refused(invoke("info", tmp_path), "no weights")
