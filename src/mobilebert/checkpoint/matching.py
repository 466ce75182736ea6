"""Comparing what a checkpoint holds with what a model needs, before anything is allocated."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mobilebert.checkpoint.names import Dialect, with_prefix
from mobilebert.checkpoint.stored import StoredTensor
from mobilebert.config import MobileBertConfig
from mobilebert.errors import WeightsError
from mobilebert.logging import get_logger
from mobilebert.tasks import TaskSpec
from mobilebert.weights import WeightSpec, differences

__all__ = ["LoadReport", "Mismatch", "match", "with_own_decoder"]

logger = get_logger(__name__)

Mismatch = tuple[str, tuple[int, ...], tuple[int, ...]]

# A model whose weights are mostly absent is not initialised but refused beyond this many numbers:
# a hostile config.json next to a small file must not make us allocate it. The largest published
# model, the teacher, has 2.9e8.
MAX_NEW_PARAMETERS = 2**30


@dataclass(frozen=True)
class LoadReport:
    """How a checkpoint fits a model; names are those of the model.

    Attributes:
        source: The file the weights came from.
        missing: Weights of the model that the checkpoint lacks.
        unexpected: Tensors of the checkpoint that the model has no place for.
        mismatched: (name, shape in the checkpoint, shape in the model).
    """

    source: str
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[Mismatch, ...] = ()

    @property
    def newly_initialized(self) -> tuple[str, ...]:
        """Weights that did not come from the checkpoint."""
        return self.missing + tuple(name for name, _, _ in self.mismatched)

    def announce(self, class_name: str, architectures: Sequence[str] | None = None) -> None:
        """Tell the user what was initialised anew, in one warning, and what was left over.

        Left-over tensors are a warning only if the checkpoint claims to be of this very class.

        Args:
            class_name: The model's class.
            architectures: The classes the configuration names.
        """
        if self.unexpected:
            # A class of another framework has the same weights.
            own = {name.removeprefix("TF") for name in architectures or ()}
            level = logger.warning if class_name.removeprefix("TF") in own else logger.info
            level(
                "Some weights of the checkpoint %s were not used for %s: %s",
                self.source,
                class_name,
                list(self.unexpected),
            )
        if not self.newly_initialized:
            return
        details = "; ".join(
            f"{name} has shape {found} there and {wanted} here"
            for name, found, wanted in self.mismatched
        )
        logger.warning(
            "Some weights of %s were not initialized from the checkpoint %s and are newly "
            "initialized: %s%s. You should probably TRAIN this model on your task before you use "
            "its predictions.",
            class_name,
            self.source,
            list(self.newly_initialized),
            f" ({details})" if details else "",
        )


def match(
    tensors: Mapping[str, StoredTensor],
    specs: Sequence[WeightSpec],
    *,
    source: str,
    prefix: str,
    ignore_mismatched_sizes: bool = False,
) -> tuple[dict[str, StoredTensor], LoadReport]:
    """Choose the tensors a model takes from a checkpoint.

    Args:
        tensors: The checkpoint, by canonical name without prefix.
        specs: What the model needs.
        source: The file, for messages.
        prefix: What the model's encoder names start with.
        ignore_mismatched_sizes: Leave out tensors of another shape instead of failing.

    Returns:
        The tensors by the model's names (tied ones left out), and what did not fit.

    Raises:
        WeightsError: A tensor has another shape or no floating-point numbers, or the checkpoint
            holds nothing of the encoder. The message names all differences.
    """
    found = {with_prefix(name, prefix): tensor for name, tensor in tensors.items()}
    _untie(found, specs)
    _check_dtypes(found, specs, source)
    free = tuple(row for row in specs if row.tied_to is None)
    _add_empty(found, free)
    result = differences(free, {name: tensor.shape for name, tensor in found.items()})
    report = LoadReport(source, result.missing, result.unexpected, result.mismatched)
    if result.mismatched and not ignore_mismatched_sizes:
        raise WeightsError(_mismatch_message(report))
    _check_enough(found, free, report, prefix)
    wrong = {name for name, _, _ in result.mismatched}
    chosen = {row.name: found[row.name] for row in free if row.name in found.keys() - wrong}
    return chosen, report


def with_own_decoder(
    config: MobileBertConfig,
    task: TaskSpec,
    tensors: Mapping[str, StoredTensor],
    dialect: Dialect,
) -> MobileBertConfig:
    """Return the configuration with ``tie_word_embeddings`` off where the checkpoint needs it.

    transformers' TensorFlow classes have a decoder of their own whatever the configuration says
    (modeling_tf_mobilebert.py). One that was trained there differs from the word embeddings;
    taking the embeddings in its place would change what the model answers.

    Args:
        config: The configuration; not changed.
        task: The model.
        tensors: The checkpoint, by canonical name without prefix.
        dialect: Who named its tensors.
    """
    names = ("cls.predictions.decoder.weight", "embeddings.word_embeddings.weight")
    decoder, words = (tensors.get(name) for name in names)
    tied = task.vocabulary and config.tie_word_embeddings
    if dialect is not Dialect.KERAS or not tied or decoder is None or words is None:
        return config
    if decoder.shape != words.shape or np.array_equal(decoder.raw(), words.raw()):
        return config
    logger.warning(
        "The decoder of the masked-language-model head in this TensorFlow checkpoint is not the "
        "table of word embeddings; it is loaded as a weight of its own "
        "(config.tie_word_embeddings=False)."
    )
    config = copy.deepcopy(config)
    config.tie_word_embeddings = False
    return config


def _untie(found: dict[str, StoredTensor], specs: Sequence[WeightSpec]) -> None:
    """Drop tied tensors; where only the tied one is in the file, it stands for the other."""
    for row in specs:
        if row.tied_to is not None and row.name in found:
            tensor = found.pop(row.name)
            found.setdefault(row.tied_to, tensor)


def _add_empty(found: dict[str, StoredTensor], specs: Sequence[WeightSpec]) -> None:
    """Put tensors without numbers where the file has none: nothing of them can be missing.

    Where embedding_size is hidden_size, nothing extends the word table, and not every writer
    stores the empty extension.
    """
    for row in specs:
        if row.size == 0 and row.name not in found:
            found[row.name] = StoredTensor.from_array(np.empty(row.shape, np.float32))


def _check_dtypes(
    found: Mapping[str, StoredTensor], specs: Sequence[WeightSpec], source: str
) -> None:
    wrong = [
        f"{row.name} ({found[row.name].dtype})"
        for row in specs
        if row.name in found and not found[row.name].floating
    ]
    if wrong:
        raise WeightsError(
            f"{source} holds weights of a wrong dtype: {', '.join(wrong)}; weights must be "
            "floating-point numbers (F64, F32, F16 or BF16)."
        )


def _mismatch_message(report: LoadReport) -> str:
    shapes = ", ".join(
        f"{name} has shape {list(found)}, not {list(wanted)}"
        for name, found, wanted in report.mismatched
    )
    parts = [f"The weights in {report.source} do not fit the configuration: {shapes}"]
    if report.missing:
        parts.append(f"missing: {', '.join(report.missing)}")
    if report.unexpected:
        parts.append(f"unexpected: {', '.join(report.unexpected)}")
    parts.append("correct config.json, or give ignore_mismatched_sizes=True to initialise them")
    return "; ".join(parts) + "."


def _check_enough(
    found: Mapping[str, StoredTensor],
    specs: Sequence[WeightSpec],
    report: LoadReport,
    prefix: str,
) -> None:
    parts = tuple(f"{prefix}{part}." for part in ("embeddings", "encoder"))
    encoder = [row.name for row in specs if row.name.startswith(parts)]
    if encoder and not any(name in found for name in encoder):
        names = ", ".join(list(report.unexpected)[:5]) or "no tensors at all"
        raise WeightsError(
            f"{report.source} holds no weight of a MobileBERT encoder: it has {names}, but not "
            f"{encoder[0]} and {len(encoder) - 1:,} others."
        )
    new = set(report.newly_initialized)
    size = sum(row.size for row in specs if row.name in new)
    if size > MAX_NEW_PARAMETERS:
        raise WeightsError(
            f"{report.source} lacks {len(new)} weights with {size:,} numbers that config.json asks "
            f"for: {', '.join(report.newly_initialized[:8])}, ...; the configuration does not "
            "belong to this checkpoint."
        )
