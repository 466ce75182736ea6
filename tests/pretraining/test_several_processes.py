"""Two processes of torchrun make the model of one."""

import os
import subprocess
import sys
from contextlib import ExitStack

import pytest
import torch
from safetensors.torch import load_file

from mobilebert import MobileBertConfig, MobileBertForPreTraining
from mobilebert.pretraining.curves import read_curves
from mobilebert.pretraining.material import Material
from mobilebert.pretraining.running import StageContext
from mobilebert.pretraining.settings import PretrainSettings
from mobilebert.pretraining.workload import PretrainingWorkload
from mobilebert.training.processes import Processes
from pretraining.small_encoder import write_encoder
from pretraining.small_text import killed_at, write_config
from tolerances import TWO_PROCESSES

SETTINGS = {"batch-size": 15, "learning-rate": 3e-3, "checkpoint-every": 4}


def options(settings):
    return [word for name, value in settings.items() for word in (f"--{name}", str(value))]


def in_two(arguments):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", "2", "-m", "mobilebert", *map(str, arguments)),
        ],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_near(found, wanted):
    one, other = (load_file(path / "model.safetensors") for path in (found, wanted))
    for name, tensor in other.items():
        # A key's bias changes no softmax: its derivative is rounding, of which Adam makes steps.
        if not name.endswith(".key.bias"):
            torch.testing.assert_close(one[name], tensor, **TWO_PROCESSES, msg=name)


def test_they_learn_of_an_encoder(one_and_two, prepared, tokenizer_dir, tokenizer, tmp_path):
    encoder = write_encoder(tmp_path / "encoder", tokenizer)
    config = write_config(tmp_path, len(tokenizer))
    arguments = ["pretrain", "--config", config, "--data", prepared, "--tokenizer", tokenizer_dir]
    factors = {"state-factor": 4, "sentence-factor": 1}
    one_and_two([*arguments, "--encoder", encoder], {"steps": 10} | factors)


@pytest.fixture
def one_and_two(tmp_path):
    def run(arguments, settings):
        one, two = tmp_path / "one", tmp_path / "two"
        words = [*arguments, *options(SETTINGS | settings)]
        killed_at([*words, "--output", one], one, None, None)
        said = in_two([*words, "--output", two])
        assert said.count("Report:") == 1  # the first process alone tells
        assert_near(two, one)
        losses = [
            [round(x["loss"], 2) for x in read_curves(path / "curves.jsonl") if "loss" in x]
            for path in (one, two)
        ]
        assert losses[0][:5] == losses[1][:5]
        return one

    return run


def test_they_pretrain_and_distil(one_and_two, prepared, tokenizer_dir, tokenizer, tmp_path):
    config = write_config(tmp_path, len(tokenizer), variant="teacher", hidden_dropout_prob=0.0)
    common = ["--data", prepared, "--tokenizer", tokenizer_dir]
    teacher = one_and_two(["pretrain", "--config", config, *common], {"steps": 10})
    teacher.rename(tmp_path / "teacher")
    (tmp_path / "two").rename(tmp_path / "other")
    student = write_config(tmp_path, len(tokenizer))
    arguments = ["distill", "--teacher", tmp_path / "teacher", "--student", student, *common]
    # With seed 0 the derivative of one weight is rounding in one step, of which Adam makes a step.
    one_and_two(arguments, {"transfer-steps": 6, "distillation-steps": 4, "seed": 1})


def test_another_number_of_processes_is_another_run(prepared, tokenizer, config_file, tmp_path):
    settings = PretrainSettings(batch_size=8, device="cpu")
    config = MobileBertConfig.from_json_file(config_file)
    material = Material.read(prepared, tokenizer, config, settings)
    model = MobileBertForPreTraining(config)
    workload = PretrainingWorkload(model, material.train, material.plan())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    fingerprints = []
    for count in (1, 1, 2):
        processes = Processes(1, count)
        context = StageContext(material, "d", tmp_path, processes, ["s"], ExitStack())
        loop = context.loop("s", workload, optimizer, lambda step: 1.0, 2, tmp_path, None)
        fingerprints.append(loop.fingerprint)
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]
