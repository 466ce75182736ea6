"""What may be chosen in knowledge transfer; needs no PyTorch, so that a command may list it."""

from dataclasses import dataclass
from enum import StrEnum

from mobilebert.errors import InputError

__all__ = ["EmbeddingNorm", "StatisticsOf", "TransferFactors", "TransferForm"]


class TransferForm(StrEnum):
    """Which of two statements of an objective is meant."""

    PAPER = "paper"
    CODE = "code"


@dataclass(frozen=True, kw_only=True)
class TransferFactors:
    """Factors on the terms of the transfer, as in the command that made the published checkpoint.

    Attributes:
        feature_map: On the difference of maps (hidden_distill_factor).
        mean: On that of their means (beta_distill_factor); without meaning in the paper's form.
        variance: On that of their variances (gamma_distill_factor); likewise.
        attention: On that of attentions (attention_distill_factor).

    Raises:
        InputError: A factor that is no number of at least 0.
    """

    feature_map: float = 100.0
    mean: float = 5000.0
    variance: float = 5.0
    attention: float = 1.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, value in vars(self).items():
            if not 0 <= value < float("inf"):
                raise InputError(f"{name} is {value}; allowed is a number of at least 0.")


class StatisticsOf(StrEnum):
    """Which of the teacher's maps means and variances are taken of."""

    LAYER = "layer"  # the one that is compared
    ALL_MAPS = "all-maps"  # the whole list, as in the code of TensorFlow 1


class EmbeddingNorm(StrEnum):
    """What becomes of the norm behind the embeddings."""

    SAME_KIND = "same-kind"  # copied if both models have the same norm, as in the code
    COPIED = "copied"  # scale and shift are copied whatever the norms, as in Model Garden
