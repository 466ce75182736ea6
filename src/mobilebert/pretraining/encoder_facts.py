"""What the config.json of a published encoder says, checked."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from mobilebert.errors import InputError

__all__ = ["EncoderFacts"]


@dataclass(frozen=True, kw_only=True)
class EncoderFacts:
    """All of a BERT's config.json that decides what its encoder computes.

    What has a default here may be left out there, and is BERT's.

    Attributes:
        vocab_size: Rows of the word table.
        hidden_size: W.
        num_hidden_layers: Layers.
        num_attention_heads: N.
        intermediate_size: Width of the feed-forward networks.
        max_position_embeddings: Tokens of a text at most.
        type_vocab_size: Segments it can tell apart.
        layer_norm_eps: Added to variances.
        hidden_act: Name of the activation.
    """

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int = 3072
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    hidden_act: str = "gelu"

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Self:
        """Read a config.json.

        Raises:
            InputError: It is not that of a BERT, lacks a size, or has a value of another kind.
        """
        kind = config.get("model_type")
        positions = config.get("position_embedding_type", "absolute")
        if kind != "bert" or positions != "absolute":
            raise InputError(
                f"The encoder's config.json has model_type {kind!r} and {positions} positions; "
                "give a checkpoint of model_type 'bert' with absolute ones, such as "
                "sentence-transformers/all-MiniLM-L6-v2."
            )
        fields = dataclasses.fields(cls)
        found = {field.name: config.get(field.name, field.default) for field in fields}
        for field in fields:
            _check(field.name, found[field.name], field.type)
        facts = cls(**found)
        if facts.hidden_size % facts.num_attention_heads:
            raise InputError(
                f"The encoder's hidden_size {facts.hidden_size} is no multiple of its "
                f"{facts.num_attention_heads} heads."
            )
        return facts


def _check(name: str, value: Any, kind: Any) -> None:
    allowed = {
        int: ("a whole number of at least 1", type(value) is int and value >= 1),
        float: ("a number from 0 to 1", type(value) in (int, float) and 0 <= value <= 1),
        str: ("a text", type(value) is str),
    }
    words, is_allowed = allowed[kind]
    if not is_allowed:
        told = "no" if value is dataclasses.MISSING else f"{value!r:.40} as"
        raise InputError(f"The encoder's config.json has {told} {name}; it has to be {words}.")
