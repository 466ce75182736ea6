"""What a run is made of besides the model: tokenizer, prepared data, device, settings."""

import dataclasses
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

from mobilebert.config import MobileBertConfig
from mobilebert.corpora.manifest import Manifest, Split
from mobilebert.corpora.prepared import PreparedCorpus
from mobilebert.hub import BUNDLED_MODEL, resolve_file
from mobilebert.pretraining.batches import PretrainingData
from mobilebert.pretraining.devices import resolve_device
from mobilebert.pretraining.readable import check_readable
from mobilebert.pretraining.settings import RunSettings
from mobilebert.pretraining.source_passes import sequence_passes
from mobilebert.text import MobileBertTokenizerFast
from mobilebert.text.vocabulary import TOKENIZER_FILES
from mobilebert.training.batching import BatchPlan, FloatArray
from mobilebert.training.loop_settings import LoopSettings, remember_every
from mobilebert.training.settings import Precision

__all__ = ["Material", "has_tokenizer", "judging_data", "load_tokenizer"]

# The masks a model is judged by are always the same.
_JUDGING_SEED = 0
# Evaluations of a run, where the user does not say.
_EVALUATIONS = 20
# Fields of configurations that there were not when the first runs began: where they are None, a
# digest is as it was.
_LATER_FIELDS = (
    "bos_token_id",
    "decoder_start_token_id",
    "eos_token_id",
    "prefix",
    "sep_token_id",
    "task_specific_params",
)


def judging_data(
    directory: str | os.PathLike[str],
    tokenizer: Any,
    vocab_size: int,
    device: torch.device | str = "cpu",
) -> PretrainingData | None:
    """Open the held-out split of prepared data; None if nothing was held out."""
    if not Manifest.read(Path(directory)).total(Split.HELD_OUT).sequences:
        return None
    corpus = PreparedCorpus.open(directory, Split.HELD_OUT)
    return PretrainingData(corpus, tokenizer, vocab_size, seed=_JUDGING_SEED, device=device)


@dataclass(frozen=True)
class Material:
    """What a run is made of besides the model.

    Attributes:
        tokenizer: The tokenizer.
        train: What is learned.
        held_out: What is judged by; None if nothing was held out.
        settings: The settings, none open.
        device: Where is computed.
        passes: How often an epoch reads each sequence; None for once.
    """

    tokenizer: Any
    train: PretrainingData
    held_out: PretrainingData | None
    settings: RunSettings
    device: torch.device
    passes: FloatArray | None = None

    @classmethod
    def read(
        cls,
        directory: str | os.PathLike[str],
        tokenizer: Any,
        config: MobileBertConfig,
        settings: RunSettings,
    ) -> Self:
        """Open everything.

        Args:
            directory: Prepared data.
            tokenizer: Their tokenizer.
            config: Of the model.
            settings: The settings, none open.

        Raises:
            InputError: The data cannot be used, the model cannot read them, or there is no such
                device.
        """
        device = resolve_device(settings.device)
        corpus = PreparedCorpus.open(directory, Split.TRAIN)
        rows = config.vocab_size
        train = PretrainingData(corpus, tokenizer, rows, seed=settings.seed, device=device)
        held_out = judging_data(directory, tokenizer, rows, device)
        for data in (train, held_out):
            if data is not None:
                check_readable(data, config)
        passes = None
        if settings.source_passes is not None:
            passes = sequence_passes(corpus, settings.source_passes)
        return cls(tokenizer, train, held_out, settings, device, passes)

    @property
    def precision(self) -> Precision:
        """Element type of the arithmetic."""
        return Precision(self.settings.precision)

    def plan(self) -> BatchPlan:
        """Return the batches of the steps."""
        lengths, settings = self.train.lengths, self.settings
        assert settings.batch_size is not None  # filled from the preset
        return BatchPlan(lengths, settings.batch_size, settings.seed, passes=self.passes)

    def loop_settings(self, steps: int, offset: int = 0) -> LoopSettings:
        """Return how a loop of some steps runs, behind `offset` steps of others."""
        settings = self.settings
        return LoopSettings(
            steps=steps,
            clip=settings.clip or float("inf"),
            micro_tokens=settings.micro_tokens,
            evaluate_every=settings.evaluate_every or max(1, steps // _EVALUATIONS),
            checkpoint_every=settings.checkpoint_every,
            remember_every=remember_every(steps),
            report_every=max(1, min(50, steps // 200)),
            seed=settings.seed,
            offset=offset,
            spike=settings.spike,
        )

    def digest(self, config: MobileBertConfig, *others: str) -> str:
        """Return a digest of all that decides how a run goes.

        Args:
            config: Of the model.
            *others: What else does: strategy, digests of weights.
        """
        # Where it is computed, and how often it is judged and kept, is no part of it.
        left_out = ("device", "checkpoint_every", "evaluation_words", "evaluate_every")
        known = {
            name: value
            for name, value in dataclasses.asdict(self.settings).items()
            if name not in left_out
        }
        if known["source_passes"] is None:
            del known["source_passes"]  # as before there was such a setting
        model = {
            name: value
            for name, value in config.to_dict().items()
            if value is not None or name not in _LATER_FIELDS
        }
        parts = [repr(sorted(known.items())), self.train.corpus.digest(), repr(model), *others]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def load_tokenizer(name: str | os.PathLike[str] | None) -> Any:
    """Load a tokenizer; the bundled one by default.

    Raises:
        CheckpointError: There is none.
    """
    where = BUNDLED_MODEL if name is None else name
    return MobileBertTokenizerFast.from_pretrained(where if isinstance(where, str) else Path(where))


def has_tokenizer(name: str | os.PathLike[str]) -> bool:
    """Tell whether a checkpoint comes with a tokenizer, or with a part of one.

    Raises:
        CheckpointError: There is no such checkpoint, or it cannot be told.
    """
    return any(resolve_file(name, file, required=False) for file in TOKENIZER_FILES)
