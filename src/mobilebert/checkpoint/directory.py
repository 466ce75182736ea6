"""A checkpoint: configuration and weights, loaded together and checked against each other."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.checkpoint.initial import initial_value
from mobilebert.checkpoint.matching import LoadReport, match, with_own_decoder
from mobilebert.checkpoint.names import canonical_tensors
from mobilebert.checkpoint.reading import (
    STANDARD_FORMATS,
    WeightsOptions,
    load_config,
    read_weights,
)
from mobilebert.checkpoint.stored import DTYPES, StoredTensor
from mobilebert.config import MobileBertConfig
from mobilebert.errors import ArgumentError, CheckpointError
from mobilebert.hub import HubOptions
from mobilebert.tasks import TASKS, TaskSpec, resolve_task, task_of_architecture
from mobilebert.weights import weight_specs

# Multiples that tables are padded to for the matrix units of accelerators: 8, 16, 32, 64, 128.
_ROWS_MULTIPLE = 8
_LARGEST_MULTIPLE = 128

__all__ = ["Checkpoint", "check_vocabulary", "load_checkpoint", "task_of_config"]


@dataclass(frozen=True)
class Checkpoint:
    """The weights of one model.

    Attributes:
        config: The configuration.
        task: Which model.
        tensors: Canonical name -> tensor, read when used. Tied tensors are left out.
        report: What the files lack and what they have too much.
    """

    config: MobileBertConfig
    task: TaskSpec
    tensors: Mapping[str, StoredTensor]
    report: LoadReport

    @property
    def dtype(self) -> str:
        """The element type most weights are stored in, e.g. ``float16``."""
        return dominant_dtype(self.tensors)

    def arrays(
        self, dtype: npt.DTypeLike | None = np.float32, seed: int = 0
    ) -> dict[str, npt.NDArray[Any]]:
        """Read all weights.

        Args:
            dtype: Element type of the arrays; None is what each is stored in (float32 for
                bfloat16, which numpy lacks).
            seed: Where the random numbers of missing weights start.

        Returns:
            Canonical name -> array, for every weight of the model but the tied ones. Weights that
            the files lack (``report.newly_initialized``) are initialised.
        """
        generator = np.random.default_rng(seed)
        arrays: dict[str, npt.NDArray[Any]] = {}
        for row in weight_specs(self.config, self.task):
            if row.name in self.tensors:
                stored = self.tensors[row.name].array()
                arrays[row.name] = stored.astype(dtype or stored.dtype, copy=False)
            elif row.tied_to is None:
                value = initial_value(row, self.config.initializer_range, generator)
                arrays[row.name] = value.astype(dtype or np.float32, copy=False)
        return arrays


def dominant_dtype(tensors: Mapping[str, StoredTensor]) -> str:
    """Return the name of the floating-point type that most numbers have; float32 if none."""
    numbers: Counter[str] = Counter()
    for tensor in tensors.values():
        if tensor.floating:
            numbers[tensor.dtype] += tensor.nbytes // DTYPES[tensor.dtype].size
    return DTYPES[numbers.most_common(1)[0][0]].name if numbers else "float32"


def architectures_of(config: MobileBertConfig) -> tuple[str, ...]:
    """Return the class names a configuration gives; config.json may hold anything there."""
    names = config.architectures
    if isinstance(names, str):
        return (names,)
    return tuple(map(str, names)) if isinstance(names, (list, tuple)) else ()


def task_of_config(config: MobileBertConfig) -> TaskSpec | None:
    """Return the model that ``architectures`` names, or None."""
    for architecture in architectures_of(config):
        spec = task_of_architecture(architecture)
        if spec is not None:
            return spec
    return None


def load_checkpoint(
    name_or_path: str | os.PathLike[str],
    task: str | TaskSpec | None = None,
    *,
    config: MobileBertConfig | None = None,
    variant: str | None = None,
    use_safetensors: bool | None = None,
    from_tf: bool = False,
    formats: Sequence[str] = STANDARD_FORMATS,
    ignore_mismatched_sizes: bool = False,
    **hub_options: Any,
) -> Checkpoint:
    """Load the weights of a model, without any framework.

    Args:
        name_or_path: Directory, one weights file, prefix of a TF1 checkpoint, bundled name or Hub
            name.
        task: Which model, in any spelling; by default the one config.json names.
        config: The configuration, instead of the checkpoint's own.
        variant: Middle part of the file name, ``model.<variant>.safetensors``.
        use_safetensors: True takes safetensors only, False takes none.
        from_tf: Take a TensorFlow checkpoint.
        formats: Names of the files that are looked for, as for `reading.read_weights`.
        ignore_mismatched_sizes: Initialise tensors of another shape instead of failing.
        **hub_options: The fields of `mobilebert.hub.HubOptions`.

    Raises:
        CheckpointError: Files are missing or damaged.
        ConfigError: config.json describes no possible MobileBERT.
        WeightsError: The weights do not fit the configuration; names all differences.
        ArgumentError: An unknown keyword.
    """
    unknown = hub_options.keys() - HubOptions.__dataclass_fields__.keys()
    if unknown:
        raise ArgumentError(f"load_checkpoint() does not know {', '.join(sorted(unknown))}.")
    hub = HubOptions(**hub_options)
    if config is None:
        config = load_config(name_or_path, hub)
    spec = resolve_task(task) if task is not None else task_of_config(config)
    if spec is None:
        known = ", ".join(row.class_name for row in TASKS.values())
        raise CheckpointError(
            f"The configuration of {str(name_or_path)!r} does not say which model it is "
            f"(architectures={config.architectures!r}); give task=, or write one of {known} there."
        )
    options = WeightsOptions(variant=variant, use_safetensors=use_safetensors, from_tf=from_tf)
    source = read_weights(name_or_path, options, hub, formats=formats)
    tensors = canonical_tensors(source.tensors, config, source.dialect)
    config = with_own_decoder(config, spec, tensors, source.dialect)
    chosen, report = match(
        tensors,
        weight_specs(config, spec),
        source=str(source.path),
        prefix=spec.prefix,
        ignore_mismatched_sizes=ignore_mismatched_sizes,
    )
    return Checkpoint(config, spec, chosen, report)


def check_vocabulary(
    config: MobileBertConfig, size: int, source: str = "the tokenizer", *, predicts: bool = True
) -> None:
    """Check that a vocabulary and the word embedding belong together.

    A model that only reads tokens may have the few spare rows that resizing with
    ``pad_to_multiple_of`` leaves. One that predicts tokens may not: it could answer with a row
    that is no token.

    Args:
        config: The model's configuration.
        size: Number of tokens, added ones included.
        source: Where the vocabulary came from, for the message.
        predicts: Whether the model predicts tokens.

    Raises:
        CheckpointError: The vocabulary is smaller or larger than the embedding.
    """
    if size == config.vocab_size or (not predicts and _is_padded(size, config.vocab_size)):
        return
    relation = "smaller" if size < config.vocab_size else "larger"
    raise CheckpointError(
        f"The vocabulary of {source} is {relation} than the model's embedding ({size:,} tokens, "
        f"{config.vocab_size:,} rows); use the tokenizer files that belong to the model, or "
        f"resize_token_embeddings({size})."
    )


def _is_padded(size: int, rows: int) -> bool:
    """Tell whether `rows` are `size` tokens and padding to a multiple, at most 1% of all rows."""
    spare = rows - size
    return rows % _ROWS_MULTIPLE == 0 and 0 < spare < _LARGEST_MULTIPLE and spare * 100 <= rows
