"""Checkpoints in the place of the fine-tuned ones that the documented pages load."""

import json
import shutil

import numpy as np
import pytest
import safetensors.numpy

import mobilebert
from mobilebert.hub import BUNDLED_MODEL, BUNDLED_MODELS
from mobilebert.tasks import TASKS
from mobilebert.weights import weight_specs


@pytest.fixture(scope="session")
def checkpoint_for(tmp_path_factory):
    """Give the bundled checkpoint a drawn head."""
    made = {}

    def make(task, labels):
        if (task, labels) in made:
            return made[task, labels]
        directory = tmp_path_factory.mktemp(task)
        for file in BUNDLED_MODELS[BUNDLED_MODEL].iterdir():
            if file.name not in ("model.safetensors", "config.json"):
                shutil.copy(file, directory)
        config = json.loads((BUNDLED_MODELS[BUNDLED_MODEL] / "config.json").read_text())
        config["architectures"] = [TASKS[task].class_name]
        names = [f"class {number}" for number in range(labels)]
        config["id2label"] = dict(enumerate(names))
        config["label2id"] = {name: number for number, name in enumerate(names)}
        (directory / "config.json").write_text(json.dumps(config))
        body = safetensors.numpy.load_file(BUNDLED_MODELS[BUNDLED_MODEL] / "model.safetensors")
        rng = np.random.default_rng(5)
        settings = mobilebert.MobileBertConfig.from_pretrained(directory)
        tensors = {
            spec.name: body[spec.name]
            if spec.name in body
            else (0.5 * rng.standard_normal(spec.shape)).astype(np.float16)
            for spec in weight_specs(settings, task)
        }
        safetensors.numpy.save_file(tensors, directory / "model.safetensors", {"format": "pt"})
        made[task, labels] = str(directory)
        return made[task, labels]

    return make
