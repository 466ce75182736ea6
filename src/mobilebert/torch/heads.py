"""What stands on the encoder: pooler, vocabulary head, and heads built from the task table.

Dimensions: B batch, S sequence, E embedding_size, H hidden_size, V vocabulary.
"""

import warnings

import torch
from torch import Tensor, nn

from mobilebert.config import MobileBertConfig
from mobilebert.errors import ConfigError
from mobilebert.tasks import TaskSpec
from mobilebert.torch.activations import torch_activation
from mobilebert.torch.precision import in_float32, widened

__all__ = ["Pooler", "VocabularyHead", "add_heads"]


class Pooler(nn.Module):
    """The first position, as it is or through a dense layer and tanh.

    Published MobileBERT checkpoints have `classifier_activation=False`, the raw first position.

    Args:
        config: The configuration.
    """

    def __init__(self, config: MobileBertConfig) -> None:
        super().__init__()
        self.dense = (
            nn.Linear(config.hidden_size, config.hidden_size)
            if config.classifier_activation
            else None
        )

    def forward(self, hidden_states: Tensor) -> Tensor:
        """[B, S, H] -> [B, H]."""
        first = hidden_states[:, 0]
        return first if self.dense is None else torch.tanh(self.dense(first))


class VocabularyTransform(nn.Module):
    """Dense layer, activation and layer normalisation before the vocabulary.

    The norm is a true layer normalisation in no_norm models too.

    Args:
        config: The configuration.
    """

    def __init__(self, config: MobileBertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.transform_act_fn = torch_activation(config.hidden_act)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """[..., H] -> [..., H]."""
        normed: Tensor = self.LayerNorm(self.transform_act_fn(self.dense(hidden_states)))
        return normed


class VocabularyHead(nn.Module):
    """The masked-language-model head.

    A word's output row is its row of the word table (E wide) followed by a column of `dense`
    (H - E wide). The two halves are multiplied one after the other, so the joint (V, H) matrix,
    62 MB in the published model, never exists.

    Args:
        config: The configuration.

    Raises:
        ConfigError: The word table is wider than the hidden states.
    """

    def __init__(self, config: MobileBertConfig) -> None:
        super().__init__()
        v, h, e = config.vocab_size, config.hidden_size, config.embedding_size
        if e > h:
            raise ConfigError(
                "The masked-language-model head needs embedding_size <= hidden_size, "
                f"not {e} > {h}."
            )
        self.bias = nn.Parameter(torch.zeros(v))
        self.transform = VocabularyTransform(config)
        with warnings.catch_warnings():
            # Nothing is left to extend where both widths are equal.
            warnings.filterwarnings("ignore", "Initializing zero-element tensors")
            self.dense = nn.Linear(v, h - e, bias=False)  # weight (H - E, V)
        # Without numbers it is in no graph; DistributedDataParallel would wait for its gradient.
        self.dense.weight.requires_grad_(h > e)
        self.decoder = nn.Linear(e, v, bias=False)  # weight (V, E), the word table
        self.tie_bias()

    def tie_bias(self) -> None:
        """Let the decoder's bias be the head's."""
        self.decoder.bias = self.bias

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Score the vocabulary, [..., H] -> [..., V]."""
        x = in_float32(self.transform, hidden_states)
        words, extension = widened(self.decoder.weight), widened(self.dense.weight)
        rows = x.reshape(-1, x.shape[-1])
        split = words.shape[1]
        scores = nn.functional.linear(rows[:, :split], words, widened(self.bias))
        if self.dense.out_features:
            scores = torch.addmm(scores, rows[:, split:], extension)
        return scores.view(*x.shape[:-1], scores.shape[-1])


def add_heads(model: nn.Module, task: TaskSpec, config: MobileBertConfig) -> None:
    """Build the heads of a task as submodules under their checkpoint names.

    Args:
        model: The model that gets them.
        task: Its row of the task table.
        config: The configuration.
    """
    if task.vocabulary:
        _attach(model, "cls.predictions", VocabularyHead(config))
    projection = task.projection
    if projection is None:
        return
    width = config.num_labels if projection.width == "num_labels" else projection.width
    _attach(model, projection.name, nn.Linear(config.hidden_size, width))


def _attach(model: nn.Module, name: str, module: nn.Module) -> None:
    """Set a submodule under a dotted name; the modules on the way are containers."""
    *path, last = name.split(".")
    for part in path:
        if part not in dict(model.named_children()):
            model.add_module(part, nn.ModuleDict())
        model = model.get_submodule(part)
    model.add_module(last, module)
