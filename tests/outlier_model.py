"""A random model of the published size whose first token has channels of up to 2.5e7.

In google/mobilebert-uncased the [CLS] row of the last state holds -2.47e7, 8.3e4 and 1.7e5 among
its first three numbers, while other tokens are of order 1 (the expected slice of transformers' own
test of that checkpoint). Heads that are fine-tuned on [CLS] read such rows. So do those here:

- All tensors are drawn at random, norms and biases too; the stream stays of order 1 to 10.
- An outlier channel c of the stream starts at 5 for position 0, by its row of the position table,
  with what the text adds. In two layers one number d of the bottleneck is |h[c]|, and one unit of
  the last feed-forward network is relu(|h[c]| - 3): nothing but the first token reaches 3. What
  passes is added to h[c], times growth - 1. So h[c] grows with all that the text put into it, and
  stays until the last layer. (Such values appear within a layer or two and then stay: Sun, Chen,
  Kolter, Liu 2024, "Massive Activations in Large Language Models", sections 2 and 3.)
- As trained weights must, all others that read these numbers have weights as small as the numbers
  are large.
"""

from dataclasses import dataclass

import numpy as np

from mobilebert.config import MobileBertConfig
from mobilebert.weights import WeightKind, weight_specs

__all__ = ["OUTLIERS", "outlier_config", "outlier_tensors", "reading_head"]

# Channel of the stream -> what it holds for the first token, about.
OUTLIERS = {0: -2.47e7, 1: 8.3e4, 2: 1.7e5}

_START, _THRESHOLD = 5.0, 3.0
# The layers that make the outliers.
_GROWING = (6, 7)
# What the contribution of an outlier may be beside those of ordinary numbers.
_CONTRIBUTION = 3.0


def outlier_config(**fields) -> MobileBertConfig:
    """The published configuration: 24 layers, no activation behind the pooler."""
    return MobileBertConfig(**({"classifier_activation": False} | fields))


@dataclass(frozen=True)
class _Outlier:
    """One channel: its place, its sign, and by what it grows in a layer."""

    number: int
    channel: int
    final: float

    @property
    def sign(self) -> float:
        return float(np.sign(self.final))

    @property
    def growth(self) -> float:
        return float((abs(self.final) / (_START - _THRESHOLD)) ** (1 / len(_GROWING)))

    def passed(self, step: int) -> float:
        """What is above the threshold after some steps of growth."""
        return (_START - _THRESHOLD) * self.growth**step

    @property
    def places(self) -> tuple[int, int]:
        """Numbers of the bottleneck: |h[c]|, and what is added to it."""
        return 2 * self.number, 2 * self.number + 1


def _draw(spec, rng):
    draw = rng.standard_normal(spec.shape, dtype=np.float32)
    if spec.kind is WeightKind.NORM_WEIGHT:
        return 1 + 0.1 * draw
    if spec.kind is WeightKind.EMBEDDING:
        words = "word_embeddings" in spec.name or "decoder" in spec.name
        return (1.0 if words else 0.2) * draw
    if spec.kind in (WeightKind.LINEAR_WEIGHT, WeightKind.VOCABULARY_EXTENSION):
        # A token attends to some others, not to all alike, and takes much from them.
        sharp = any(f".{part}." in spec.name for part in ("query", "key", "value"))
        return draw * np.float32((1.5 if sharp else 0.5) / np.sqrt(spec.shape[-1]))
    return 0.03 * draw


def _reads_less(tensors, name, column, value):
    """Make what a number contributes to a dense layer moderate."""
    tensors[name][:, column] *= min(1.0, _CONTRIBUTION / value)


def _clear(tensors, name, row):
    """Clear a row of a dense layer and of the norm behind it: the residual passes as it is."""
    tensors[f"{name}.dense.weight"][row] = 0
    tensors[f"{name}.dense.bias"][row] = 0
    _only_norm(tensors, f"{name}.LayerNorm", row)


def _read(tensors, layer, outlier, networks):
    """|h[c]| goes through the bottleneck; the second number stays free."""
    size, added = outlier.places
    for row in outlier.places:
        for name in ("bottleneck.input", "attention.output", "output", *networks):
            _clear(tensors, f"{layer}.{name}", row)
    tensors[f"{layer}.bottleneck.input.dense.weight"][size, outlier.channel] = outlier.sign
    tensors[f"{layer}.output.bottleneck.dense.weight"][:, added] = 0


