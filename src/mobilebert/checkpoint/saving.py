"""Writing a checkpoint directory, complete or not at all."""

import copy
import json
import os
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.checkpoint.directory import dominant_dtype
from mobilebert.checkpoint.reading import (
    INDEX_SUFFIX,
    SAFETENSORS_NAME,
    STANDARD_FORMATS,
    TORCH_NAME,
    with_variant,
)
from mobilebert.checkpoint.safetensors_file import serialized
from mobilebert.checkpoint.shards import parse_size, shard_names, split
from mobilebert.checkpoint.stored import StoredTensor
from mobilebert.checkpoint.torch_file import torch_from_stored, write_torch_file
from mobilebert.config import CONFIG_NAME, MobileBertConfig
from mobilebert.errors import CheckpointError
from mobilebert.files import atomic_path
from mobilebert.logging import get_logger
from mobilebert.tasks import TaskSpec, resolve_task
from mobilebert.weights import weight_specs

__all__ = ["save_checkpoint"]

logger = get_logger(__name__)

Tensors = Mapping[str, StoredTensor]

_DECODER = "cls.predictions.decoder.weight"
_WORDS = "mobilebert.embeddings.word_embeddings.weight"


def save_checkpoint(
    directory: str | os.PathLike[str],
    config: MobileBertConfig,
    tensors: Mapping[str, StoredTensor | npt.NDArray[Any]],
    *,
    task: str | TaskSpec | None = None,
    shared: Collection[str] | None = None,
    max_shard_size: int | str = "5GB",
    variant: str | None = None,
    safe_serialization: bool = True,
    save_function: Callable[..., Any] | None = None,
) -> list[Path]:
    """Write config.json and the weights.

    All files are written beside their places first and moved there at the end, so an error leaves
    an earlier checkpoint in the directory as it was. Tied tensors are not written, if they are
    equal.

    Args:
        directory: Where to write; made if it does not exist.
        config: The configuration; written with the weights' dtype and the task's class, and with
            ``tie_word_embeddings=False`` where the decoder is not the table of word embeddings.
        tensors: Canonical name -> tensor, as a model of the task has them.
        task: The model the weights are of; by default what ``config.architectures`` says.
        shared: Names of the tensors that share the memory of others in the model: of tied tensors
            that are equal, only these are left out. All of them by default.
        max_shard_size: Largest weights file, in bytes or as text such as "5GB".
        variant: Middle part of the file names, ``model.<variant>.safetensors``.
        safe_serialization: safetensors; False writes ``pytorch_model.bin`` (needs PyTorch).
        save_function: Writes a ``.bin`` file in place of ``torch.save``; called with the tensors
            by name and the path.

    Returns:
        The files that were written.

    Raises:
        CheckpointError: The directory or a file cannot be written.
        ArgumentError: An impossible `max_shard_size`.
    """
    folder = Path(directory)
    rows = {
        name: tensor if isinstance(tensor, StoredTensor) else StoredTensor.from_array(tensor)
        for name, tensor in tensors.items()
    }
    for name in _tied_names(config, rows):
        if shared is None or name in shared:
            del rows[name]
    config = _described(config, rows, task)
    text = config.to_json_string()
    filename = with_variant(SAFETENSORS_NAME if safe_serialization else TORCH_NAME, variant)
    groups = split({name: row.nbytes for name, row in rows.items()}, parse_size(max_shard_size))
    names = shard_names(filename, len(groups))
    write = _write_safetensors if safe_serialization else partial(_write_torch, save_function)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            # Left in reverse order: first the weights take their places, config.json last.
            _text(stack, folder / CONFIG_NAME, text)
            if len(groups) > 1:
                index = _index(rows, groups, names)
                single = SAFETENSORS_NAME if safe_serialization else TORCH_NAME
                names.append(with_variant(single + INDEX_SUFFIX, variant))
                _text(stack, folder / names[-1], index)
            for name, group in zip(names, groups, strict=False):
                temporary = stack.enter_context(atomic_path(folder / name))
                write(temporary, {key: rows[key] for key in group})
    except CheckpointError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise CheckpointError(f"Cannot write a checkpoint to {folder}: {reason}.") from None
    _remove_stale(folder, filename, keep=names)
    return [folder / name for name in (CONFIG_NAME, *names)]


