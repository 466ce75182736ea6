"""Small random checkpoints on disk, with the bundled vocabulary, for pipelines and commands."""

import json
import shutil

import numpy as np
from safetensors.numpy import save_file

from mobilebert.hub import BUNDLED_MODEL, BUNDLED_MODELS
from mobilebert.pipelines import pipeline_class
from mobilebert.tasks import PIPELINE_TASKS, resolve_task
from models import random_tensors, small_config

NER_LABELS = {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"}
NLI_LABELS = {0: "contradiction", 1: "neutral", 2: "entailment"}


def write_checkpoint(directory, task, seed=0, leave_out=(), **overrides):
    """Write a random model and the bundled tokenizer; the padding row is zero."""
    spec = resolve_task(task)
    labels = {} if "id2label" in overrides else {"num_labels": 3}
    settings = {"vocab_size": 30522, "max_position_embeddings": 64} | labels
    config = small_config(**(settings | overrides), architectures=[spec.class_name])
    tensors = random_tensors(config, spec, seed)
    # transformers lets the padding row leak into its neighbours; zeros there make it harmless.
    tensors[f"{spec.prefix}embeddings.word_embeddings.weight"][0] = 0
    directory.mkdir(parents=True, exist_ok=True)
    kept = {name: array for name, array in tensors.items() if name not in leave_out}
    save_file(kept, directory / "model.safetensors", metadata={"format": "pt"})
    config.save_pretrained(directory)
    for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(BUNDLED_MODELS[BUNDLED_MODEL] / name, directory / name)
    path = directory / "tokenizer_config.json"
    content = json.loads(path.read_text())
    content["model_max_length"] = config.max_position_embeddings
    path.write_text(json.dumps(content))
    return directory


OVERRIDES = {
    "question-answering": {"num_labels": 2},
    "token-classification": {"id2label": NER_LABELS},
    "zero-shot-classification": {"id2label": NLI_LABELS},
}


class RecordingBackend:
    """A backend that remembers its batches and may change its outputs."""

    name = "recording"

    def __init__(self, backend, change=lambda outputs: outputs):
        self.backend, self.change = backend, change
        self.config, self.task = backend.config, backend.task
        self.batches, self.positions = [], []

    def run(self, batch, positions=None):
        self.batches.append(batch)
        self.positions.append(positions)
        return self.change(self.backend.run(batch, positions))


def recorded(answerer, change=lambda outputs: outputs):
    """Return the pipeline with a recording backend in between."""
    backend = RecordingBackend(answerer.model, change)
    return pipeline_class(answerer.task)(backend, answerer.tokenizer), backend


def scaled(factor):
    """Return a change that multiplies outputs, for huge logits."""
    return lambda outputs: {name: np.asarray(x) * factor for name, x in outputs.items()}


def write_all(root):
    """Write a random checkpoint for each pipeline task; return task -> directory."""
    return {
        task: write_checkpoint(root / task, spec, seed=number, **OVERRIDES.get(task, {}))
        for number, (task, spec) in enumerate(PIPELINE_TASKS.items())
    }
