"""What each configuration field may hold, and which combinations are possible models."""

import math
import numbers
import operator
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from mobilebert.activations import canonical_activation
from mobilebert.errors import ConfigError

__all__ = [
    "GENERIC_DEFAULTS",
    "NORMALIZATION_TYPES",
    "PROBLEM_TYPES",
    "check_combination",
    "checked",
    "pruned_heads",
]

NORMALIZATION_TYPES = ("no_norm", "layer_norm")
PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")

# Settings every model of the Hugging Face layout has, with their defaults; written to config.json
# only where they differ.
GENERIC_DEFAULTS: dict[str, Any] = {
    "architectures": None,
    "bos_token_id": None,
    "chunk_size_feed_forward": 0,
    "decoder_start_token_id": None,
    "dtype": None,
    "eos_token_id": None,
    "finetuning_task": None,
    "id2label": {0: "LABEL_0", 1: "LABEL_1"},
    "label2id": {"LABEL_0": 0, "LABEL_1": 1},
    "output_attentions": False,
    "output_hidden_states": False,
    "prefix": None,
    "problem_type": None,
    "pruned_heads": {},
    "return_dict": True,
    "sep_token_id": None,
    "task_specific_params": None,
    "tf_legacy_loss": False,
    "tie_word_embeddings": True,
    "tokenizer_class": None,
    "torchscript": False,
}

# The largest value of each size. Far above any published model, and low enough that a damaged or
# hostile config.json is refused before anything is allocated.
_MAX_WIDTH = 2**16
SIZES = {
    "vocab_size": 2**24,
    "hidden_size": _MAX_WIDTH,
    "num_hidden_layers": 1000,
    "num_attention_heads": 1024,
    "intermediate_size": 2**18,
    "max_position_embeddings": 2**20,
    "type_vocab_size": 2**16,
    "embedding_size": _MAX_WIDTH,
    "intra_bottleneck_size": _MAX_WIDTH,
    "num_feedforward_networks": 64,
}
_FLAGS = (
    "trigram_input",
    "use_bottleneck",
    "use_bottleneck_attention",
    "key_query_shared_bottleneck",
    "classifier_activation",
    "output_attentions",
    "output_hidden_states",
    "return_dict",
    "tie_word_embeddings",
    "torchscript",
    "tf_legacy_loss",
)


def _size(name: str, value: Any) -> int:
    limit = SIZES[name]
    allowed = f"an integer from 1 to {limit:,}"
    if isinstance(value, (bool, str)) or not hasattr(value, "__index__"):
        raise ConfigError(f"{name} must be {allowed}, not {value!r}.")
    number = operator.index(value)
    if not 1 <= number <= limit:
        raise ConfigError(f"{name} must be {allowed}, not {number}.")
    return number


def _flag(name: str, value: Any) -> bool:
    if isinstance(value, bool) or value in (0, 1):
        return bool(value)
    raise ConfigError(f"{name} must be true or false, not {value!r}.")


def _number(name: str, value: Any, low: float, high: float, allowed: str) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ConfigError(f"{name} must be {allowed}, not {value!r}.")
    try:
        number = float(value)
    except OverflowError:  # a whole number of hundreds of digits
        number = math.inf
    if not low <= number <= high:
        raise ConfigError(f"{name} must be {allowed}, not {value}.")
    return number


def _probability(name: str, value: Any) -> float:
    return _number(name, value, 0.0, 1.0, "a probability from 0 to 1")


def _optional_probability(name: str, value: Any) -> float | None:
    return None if value is None else _probability(name, value)


def _scale(name: str, value: Any) -> float:
    return _number(name, value, 0.0, 1e6, "a number of at least 0")


def _token_id(name: str, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not hasattr(value, "__index__") or operator.index(value) < 0:
        raise ConfigError(f"{name} must be a token id (0 or more) or None, not {value!r}.")
    return operator.index(value)


def _one_of(choices: tuple[str, ...], name: str, value: Any) -> str:
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
    return str(value)


def _hidden_act(name: str, value: Any) -> Any:
    if callable(value):
        return value
    if not isinstance(value, str):
        raise ConfigError(f"{name} must be an activation name or a function, not {value!r}.")
    canonical_activation(value)
    return value


def _problem_type(name: str, value: Any) -> str | None:
    return None if value is None else _one_of(PROBLEM_TYPES, name, value)


def _id2label(name: str, value: Any) -> dict[int, str]:
    """Label names by number; JSON has string keys, so they are turned into integers."""
    if not isinstance(value, Mapping) or not value:
        raise ConfigError(f"{name} must be a non-empty table of number to label, not {value!r}.")
    _check_values(name, value, "labels that are texts")
    try:
        return {int(key): label for key, label in value.items()}
    except (OverflowError, TypeError, ValueError):
        raise ConfigError(f"{name} must have integer keys, not {list(value)!r}.") from None


def _label2id(name: str, value: Any) -> dict[str, int]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name} must be a table of label to number, not {value!r}.")
    _check_values(name, value, "numbers")
    return dict(value)


