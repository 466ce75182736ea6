"""A guide is made of a checkpoint, and refused where it cannot teach."""

import os
from dataclasses import replace
from typing import Any

import torch

from mobilebert.errors import InputError
from mobilebert.pretraining.encoder_objectives import StateProjection
from mobilebert.pretraining.guide import SENTENCES, STATES, Guide
from mobilebert.pretraining.material import load_tokenizer
from mobilebert.pretraining.published_encoder import PublishedEncoder
from mobilebert.pretraining.settings import PretrainSettings

__all__ = ["load_guide", "with_guide_factors"]

# Settings that are about the encoder, and what they are where nothing is said.
_DEFAULTS = {"state_factor": 1.0, "sentence_factor": 0.0, "encoder_layer": None}
_SPECIAL = ("pad", "unk", "cls", "sep", "mask")


def with_guide_factors(
    settings: PretrainSettings, encoder: str | os.PathLike[str] | None
) -> PretrainSettings:
    """Fill in the settings that are about the encoder.

    Args:
        settings: As they were given.
        encoder: The encoder, if there is one.

    Raises:
        InputError: Some were given, and there is no encoder; or nothing of it is learned.
    """
    given = {name: getattr(settings, name) for name in _DEFAULTS}
    given = {name: value for name, value in given.items() if value is not None}
    if encoder is None:
        if given:
            raise InputError(
                f"{', '.join(given)} {'is' if len(given) == 1 else 'are'} about an encoder; give "
                "one with --encoder (encoder=), or leave that out."
            )
        return settings
    filled = replace(settings, **_DEFAULTS | given)
    if not filled.state_factor and not filled.sentence_factor:
        raise InputError(
            "state_factor and sentence_factor are both 0, so nothing of the encoder is learned; "
            "give one above 0, or no encoder."
        )
    return filled


def load_guide(
    name: str | os.PathLike[str], width: int, tokenizer: Any, settings: PretrainSettings
) -> Guide:
    """Load an encoder, and draw the projection to its width.

    Args:
        name: Directory or Hub name of the encoder.
        width: hidden_size of the model.
        tokenizer: The model's.
        settings: Filled by `with_guide_factors`.

    Raises:
        CheckpointError: It cannot be read.
        InputError: It is no encoder of BERT's family, or of another vocabulary.
        ConfigError: Its activation is unknown.
    """
    encoder = PublishedEncoder.load(name, settings.encoder_layer)
    theirs, ours = (_ids(each) for each in (load_tokenizer(name), tokenizer))
    rows = encoder.facts.vocab_size
    if theirs != ours or rows < len(tokenizer):
        raise InputError(
            f"The encoder {name} has another vocabulary ({rows:,} words) than the tokenizer of the "
            f"data ({len(tokenizer):,}): ids have to mean the same words. Prepare the data and "
            f"train with --tokenizer {name}, or give another encoder."
        )
    drawn = torch.Generator().manual_seed(settings.seed)
    return Guide(
        encoder=encoder,
        projection=StateProjection(width, encoder.facts.hidden_size, drawn),
        factors={
            STATES: settings.state_factor or 0.0,
            SENTENCES: settings.sentence_factor or 0.0,
        },
    )


def _ids(tokenizer: Any) -> tuple[Any, ...]:
    """Return what ids mean; how texts are read does not matter to an encoder of ids."""
    return tokenizer.get_vocab(), *(getattr(tokenizer, f"{name}_token_id") for name in _SPECIAL)
