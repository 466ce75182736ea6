"""The model that is measured: published size, random weights, in a folder that all runners read."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.bench.work import Kind, Work
from mobilebert.checkpoint import load_checkpoint
from mobilebert.checkpoint.initial import initial_value
from mobilebert.checkpoint.reading import load_config
from mobilebert.checkpoint.saving import save_checkpoint
from mobilebert.config import MobileBertConfig
from mobilebert.files import make_directory, write_atomic
from mobilebert.hub import BUNDLED_MODEL, BUNDLED_MODELS
from mobilebert.reference import encode, forward, softmax
from mobilebert.weights import WeightKind, weight_specs

__all__ = ["SENTENCE", "TOP_K", "BenchModel", "answer_vector", "texts_of"]

Array = npt.NDArray[Any]

# Part of the folder's name: another model gets another folder.
_VERSION = 1

TASK = "pretraining"  # the encoder with all that the pipelines need

# 9 tokens with [CLS] and [SEP].
SENTENCE = "The capital of France is [MASK]."
MASK_POSITION = 6
SENTENCE_IDS = (101, 1996, 3007, 1997, 2605, 2003, 103, 1012, 102)
TOP_K = 5

# Norms and biases are drawn too: zeros and ones would hide mistakes.
_SPREAD = {WeightKind.NORM_WEIGHT: 0.1, WeightKind.NORM_BIAS: 0.02, WeightKind.LINEAR_BIAS: 0.02}

# Scores of the vocabulary then differ by more than bfloat16 can confuse.
_VOCABULARY_BIAS = 2.0

_TOKENIZER_FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True)
class BenchModel:
    """A folder with a model, and what the runtimes make of it.

    Attributes:
        folder: config.json, model.safetensors and the tokenizer's files; exports stand beside them.
    """

    folder: Path

    @classmethod
    def prepare(cls, cache: Path, config: MobileBertConfig) -> "BenchModel":
        """Make the folder of a configuration, unless it is there.

        Args:
            cache: Where such folders stand; they may be deleted at any time.
            config: The configuration.

        Raises:
            CheckpointError: The folder cannot be written.
        """
        name = f"random-{_VERSION}-{config.num_hidden_layers}-layers-{config.hidden_size}"
        model = cls(make_directory(cache / name))
        if not (model.folder / "complete").exists():
            tensors = _random_tensors(config)
            save_checkpoint(model.folder, config, tensors, task=TASK)
            for file in _TOKENIZER_FILES:
                shutil.copy(BUNDLED_MODELS[BUNDLED_MODEL] / file, model.folder / file)
            write_atomic(model.folder / "complete", "")
        return model

    @cached_property
    def config(self) -> MobileBertConfig:
        """The configuration."""
        config: MobileBertConfig = load_config(self.folder)
        return config

    @cached_property
    def _tensors(self) -> dict[str, Array]:
        return load_checkpoint(self.folder, TASK).arrays("float64")

    def expected(self, work: Work) -> list[Array]:
        """Compute what runners should return, in float64: one array for each text.

        The last hidden state [S, H] of an encoder's work; the scores of the vocabulary with all
        but the best set to zero, [V], of a pipeline's.
        """
        if work.kind is not Kind.ENCODER:
            return [self._expected_scores()]
        return [self._hidden_state(tuple(ids)) for ids in texts_of(work, self.config)]

    @lru_cache(maxsize=256)  # noqa: B019  a run has one model
    def _hidden_state(self, ids: tuple[int, ...]) -> Array:
        states, _ = encode(self._tensors, self.config, np.array([ids]), prefix="mobilebert.")
        return np.asarray(states[-1][0])

    def _expected_scores(self) -> Array:
        logits = forward(
            self._tensors,
            self.config,
            "masked_lm",
            np.array([SENTENCE_IDS]),
            positions=np.array([[0, MASK_POSITION]]),
        )["logits"][0]
        scores = np.asarray(softmax(logits))
        best = np.argsort(scores)[-TOP_K:]
        return answer_vector(
            [{"token": int(token), "score": float(scores[token])} for token in best], len(scores)
        )


def _random_tensors(config: MobileBertConfig) -> dict[str, Array]:
    generator = np.random.default_rng(0)
    tensors = {}
    for spec in weight_specs(config, TASK):
        if spec.tied_to is not None:
            continue
        value = initial_value(spec, config.initializer_range, generator)
        spread = _VOCABULARY_BIAS if spec.name == "cls.predictions.bias" else _SPREAD.get(spec.kind)
        if spread:
            value += spread * generator.standard_normal(spec.shape, dtype=np.float32)
        tensors[spec.name] = value
    return tensors


def texts_of(work: Work, config: MobileBertConfig) -> list[npt.NDArray[np.int64]]:
    """Draw the ids of a work's texts, the same at every call; none of them is padding."""
    generator = np.random.default_rng(work.tokens)
    return [generator.integers(1, config.vocab_size, length) for length in work.lengths]


def answer_vector(answers: Sequence[dict[str, Any]], vocabulary: int) -> Array:
    """Make an array [V] of a fill-mask pipeline's answers: scores where they belong, else zeros."""
    vector = np.zeros(vocabulary)
    for answer in answers:
        vector[answer["token"]] = answer["score"]
    return vector


def parse_answers(text: str, vocabulary: int) -> Array:
    """Read the JSON that a process wrote: the answers, perhaps one list for each text."""
    answers = json.loads(text)
    return answer_vector(answers[0] if isinstance(answers[0], list) else answers, vocabulary)
