"""What a run begins with: a new model of some configuration, or one that was trained before."""

import os
from pathlib import Path
from typing import Any

import torch

from mobilebert.checkpoint.reading import read_weights
from mobilebert.checkpoint.torch_file import torch_from_stored
from mobilebert.config import MobileBertConfig
from mobilebert.errors import CheckpointError, InputError, MobileBertError
from mobilebert.pipelines.kept_parameters import keep_parameters
from mobilebert.presets import PRESETS
from mobilebert.text import MobileBertTokenizerFast
from mobilebert.torch.models import MobileBertForPreTraining

__all__ = ["begin_model", "drawn_weights", "read_configuration", "take_vocabulary", "told_name"]

_WORDS = ".word_embeddings.weight"
# Endings of names in checkpoints of BERT's family -> our parameter.
_ENDINGS = {
    _WORDS: "mobilebert.embeddings.word_embeddings.weight",
    ".cls.predictions.bias": "cls.predictions.bias",
}


def read_configuration(name: str | os.PathLike[str], vocab_size: int) -> MobileBertConfig:
    """Return a configuration by the name of a preset or of a file.

    Args:
        name: A preset, a config.json, or a directory that has one.
        vocab_size: Tokens of the tokenizer; a preset takes it over.

    Raises:
        InputError: There is no such preset or file, or the file has more or fewer rows than there
            are tokens.
        ConfigError: The file describes no possible model.
    """
    if str(name) in PRESETS:
        return MobileBertConfig.preset(str(name), vocab_size=vocab_size)
    path = Path(name)
    if not path.exists():
        raise InputError(
            f"{str(name)!r} is neither a preset ({', '.join(PRESETS)}) nor a file config.json."
        )
    file = path / "config.json" if path.is_dir() else path
    config = MobileBertConfig.from_json_file(file)
    # More rows than tokens: pipelines would refuse a model that may answer with an id that is none.
    if config.vocab_size != vocab_size:
        raise InputError(
            f"{file} has a vocabulary of {config.vocab_size:,} and the tokenizer {vocab_size:,} "
            "tokens; set vocab_size to that, or give another --tokenizer."
        )
    return config


def told_name(checkpoint: str | os.PathLike[str]) -> str:
    """Return what reports call a checkpoint: the name of its directory, or its Hub name."""
    path = Path(checkpoint)
    return path.resolve().name if path.exists() else str(checkpoint)


def begin_model(
    config: MobileBertConfig | None, init: str | os.PathLike[str] | None, seed: int
) -> MobileBertForPreTraining:
    """Make a model to train.

    Args:
        config: Of a new model.
        init: In place of it, a checkpoint to go on from; heads it lacks are drawn.
        seed: Of what is drawn.

    Raises:
        CheckpointError: The checkpoint cannot be read, or has weights that are no numbers.
        InputError: It lacks weights of the encoder.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if init is None:
            assert config is not None  # one of both is given
            return MobileBertForPreTraining(config)
        model: MobileBertForPreTraining = MobileBertForPreTraining.from_pretrained(
            init, dtype=torch.float32
        )
    keep_parameters(model.config, {})  # those of an earlier task
    strange = [name for name in model.newly_initialized_weights if ".encoder." in name]
    if strange:
        raise InputError(
            f"{init} lacks weights of the encoder, such as {strange[0]}: it is no MobileBERT "
            "checkpoint of its configuration. Give --config to begin anew."
        )
    # Else a training would diverge, and another weight be blamed for it.
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            raise CheckpointError(
                f"{init} has weights that are no numbers, in {name}: give another checkpoint."
            )
    return model


def drawn_weights(model: MobileBertForPreTraining, *parts: str) -> list[str]:
    """Return the names of weights that a checkpoint did not have, so that they were drawn.

    Args:
        model: What `begin_model` made of it.
        *parts: What names begin with, such as ``cls.predictions``.
    """
    return [name for name in model.newly_initialized_weights if name.startswith(parts)]


@torch.no_grad()
def take_vocabulary(
    model: MobileBertForPreTraining, checkpoint: str | os.PathLike[str], tokenizer: Any
) -> None:
    """Give a model what another one of BERT's family knows of single words.

    Word embeddings, and the bias of the vocabulary head if there is one.

    Args:
        model: The model.
        checkpoint: Directory, weights file or Hub name of the other.
        tokenizer: The model's.

    Raises:
        CheckpointError: It cannot be read.
        InputError: It has no word embeddings, they have another shape, or its tokenizer, if it
            comes with one, is of another vocabulary.
    """
    _check_words(checkpoint, tokenizer)
    source = read_weights(checkpoint)
    found = {
        ending: stored
        for name, stored in source.tensors.items()
        for ending in _ENDINGS
        if f".{name}".endswith(ending)
    }
    if _WORDS not in found:
        raise InputError(f"{source.path} has no weights called ...{_WORDS}.")
    for ending, stored in found.items():
        taken = model.get_parameter(_ENDINGS[ending])
        if tuple(stored.shape) != tuple(taken.shape):
            raise InputError(
                f"{source.path} has {ending[1:]} of {tuple(stored.shape)}, and the model needs "
                f"{tuple(taken.shape)}: take another checkpoint, or a configuration whose "
                "embedding_size and vocab_size are those."
            )
        taken.copy_(torch_from_stored(stored))


def _check_words(checkpoint: str | os.PathLike[str], tokenizer: Any) -> None:
    """Refuse words that mean others, as far as it can be told."""
    try:
        theirs = MobileBertTokenizerFast.from_pretrained(checkpoint)
    except MobileBertError:
        return  # many checkpoints come without a tokenizer
    found, wanted = (sorted(known.get_vocab().items()) for known in (theirs, tokenizer))
    if found != wanted:
        raise InputError(
            f"{checkpoint} has a tokenizer of another vocabulary ({len(theirs):,} tokens; the "
            f"model's has {len(tokenizer):,}), so its rows mean other words. Take a checkpoint of "
            "the same vocabulary, or --tokenizer with that one's."
        )