def _check_values(name: str, table: Mapping[Any, Any], allowed: str) -> None:
    """Refuse lists and tables in a table whose values become the keys of another one."""
    for key, value in table.items():
        if not isinstance(value, Hashable):
            raise ConfigError(f"{name} must have {allowed}, not {value!r} for {key!r}.")


def _pruned_heads(name: str, value: Any) -> dict[int, list[int]]:
    """Pruned head numbers by layer, ``{0: [1, 2]}``."""
    try:
        return {int(layer): sorted({int(h) for h in heads}) for layer, heads in value.items()}
    except (AttributeError, OverflowError, TypeError, ValueError):
        raise ConfigError(
            f"{name} must be a table of layer to head numbers such as {{0: [1, 2]}}, not {value!r}."
        ) from None


_RULES: dict[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(SIZES, _size),
    **dict.fromkeys(_FLAGS, _flag),
    "hidden_act": _hidden_act,
    "hidden_dropout_prob": _probability,
    "attention_probs_dropout_prob": _probability,
    "classifier_dropout": _optional_probability,
    "initializer_range": _scale,
    "layer_norm_eps": _scale,
    "pad_token_id": _token_id,
    "normalization_type": lambda name, value: _one_of(NORMALIZATION_TYPES, name, value),
    "problem_type": _problem_type,
    "id2label": _id2label,
    "label2id": _label2id,
    "pruned_heads": _pruned_heads,
}


def checked(name: str, value: Any) -> Any:
    """Return the value a field will hold, or say what the field allows.

    Args:
        name: Field of the configuration; unknown fields take any value.
        value: What was assigned.

    Raises:
        ConfigError: The value is not possible for this field.
    """
    rule = _RULES.get(name)
    return rule(name, value) if rule else value


def check_combination(config: Any) -> None:
    """Check what no single field shows: that the fields together describe a model.

    Args:
        config: The configuration.

    Raises:
        ConfigError: Heads do not divide the attention width, the padding id is outside the
            vocabulary, or pruned heads do not exist.
    """
    width, heads = config.true_hidden_size, config.num_attention_heads
    if width % heads:
        name = "intra_bottleneck_size" if config.use_bottleneck else "hidden_size"
        divisors = [n for n in range(1, min(width, 64) + 1) if width % n == 0]
        raise ConfigError(
            f"num_attention_heads={heads} does not divide {name}={width}; "
            f"possible numbers of heads are {', '.join(map(str, divisors))}."
        )
    if config.pad_token_id is not None and config.pad_token_id >= config.vocab_size:
        raise ConfigError(
            f"pad_token_id={config.pad_token_id} is outside the vocabulary of "
            f"vocab_size={config.vocab_size}; use an id from 0 to {config.vocab_size - 1} or None."
        )
    _check_pruned_heads(config)


def _check_pruned_heads(config: Any) -> None:
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    for layer, pruned in config.pruned_heads.items():
        if not -layers <= layer < layers:
            raise ConfigError(f"pruned_heads names layer {layer}, but there are {layers} layers.")
        if any(not 0 <= head < heads for head in pruned):
            raise ConfigError(
                f"pruned_heads of layer {layer} names heads {pruned}; heads are 0 to {heads - 1}."
            )
    for layer, gone in pruned_heads(config).items():
        if len(gone) == heads:
            raise ConfigError(f"pruned_heads removes all {heads} heads of layer {layer}.")


def pruned_heads(config: Any) -> dict[int, set[int]]:
    """Return which heads are gone, by layer counted from 0.

    `config.pruned_heads` may name a layer twice, once counted from the end.
    """
    gone: dict[int, set[int]] = {}
    for layer, heads in config.pruned_heads.items():
        gone.setdefault(layer % config.num_hidden_layers, set()).update(heads)
    return gone
