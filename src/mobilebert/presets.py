"""Named configurations: the published ones, the bundled one and its teacher.

The values of the first five are Google's config/*.json files (google-research, mobilebert/);
``mobilebert-no-opt`` has no file of its own: it is MobileBERT with gelu and layer normalisation
(paper, table 1). Google's "gelu" is the tanh form, named gelu_new here.
"""

from typing import Any

from mobilebert.errors import ConfigError

__all__ = ["GOOGLE_DEFAULTS", "PRESETS", "google_fields", "is_google", "preset_fields"]

_MOBILEBERT: dict[str, Any] = {
    "vocab_size": 30522,
    "hidden_size": 512,
    "num_hidden_layers": 24,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "hidden_act": "relu",
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "initializer_range": 0.02,
    "embedding_size": 128,
    "trigram_input": True,
    "use_bottleneck": True,
    "intra_bottleneck_size": 128,
    "use_bottleneck_attention": False,
    "key_query_shared_bottleneck": True,
    "num_feedforward_networks": 4,
    "normalization_type": "no_norm",
    "classifier_activation": False,
}

PRESETS: dict[str, dict[str, Any]] = {
    "mobilebert": _MOBILEBERT,
    "mobilebert-tiny": _MOBILEBERT
    | {
        "num_feedforward_networks": 2,
        "use_bottleneck_attention": True,
        "key_query_shared_bottleneck": False,
    },
    "mobilebert-no-opt": _MOBILEBERT
    | {"hidden_act": "gelu_new", "normalization_type": "layer_norm"},
    "mobilebert-qat": _MOBILEBERT | {"hidden_act": "relu6"},
    "ib-bert-large": _MOBILEBERT
    | {
        "hidden_act": "gelu_new",
        "hidden_dropout_prob": 0.1,
        "intermediate_size": 4096,
        "intra_bottleneck_size": 1024,
        "key_query_shared_bottleneck": False,
        "num_feedforward_networks": 1,
        "normalization_type": "layer_norm",
    },
    "mobilebert-mini": _MOBILEBERT
    | {
        "hidden_size": 256,
        "embedding_size": 256,
        "num_hidden_layers": 6,
        "num_feedforward_networks": 3,
        "classifier_activation": True,
    },
    # A teacher for it: twice as wide inside as outside, as the published one.
    "ib-bert-mini": _MOBILEBERT
    | {
        "hidden_size": 256,
        "embedding_size": 256,
        "num_hidden_layers": 6,
        "hidden_act": "gelu_new",
        "hidden_dropout_prob": 0.1,
        "intermediate_size": 2048,
        "intra_bottleneck_size": 512,
        "key_query_shared_bottleneck": False,
        "num_feedforward_networks": 1,
        "normalization_type": "layer_norm",
        "classifier_activation": True,
    },
}

# What Google's BertConfig takes for a key that its JSON file leaves out
# (google-research mobilebert/modeling.py). None stands for "as hidden_size".
GOOGLE_DEFAULTS: dict[str, Any] = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "type_vocab_size": 16,
    "initializer_range": 0.02,
    "embedding_size": None,
    "trigram_input": False,
    "use_bottleneck": False,
    "intra_bottleneck_size": None,
    "use_bottleneck_attention": False,
    "key_query_shared_bottleneck": False,
    "num_feedforward_networks": 1,
    "normalization_type": "layer_norm",
    "classifier_activation": True,
}


def preset_fields(name: str) -> dict[str, Any]:
    """Return the fields of a named configuration (a copy).

    Raises:
        ConfigError: There is no such preset.
    """
    if name not in PRESETS:
        raise ConfigError(f"Unknown preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return dict(PRESETS[name])


def google_fields(content: dict[str, Any]) -> dict[str, Any]:
    """Translate one of Google's configuration files into our fields.

    Args:
        content: The parsed JSON object.

    Returns:
        Fields of `mobilebert.MobileBertConfig`.
    """
    fields = GOOGLE_DEFAULTS | content
    for name in ("embedding_size", "intra_bottleneck_size"):
        if fields[name] is None:
            fields[name] = fields["hidden_size"]
    if fields["hidden_act"] == "gelu":
        fields["hidden_act"] = "gelu_new"
    return fields


def is_google(content: dict[str, Any]) -> bool:
    """Tell Google's configuration files from those of the Hugging Face layout.

    Google's always hold the vocabulary size and the activation and never a model type.
    """
    foreign = {"model_type", "architectures", "layer_norm_eps", "transformers_version"}
    return {"vocab_size", "hidden_act"} <= content.keys() and not foreign & content.keys()