def _tied_names(config: MobileBertConfig, tensors: Tensors) -> list[str]:
    """Name the tensors that need not be written, because what they are tied to is the same.

    A user's class may have others by these names, and a decoder may be replaced.
    """
    if config.embedding_size > config.hidden_size:
        return []  # has no vocabulary head, and only that has ties
    return [
        row.name
        for row in weight_specs(config, "pretraining")
        if row.tied_to is not None
        and row.name in tensors.keys()
        and row.tied_to in tensors.keys()
        and _same(tensors[row.name], tensors[row.tied_to])
    ]


def _same(one: StoredTensor, other: StoredTensor) -> bool:
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    # As bytes: what is not a number differs from itself.
    return np.array_equal(np.frombuffer(one.data, np.uint8), np.frombuffer(other.data, np.uint8))


def _described(
    config: MobileBertConfig, tensors: Tensors, task: str | TaskSpec | None
) -> MobileBertConfig:
    config = copy.deepcopy(config)
    config.dtype = dominant_dtype(tensors)
    if _has_own_decoder(config, tensors):
        logger.warning(
            "The decoder of the masked-language-model head is not the table of word embeddings; "
            "it is written as a weight of its own, and config.json with tie_word_embeddings=false."
        )
        config.tie_word_embeddings = False
    if task is not None:
        config.architectures = [resolve_task(task).class_name]
    return config


def _has_own_decoder(config: MobileBertConfig, tensors: Tensors) -> bool:
    """Tell whether the decoder would be lost by a model that ties it."""
    if not config.tie_word_embeddings or config.embedding_size > config.hidden_size:
        return False
    decoder, words = (tensors.get(name) for name in (_DECODER, _WORDS))
    if decoder is None or words is None or decoder.shape != words.shape:
        return False
    return not _same(decoder, words)


def _text(stack: ExitStack, path: Path, text: str) -> None:
    stack.enter_context(atomic_path(path)).write_text(text, encoding="utf-8")


def _write_safetensors(path: Path, tensors: Tensors) -> None:
    with path.open("wb") as file:
        # The entry by which transformers tells PyTorch's layout from TensorFlow's.
        file.writelines(serialized(tensors, {"format": "pt"}))


def _write_torch(save_function: Callable[..., Any] | None, path: Path, tensors: Tensors) -> None:
    if save_function is None:
        write_torch_file(path, tensors)
    else:
        save_function({name: torch_from_stored(row) for name, row in tensors.items()}, path)


def _index(tensors: Tensors, groups: list[list[str]], names: list[str]) -> str:
    where = {key: name for name, group in zip(names, groups, strict=True) for key in group}
    total = sum(tensor.nbytes for tensor in tensors.values())
    content = {"metadata": {"total_size": total}, "weight_map": where}
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def _remove_stale(folder: Path, filename: str, keep: list[str]) -> None:
    """Remove weights of an earlier save that would be read instead of the ones written now."""
    stem, _, suffix = filename.rpartition(".")
    single = SAFETENSORS_NAME if suffix == "safetensors" else TORCH_NAME
    variant = stem.removeprefix(single.rpartition(".")[0]).removeprefix(".")
    # Of its own format, and of those that are looked for first.
    formats = STANDARD_FORMATS[: STANDARD_FORMATS.index(single) + 1]
    stale = [pattern for name in formats for pattern in _weights_patterns(name, variant)]
    for path in folder.iterdir():
        matches = any(pattern.fullmatch(path.name) for pattern in stale)
        if matches and path.name not in keep and path.is_file():
            path.unlink()


def _weights_patterns(single: str, variant: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return what the files of one format and variant match: weights, and their index."""
    stem, _, suffix = with_variant(single, variant).rpartition(".")
    weights = re.compile(rf"{re.escape(stem)}(-\d{{5}}-of-\d{{5}})?\.{suffix}")
    return weights, re.compile(re.escape(with_variant(single + INDEX_SUFFIX, variant)))
