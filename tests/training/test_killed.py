"""`mobilebert finetune` killed at any step goes on to the same files."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from commands.running import invoke, start
from pipelines.random_checkpoints import write_checkpoint

STEPS = 60
# Evaluations, behind which a state is written too, are behind other steps.
PACE = ("--max-steps", STEPS, "--evaluate-every", 4, "--checkpoint-every", 3, "--batch-size", 8)
# From within: on a busy machine a test sees too late how far a program is. SIGPROF without a
# handler ends it at once, as SIGKILL does, after so many seconds of its own computing.
KILLED = """
import signal, sys
from mobilebert.commands.main import main
from mobilebert.training.loop import TrainingLoop
steps, seconds = int(sys.argv.pop(1)), float(sys.argv.pop(1))
step, began = TrainingLoop._step, []
def killed(loop):
    began.append(loop)
    if len(began) == steps:
        signal.setitimer(signal.ITIMER_PROF, seconds)
    step(loop)
TrainingLoop._step = killed
main()
"""


@pytest.fixture(scope="module")
def common(tmp_path_factory):
    """A model with dropout, and rows: the command but for its output."""
    directory = tmp_path_factory.mktemp("killed")
    model = write_checkpoint(directory / "model", "fill-mask", attention_probs_dropout_prob=0.1)
    rows = [f"{w} film {n},{s}" for n in range(30) for w, s in (("fine", "good"), ("dull", "bad"))]
    (directory / "rows.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    where = ("--task", "text-classification", "--train", directory / "rows.csv", "--model", model)
    return ("finetune", *where, *PACE)


# Kills, the first and the last step to be killed in, and options. Steps of several seeds are
# counted together.
CASES = {
    "float32": (2, (1, 20), ()),
    "lora": (1, (1, 20), ("--precision", "bfloat16", "--lora-rank", 2)),
    "second seed": (1, (13, 24), ("--seeds", 2, "--max-steps", 12)),
}


@pytest.mark.parametrize(("kills", "steps", "options"), CASES.values(), ids=CASES)
def test_killed_at_random_steps_it_ends_with_the_same_files(
    common, tmp_path, kills, steps, options
):
    whole, output = tmp_path / "whole", tmp_path / "output"
    assert invoke(*common, *options, "--output", whole).exit_code == 0
    arguments = [*map(str, (*common, *options, "--output", output))]
    drawn = np.random.default_rng(int(time.time()))
    # The step of a session, and how long after it began.
    places = [
        (str(drawn.integers(*steps, endpoint=True)), str(drawn.uniform(0.001, 0.05)))
        for _ in range(kills)
    ]
    for place in places:
        process = [sys.executable, "-c", KILLED, *place, *arguments]
        ended = subprocess.run(process, stderr=subprocess.PIPE)
        assert ended.returncode == -signal.SIGPROF, (places, ended.stderr.decode())
        arguments = [*arguments, "--resume"] if "--resume" not in arguments else arguments
    process = start(*arguments)
    _, said = process.communicate()
    assert process.returncode == 0, (places, said.decode())
    assert b"resumed" in said
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (output / name).read_bytes() == (whole / name).read_bytes(), places
    seeds = [json.loads((place / "report.json").read_text())["seeds"] for place in (output, whole)]
    assert seeds[0] == seeds[1], places
    assert not (output / "training").exists()
