"""Threads of torch are told how to wait before it is loaded; afterwards nobody reads it."""

import os
import subprocess
import sys

import pytest

# Says what the environment holds when torch is looked for, and goes no further.
WATCHED = """
import os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print(*map(os.environ.get, ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")))
            sys.stdout.flush()
            os._exit(0)
sys.meta_path.insert(0, Watch())
from mobilebert.commands.main import main
main()
"""
COMMANDS = {
    "finetune": ["--task", "text-classification", "--train", "train.csv"],
    "pretrain": ["--config", "mobilebert-mini", "--data", "data"],
    "distill": ["--teacher", "teacher", "--student", "mobilebert-mini", "--data", "data"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_training_says_it_before_torch_is_loaded(command, tmp_path):
    own = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {name: x for name, x in os.environ.items() if name not in own}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, command, *COMMANDS[command], "--output", "made"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "PASSIVE 2000\n"
