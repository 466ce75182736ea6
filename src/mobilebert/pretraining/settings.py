"""The settings of pre-training: one table, which Python and the command line both read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from mobilebert.errors import InputError
from mobilebert.setting_tables import SettingTable, setting
from mobilebert.training.settings import Precision

__all__ = ["PretrainSettings", "RunSettings"]


@dataclass(frozen=True, kw_only=True)
class RunSettings(SettingTable):
    """What pre-training and distillation have in common: how a long run is made.

    None is what the preset of the model's size says.
    """

    batch_size: int | None = setting(None, "Sequences of a step.", least=1)
    source_passes: str | None = setting(
        None,
        "How often an epoch reads a source of the data. Default: once each.",
        metavar="SOURCE=F[,...]",
    )
    learning_rate: float | None = setting(None, "Highest rate.", metavar="R", least=0)
    weight_decay: float = setting(0.01, "Weight decay of matrices.", metavar="F", least=0)
    optimizer: str | None = setting(None, "What takes the steps.", choices=("adamw", "lamb"))
    warmup: float | None = setting(
        None,
        "Share of the steps (below 1) or number of steps in which the rate rises.",
        metavar="F",
        least=0,
    )
    clip: float = setting(1.0, "Largest norm of the gradients.", metavar="F", least=0)
    spike: float = setting(
        1.5,
        "Multiple of the lowest mean loss at which a run goes back and on with half the rate.",
        metavar="F",
        least=1,
    )
    precision: str = setting(
        "float32",
        "Arithmetic; weights stay float32.",
        choices=tuple(str(name) for name in Precision),
    )
    gradient_checkpointing: bool = setting(
        False, "Compute layers twice instead of keeping what they computed."
    )
    micro_tokens: int = setting(
        8192, "Tokens that go through the model at once; less needs less memory.", least=1
    )
    evaluate_every: int | None = setting(
        None, "Steps between evaluations on held-out text. Default: twenty in all.", least=1
    )
    evaluation_words: int = setting(
        10000, "Masked words of an evaluation within a run; the last one has 50,000.", least=1
    )
    checkpoint_every: int = setting(
        200, "Steps between states on disk, to go on from with --resume.", least=1
    )
    device: str = setting("auto", "Where to compute: auto, cpu, cuda, cuda:1.", metavar="D")
    seed: int = setting(0, "Of new weights, the order, masks and dropout.", least=0)


@dataclass(frozen=True, kw_only=True)
class PretrainSettings(RunSettings):
    """How a model is pre-trained by itself.

    Each field is an argument of `mobilebert.pretrain` and an option of ``mobilebert pretrain``.
    """

    steps: int | None = setting(None, "Steps in all.", least=1)
    epochs: float | None = setting(None, "Passes over the data, in place of steps.", least=0)
    schedule: str = setting(
        "linear", "How the rate falls after warm-up.", choices=("linear", "cosine", "constant")
    )
    state_factor: float | None = setting(
        None, "Weight of the encoder's hidden states. Default: 1.", metavar="F", least=0
    )
    sentence_factor: float | None = setting(
        None, "Weight of the directions of its texts. Default: 0.", metavar="F", least=0
    )
    encoder_layer: int | None = setting(
        None, "The encoder's layer whose states they are. Default: the last.", least=1
    )

    def __post_init__(self) -> None:
        """Check all values, and refuse what says the same twice."""
        super().__post_init__()
        if self.steps is not None and self.epochs is not None:
            raise InputError(
                f"steps is {self.steps:,} and epochs {self.epochs:g}: give one of them, both say "
                "how long the run is."
            )

    def filled(self, preset: Mapping[str, Any]) -> Self:
        """Return settings whose open values are those of a preset, but for steps beside epochs."""
        left_out = () if self.epochs is None else ("steps",)
        return super().filled({key: x for key, x in preset.items() if key not in left_out})
