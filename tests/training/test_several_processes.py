"""`finetune` in two processes: the model of one process, and no waiting for one that has ended."""

import json
import os
import socket
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from pipelines.random_checkpoints import write_checkpoint
from tolerances import TWO_PROCESSES

PROGRAM = """
import json, sys, torch
torch.set_num_threads(1)
from mobilebert.errors import MobileBertError
from mobilebert.training.finetune import finetune
from mobilebert.training.loop import TrainingLoop
train, model, output, options = sys.argv[1:]
options = json.loads(options)
stop, step = options.pop("stop", None), TrainingLoop._step
def stopping(loop):
    if loop.progress.step == stop:
        sys.exit("stopped")
    step(loop)
TrainingLoop._step = stopping
try:
    result = finetune(
        "text-classification", train=train, model=model, output=output,
        max_steps=6, batch_size=5, learning_rate=1e-3, max_length=24, dropout=0.0,
        evaluate_every=3, **options,
    )
    print(sorted(result.metrics.items()), result.report.model.megabytes)
except MobileBertError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    directory = tmp_path_factory.mktemp("start") / "encoder"
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return write_checkpoint(directory, "fill-mask", **none)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    lines = [f"a {'good' if n % 2 else 'bad'} film {n},{n % 2}\n" for n in range(33)]
    path.write_text("".join(["text,label\n", *lines]))
    return path


def run(count, *arguments, **options):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *map(str, arguments), json.dumps(options)],
            env=os.environ | group | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    ended = [process.communicate() for process in started]
    return [(process.returncode, *texts) for process, texts in zip(started, ended, strict=True)]


def assert_same_weights(one, two):
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        # A constant added to all scores of a query changes no softmax: the derivative of a key's
        # bias is 0 but for rounding, of which Adam makes steps.
        if not name.endswith(".key.bias"):
            torch.testing.assert_close(two[name], tensor, **TWO_PROCESSES)


def test_two_processes_tune_the_model_of_one(model, rows, tmp_path):
    both = run(2, rows, model, tmp_path / "two")
    assert [status for status, *_ in both] == [0, 0], both
    assert both[0][1] == both[1][1]
    assert [status for status, *_ in run(1, rows, model, tmp_path / "one")] == [0]
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    began = load_file(model / "model.safetensors")
    assert_same_weights(one, two)
    assert any(
        not torch.allclose(one[name], tensor, **TWO_PROCESSES)
        for name, tensor in began.items()
        if name in one
    )
    assert not (tmp_path / "two" / "training").exists()


def test_torchrun_starts_the_command(model, rows, tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = ["--task", "text-classification", "--train", rows, "--model", model]
    command += ["--output", tmp_path / "two", "--max-steps", 6, "--batch-size", 5]
    command += ["--learning-rate", 1e-3, "--max-length", 24, "--dropout", 0, "--evaluate-every", 3]
    program = ["-m", "mobilebert", "finetune", *map(str, command)]
    ended = subprocess.run(
        [*torchrun, "--nproc-per-node", "2", *program],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("report.html") == 1  # the first process reports
    assert [status for status, *_ in run(1, rows, model, tmp_path / "one")] == [0]
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert_same_weights(one, two)


def test_what_one_refuses_ends_the_others_with_a_sentence(model, rows, tmp_path):
    output = tmp_path / "mine"
    output.mkdir()
    (output / "file").write_text("mine")
    first, second = run(2, rows, model, output)
    assert first[0] == second[0] == 1
    assert first[2].startswith("InputError")
    assert second[2].splitlines()[-1].startswith("TrainingError: Another process")
    assert {path.name for path in output.iterdir()} == {"file"}


def test_as_many_processes_go_on_as_have_begun(model, rows, tmp_path):
    output = tmp_path / "run"
    ((status, _, said),) = run(1, rows, model, output, stop=4)
    assert (status, said.splitlines()[-1]) == (1, "stopped")
    first, second = run(2, rows, model, output, resume=True)
    assert first[0] == second[0] == 1
    assert "Repeat the command as it was" in first[2]
    assert [status for status, *_ in run(1, rows, model, output, resume=True)] == [0]
