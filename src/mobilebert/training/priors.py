"""What a head says before it has read anything: how frequent the labels are.

A head that begins with all labels alike first learns which are rare. That takes one direction of
the features, the same for all texts, and where many labels are rare the encoder follows it: of
GoEmotions, whose 28 labels hold for 4 % of the texts each, the bundled model learned nothing but
that in 1,200 steps, and gave every text the same scores. With the frequencies in the bias there is
nothing of the kind to learn (Lin et al. 2017, arXiv:1708.02002, section 3.3; Karpathy 2019, "A
Recipe for Training Neural Networks").
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["class_prior", "label_prior"]

Numbers = npt.NDArray[np.integer]


def class_prior(counts: Numbers, weights: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """Return scores whose softmax are the shares of classes.

    Args:
        counts: Examples of each class, [C]; one is added to each, so that none is impossible.
        weights: What an example of each class weighs in the loss, [C].
        smoothing: Share of the target given to all classes alike.

    Returns:
        Float32, [C].
    """
    shares = torch.from_numpy(np.asarray(counts, np.float64)) + 1.0
    shares = shares if weights is None else shares * weights.double()
    shares = shares / shares.sum()
    return ((1 - smoothing) * shares + smoothing / len(shares)).log().float()


def label_prior(
    counts: Numbers, examples: int, weights: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """Return scores whose sigmoids are the shares of examples that have a label.

    Args:
        counts: Examples that have each label, [C]; one half is added.
        examples: Examples in all; one is added.
        weights: What "is there" weighs beside "is not", [C].
        smoothing: Share of the target given to both alike.

    Returns:
        Float32, [C].
    """
    there = torch.from_numpy(np.asarray(counts, np.float64)) + 0.5
    absent = examples + 1.0 - there
    there = there if weights is None else there * weights.double()
    share = there / (there + absent)
    return torch.logit((1 - smoothing) * share + smoothing / 2).float()
