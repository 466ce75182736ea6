"""The settings of fine-tuning: one table, which Python and the command line both read."""

from dataclasses import dataclass
from enum import StrEnum

from mobilebert.errors import InputError
from mobilebert.setting_tables import SettingTable, setting

__all__ = ["LORA_ON", "FinetuneSettings", "Precision"]

# The projections of the paper (Hu et al. 2021, arXiv:2106.09685, section 4.2).
LORA_ON = ("query", "value")


class Precision(StrEnum):
    """Element type of the arithmetic; weights are float32 always."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings(SettingTable):
    """How a model is tuned.

    Each field is an argument of `mobilebert.finetune` and an option of ``mobilebert finetune``;
    `describe` lists them. None is what the preset of task and model size says.
    """

    epochs: float | None = setting(None, "Passes over the data.", least=0)
    max_steps: int | None = setting(None, "Steps at most.", least=1)
    batch_size: int | None = setting(None, "Examples of a step.", least=1)
    learning_rate: float | None = setting(None, "Highest rate.", metavar="R", least=0)
    head_learning_rate: float | None = setting(
        None, "Highest rate of the new head.", metavar="R", least=0
    )
    layer_decay: float = setting(
        1.0, "Factor on the rate from each layer to the one below.", metavar="F", least=0, most=1
    )
    weight_decay: float | None = setting(None, "Weight decay.", metavar="F", least=0)
    optimizer: str = setting("adamw", "What takes the steps.", choices=("adamw", "lamb"))
    schedule: str = setting(
        "linear", "How the rate falls after warm-up.", choices=("linear", "cosine", "constant")
    )
    warmup: float | None = setting(
        None, "Share of the steps in which the rate rises.", metavar="F", least=0, most=1
    )
    clip: float | None = setting(None, "Largest norm of the gradients.", metavar="F", least=0)
    freeze: str | int | None = setting(
        None,
        "What stays as it is: embeddings, encoder, or a number of lowest layers.",
        metavar="WHAT",
    )
    lora_rank: int | None = setting(
        None, "Train low-rank changes of some projections alone, merged at the end.", least=1
    )
    lora_on: str | None = setting(
        None,
        "The projections that --lora-rank changes: last parts of their names, with commas "
        f"between. Default: {','.join(LORA_ON)}.",
        metavar="NAMES",
    )
    dropout: float | None = setting(
        None, "Dropout before the head.", metavar="F", least=0, most=0.95
    )
    label_smoothing: float = setting(
        0.0, "Share of the target given to all classes alike.", metavar="F", least=0, most=0.95
    )
    r_drop: float = setting(
        0.0, "Weight of the difference between two passes with dropout.", metavar="F", least=0
    )
    class_weights: str = setting(
        "none", "Weigh classes by how rare they are.", choices=("none", "balanced")
    )
    sampling: str = setting(
        "natural", "Draw rare classes as often as others.", choices=("natural", "balanced")
    )
    max_length: int | None = setting(None, "Longest sequence in tokens.", least=8)
    long_text: str = setting(
        "window", "What becomes of longer texts.", choices=("window", "head_tail", "truncate")
    )
    doc_stride: int | None = setting(
        None,
        "Tokens that neighbouring windows of a context share (question answering). Default: 128, "
        "or less in short sequences.",
        least=0,
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
        None, "Steps between evaluations. Default: once an epoch, four times at least.", least=1
    )
    checkpoint_every: int = setting(
        200, "Steps between states on disk, to go on from with --resume.", least=1
    )
    patience: int | None = setting(None, "Stop after so many evaluations without gain.", least=1)
    judge_by: str | None = setting(
        None,
        "The metric that the best weights, --patience and the best of --seeds go by. Default: "
        "accuracy, or micro_f1 of several labels; f1 is that of the second of two classes.",
        choices=("accuracy", "macro_f1", "micro_f1", "matthews", "f1"),
    )
    tune_thresholds: bool = setting(
        False,
        "Choose the threshold of each label on the dev rows (several labels at once), or that of "
        "no answer (question answering).",
    )
    dev_share: float = setting(
        0.1, "Share of the rows to judge by, without --dev.", metavar="F", least=0.001, most=0.9
    )
    dev_rows: int | None = setting(
        None, "Rows to judge by at most, drawn from the others. Default: all.", least=1
    )
    seed: int = setting(0, "Of the split, the order, new weights and dropout.", least=0)

    def __post_init__(self) -> None:
        """Check all values, and fill in what depends on others.

        Raises:
            InputError: A value is not possible, or projections are named that do not learn so.
        """
        if isinstance(self.freeze, int):
            object.__setattr__(self, "freeze", str(self.freeze))
        super().__post_init__()
        if self.lora_rank is None and self.lora_on is not None:
            raise InputError("lora_on names what lora_rank trains; give lora_rank too.")
        if self.lora_rank is not None and self.lora_on is None:
            # So that a run that is told the default is the same run.
            object.__setattr__(self, "lora_on", ",".join(LORA_ON))

    @property
    def lora_names(self) -> tuple[str, ...]:
        """Names of the projections that have low-rank changes; none without them."""
        return tuple(name.strip() for name in self.lora_on.split(",")) if self.lora_on else ()
