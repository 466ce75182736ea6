"""What is exchanged with transformers' TensorFlow classes: one row for each model."""

import json
from dataclasses import dataclass, field

import numpy as np

from mobilebert.tasks import TASKS
from models import PEER_VARIANTS
from parity.inputs import LENGTH, ROWS, inputs_for
from tf_models import build, tf_names

__all__ = ["CASES", "Case", "give"]

# Both forms of one file, and of several.
FILES = ("h5", "safetensors")
SHARDS = ("h5 shards", "safetensors shards")

# Those classes have no relu6.
VARIANTS = tuple(name for name in PEER_VARIANTS if name != "qat")


@dataclass(frozen=True)
class Case:
    """A model that both sides build.

    Attributes:
        task: Which model.
        variant: Which configuration.
        forms: How their model is written.
        tied: Whether the decoder of their model is made the word embeddings, as the configuration
            says. Training unties it there.
        fields: Further fields of the configuration.
    """

    task: str
    variant: str = "mobilebert"
    forms: tuple[str, ...] = FILES
    tied: bool = True
    fields: dict = field(default_factory=dict)

    def model(self):
        """Build our model, every variable drawn at random."""
        # Their TensorFlow classes use layer_norm_eps everywhere, PyTorch's use 1e-5 at two places.
        fields = {"layer_norm_eps": 1e-5} if self.variant == "no_opt" else {}
        # Their question answering fails unless there are two labels.
        fields |= {} if self.task == "question_answering" else {"num_labels": 3}
        return build(self.task, self.variant, **fields | self.fields)

    def inputs(self, config):
        """Draw padded pairs."""
        return inputs_for("padded_pairs", config, self.task)

    def labels(self, config):
        """Draw labels, some of them to be ignored, under the names that their classes have."""
        rng = np.random.default_rng(5)
        row = TASKS[self.task]
        tokens = rng.integers(0, config.vocab_size if row.vocabulary else 3, size=(ROWS, LENGTH))
        tokens[:, ::3] = -100
        single = {name: np.array([1, 0, 1]) for name in row.labels}
        per_token = row.vocabulary or self.task == "token_classification"
        return tf_names(self.task, single | ({"labels": tokens} if per_token else {}))


def _cases():
    for task in TASKS:
        yield task, Case(task)
    for variant in VARIANTS[1:]:
        tied = variant != "untied"
        fields = {"num_hidden_layers": 1}
        yield f"pretraining, {variant}", Case("pretraining", variant, FILES[:1], tied, fields)
    for task in ("question_answering", "sequence_classification"):
        yield f"{task}, no_opt", Case(task, "no_opt", FILES[1:])
    for task in ("feature_extraction", "masked_lm"):
        yield f"{task}, shards", Case(task, forms=SHARDS)
    yield "masked_lm, trained", Case("masked_lm", tied=False)


CASES = dict(_cases())


def give(case, place):
    """Write what the other side reads.

    Args:
        case: The case.
        place: Directory to make.
    """
    model = case.model()
    labels = case.labels(model.config)
    # Several files come back from them and go to them alike.
    size = {"max_shard_size": "40KB"} if case.forms is SHARDS else {}
    model.save_pretrained(place / "ours", **size)
    np.savez(place / "inputs.npz", **case.inputs(model.config), **labels)
    plan = {
        "class": type(model).__name__,
        "labels": list(labels),
        "tied": case.tied,
        "forms": case.forms,
    }
    (place / "case.json").write_text(json.dumps(plan))
