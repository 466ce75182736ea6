"""What the benchmark of training speed makes of the times it measures."""

import subprocess
import sys

import numpy as np
import pytest

from mobilebert.datasets.items import FinetuneTask
from mobilebert.pipelines.encoding import ModelInput
from mobilebert.training.examples import ExampleSet, NewExample
from recipes.benchmark_modules import BENCHMARKS, benchmark


@pytest.fixture(scope="module")
def speed():
    return benchmark("train_speed")


def some(speed, *lengths):
    examples = [NewExample([ModelInput([1] * n, [0] * n)], [0], n) for n in lengths]
    return speed.Workload(FinetuneTask.TEXT_CLASSIFICATION, ExampleSet.build(examples))


def test_workloads_one_after_the_other_are_added_by_round(speed):
    fast = {"ours": np.array([[1, 2], [2, 2], [1, 1]]), "transformers": np.full((3, 2), 2)}
    slow = {"ours": np.array([[3, 6], [2, 6], [9, 9]]), "transformers": np.full((3, 2), 10)}
    found = speed.together([(some(speed, 3, 5), fast), (some(speed, 7, 1), slow)])
    assert (found["tokens"], found["padded"]) == (16, 24)
    assert found["seconds"] == {"ours": 4, "transformers": 12, "ratio to transformers": 3}
    assert found["processor seconds"]["ratio to transformers"] == 12 / 8
    assert found["tokens per second"] == 4
    assert speed.line("both", found) == "| both | 16 (24) | 4 | 3.00 x (1.50) |"


def test_the_tables_program_loads_no_torch(speed):
    """Each side says how its threads wait before it loads it."""
    code = "import sys, train_speed; sys.exit('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], cwd=BENCHMARKS, check=False)
    assert ended.returncode == 0
