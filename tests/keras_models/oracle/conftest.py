"""A second environment, in which transformers' TensorFlow classes run.

They need Keras 2 (tf-keras), which does not belong beside the Keras 3 that this library uses.
Everything else is taken from the environment that runs the tests.
"""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from keras_models.oracle.cases import CASES, give

TF_KERAS = "tf-keras==2.21.0"
PEER = Path(__file__).with_name("peer.py")

# What would change the second environment, or what a run in it does.
NOT_PASSED_ON = ("PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "KERAS_BACKEND", "PIP_TARGET")
PASSED_ON = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "HF_HUB_OFFLINE": "1"}


def run(what, *command):
    environment = {k: v for k, v in os.environ.items() if k not in NOT_PASSED_ON} | PASSED_ON
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{what} failed ({done.returncode}):\n{done.stdout}\n{done.stderr}", False)


@pytest.fixture(scope="session")
def second_python(tmp_path_factory):
    """Make the environment; return its interpreter."""
    place = tmp_path_factory.mktemp("second") / "environment"
    run("Making a second environment", sys.executable, "-m", "venv", str(place))
    paths = sysconfig.get_paths("venv", {"base": str(place), "platbase": str(place)})
    python = Path(paths["scripts"]) / "python"
    install = ("-m", "pip", "install", "--disable-pip-version-check", "--no-deps", TF_KERAS)
    run(f"Installing {TF_KERAS} there", str(python), *install)
    # After the installation, which would otherwise see these packages as its own.
    packages = [entry for entry in sys.path if entry.endswith("-packages")]
    Path(paths["purelib"], "first.pth").write_text("\n".join(packages) + "\n")
    return python


@pytest.fixture(scope="session")
def exchanged(second_python, tmp_path_factory):
    """Give every case to the other side; return the directory with its answers and files."""
    place = tmp_path_factory.mktemp("exchanged")
    for name, case in CASES.items():
        give(case, place / name)
    run("transformers' TensorFlow side", str(second_python), "-W", "ignore", str(PEER), str(place))
    return place
