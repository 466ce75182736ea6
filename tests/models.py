"""Small random models of every variant, shared by all tests.

Every tensor is drawn at random, biases, norms and the padding row included: a fresh model of
transformers has zeros and ones there, which hide errors.
"""

import numpy as np

from mobilebert.config import MobileBertConfig
from mobilebert.weights import WeightKind, weight_specs

__all__ = ["VARIANTS", "random_batch", "random_tensors", "small_config"]

_SMALL = {
    "vocab_size": 97,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 36,
    "embedding_size": 16,
    "intra_bottleneck_size": 24,
    "max_position_embeddings": 40,
    "num_feedforward_networks": 3,
    "type_vocab_size": 2,
    "attention_probs_dropout_prob": 0.0,
}

VARIANTS = {
    "mobilebert": {},
    "tiny": {
        "use_bottleneck_attention": True,
        "key_query_shared_bottleneck": False,
        "num_feedforward_networks": 2,
    },
    "bottleneck_attention_and_shared": {"use_bottleneck_attention": True},
    "no_opt": {"normalization_type": "layer_norm", "hidden_act": "gelu_new"},
    "gelu": {"hidden_act": "gelu"},
    "silu": {"hidden_act": "silu"},
    "qat": {"hidden_act": "relu6"},
    # transformers cannot run unshared queries unless both widths are equal.
    "unshared_equal_widths": {"key_query_shared_bottleneck": False, "intra_bottleneck_size": 32},
    "teacher": {
        "key_query_shared_bottleneck": False,
        "intra_bottleneck_size": 64,
        "normalization_type": "layer_norm",
        "hidden_act": "gelu_new",
        "num_feedforward_networks": 1,
    },
    "no_bottleneck": {"use_bottleneck": False},
    "one_ffn": {"num_feedforward_networks": 1},
    "eight_ffns": {"num_feedforward_networks": 8, "num_hidden_layers": 1},
    "no_trigram": {"trigram_input": False},
    "plain_embedding": {"trigram_input": False, "embedding_size": 32},
    "raw_pooler": {"classifier_activation": False},
    "untied": {"tie_word_embeddings": False},
}

# Variants that transformers 4.56.2 can run.
PEER_VARIANTS = tuple(name for name in VARIANTS if name != "teacher")


def small_config(variant: str = "mobilebert", **overrides) -> MobileBertConfig:
    """Build a small configuration of a variant."""
    return MobileBertConfig(**(_SMALL | VARIANTS[variant] | overrides))


def random_tensors(config, task="feature_extraction", seed=0, dtype=np.float32):
    """Draw every tensor of a model; tied ones are left out.

    The scales keep hidden values between 1 and 20 and attention probabilities away from both 0/1
    and uniform: with larger ones softmax saturates, which hides wrong queries and keys and makes
    float32 results meaningless.
    """
    rng = np.random.default_rng(seed)
    tensors = {}
    for spec in weight_specs(config, task):
        if spec.tied_to is not None:
            continue
        scale = 0.5 if spec.kind is WeightKind.EMBEDDING else 0.8 / np.sqrt(spec.shape[-1])
        offset = 1.0 if spec.kind is WeightKind.NORM_WEIGHT else 0.0
        if spec.kind in (WeightKind.NORM_WEIGHT, WeightKind.NORM_BIAS, WeightKind.LINEAR_BIAS):
            scale = 0.3
        tensors[spec.name] = (offset + scale * rng.standard_normal(spec.shape)).astype(dtype)
    return tensors


def random_batch(config, batch=3, length=11, seed=0, choices=0):
    """Draw ids, a padded mask (full, shorter, shortest rows) and segments."""
    rng = np.random.default_rng(seed)
    shape = (batch, choices, length) if choices else (batch, length)
    ids = rng.integers(1, config.vocab_size, size=shape)
    mask = np.ones(shape, dtype=np.int64)
    for row in range(batch):
        mask[row, ..., length - 2 * row :] = 0
    mask[0] = 1
    ids = np.where(mask == 1, ids, config.pad_token_id)
    types = rng.integers(0, config.type_vocab_size, size=shape)
    return ids, mask, types