def _grow(tensors, layer, outlier, passed):
    size, added = outlier.places
    inner = f"{layer}.intermediate.dense"
    unit = outlier.number
    tensors[f"{inner}.weight"][unit] = 0
    tensors[f"{inner}.weight"][unit, size] = 1
    tensors[f"{inner}.bias"][unit] = -_THRESHOLD
    outer = tensors[f"{layer}.output.dense.weight"]
    outer[:, unit] *= min(1.0, _CONTRIBUTION / passed)
    for other in (size, added):
        outer[other, unit] = 0
    outer[added, unit] = outlier.growth - 1
    tensors[f"{layer}.output.bottleneck.dense.weight"][outlier.channel, added] = outlier.sign


def _add_outlier(tensors, config, prefix, outlier, everywhere):
    channel = outlier.channel
    embeddings = f"{prefix}embeddings"
    places = tensors[f"{embeddings}.position_embeddings.weight"]
    places[:, channel] = 0
    places[0, channel] = _START * outlier.sign
    tensors[f"{embeddings}.token_type_embeddings.weight"][:, channel] = 0
    tensors[f"{embeddings}.embedding_transformation.weight"][channel] *= 0.6
    _only_norm(tensors, f"{embeddings}.LayerNorm", channel)
    networks = [f"ffn.{number}.output" for number in range(config.num_feedforward_networks - 1)]
    inners = ["intermediate", *(name.replace("output", "intermediate") for name in networks)]
    size = outlier.places[0]
    for number in range(config.num_hidden_layers):
        layer = f"{prefix}encoder.layer.{number}"
        wide = f"{layer}.output.bottleneck"
        _only_norm(tensors, f"{wide}.LayerNorm", channel)
        tensors[f"{wide}.dense.weight"][channel] *= 0.1
        tensors[f"{wide}.dense.bias"][channel] = 0
        step = sum(growing < number for growing in _GROWING)
        value = _THRESHOLD + outlier.passed(step)
        for name in (
            "bottleneck.input.dense",
            "bottleneck.attention.dense",
            "attention.self.value",
        ):
            _reads_less(tensors, f"{layer}.{name}.weight", channel, value)
        _read(tensors, layer, outlier, networks)
        for inner in inners:
            _reads_less(tensors, f"{layer}.{inner}.dense.weight", size, value)
        _reads_less(tensors, f"{wide}.dense.weight", size, value)
        if number in _GROWING:
            _grow(tensors, layer, outlier, outlier.passed(step))
    for name in everywhere:
        _reads_less(tensors, name, channel, abs(outlier.final))


def _only_norm(tensors, norm, channel):
    tensors[f"{norm}.weight"][channel] = 1
    tensors[f"{norm}.bias"][channel] = 0


def outlier_tensors(config, task, seed=0):
    """Draw a model.

    Args:
        config: A configuration with bottlenecks and NoNorms, such as `outlier_config`.
        task: A row of the task table.
        seed: Of the random numbers.

    Returns:
        Tensors by canonical name, tied ones left out. The classifier is any; `reading_head` makes
        one that reads the outliers.
    """
    rng = np.random.default_rng(seed)
    specs = [spec for spec in weight_specs(config, task) if spec.tied_to is None]
    tensors = {spec.name: _draw(spec, rng) for spec in specs}
    heads = [
        spec.name
        for spec in specs
        if spec.kind is WeightKind.LINEAR_WEIGHT
        and "encoder." not in spec.name
        and spec.shape[-1] == config.hidden_size
    ]
    for number, (channel, final) in enumerate(OUTLIERS.items()):
        outlier = _Outlier(number, channel, final)
        _add_outlier(tensors, config, task.prefix, outlier, heads)
    return tensors


def reading_head(states, labels, seed=0):
    """Make a classifier that reads every channel of [CLS] by how much it says.

    Fine-tuning fits a head to the channels' means and spreads; here it has them from some texts.

    Args:
        states: [CLS] rows of some texts, [texts, H].
        labels: How many logits.
        seed: Of the random numbers.

    Returns:
        The weight [labels, H] and the bias [labels]; logits have mean 0 and deviation 1, a third of
        their variance from the outliers.
    """
    rng = np.random.default_rng(seed)
    mean, spread = states.mean(axis=0), states.std(axis=0)
    directions = rng.standard_normal((labels, states.shape[1]))
    directions[:, list(OUTLIERS)] *= np.sqrt(states.shape[1] / 2 / len(OUTLIERS))
    weight = directions / spread
    scores = (states - mean) @ weight.T
    weight /= scores.std()
    return weight.astype(np.float32), (-weight @ mean).astype(np.float32)
