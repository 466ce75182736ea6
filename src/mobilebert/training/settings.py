"""The settings of fine-tuning: one table, which Python and the command line both read."""

import dataclasses
import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from mobilebert.errors import ArgumentError, InputError

__all__ = ["FinetuneSettings", "Precision", "kind_of"]


class Precision(StrEnum):
    """Element type of the arithmetic; weights are float32 always."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


def _setting(
    default: Any,
    help: str,
    *,
    metavar: str = "N",
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Describe a setting; None as default means: as the preset says."""
    facts = {"help": help, "metavar": metavar, "least": least, "most": most, "choices": choices}
    return field(default=default, metadata=facts)


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings:
    """How a model is tuned.

    Each field is an argument of `mobilebert.finetune` and an option of ``mobilebert finetune``;
    `describe` lists them. None is what the preset of task and model size says.
    """

    epochs: float | None = _setting(None, "Passes over the data.", least=0)
    max_steps: int | None = _setting(None, "Steps at most.", least=1)
    batch_size: int | None = _setting(None, "Examples of a step.", least=1)
    learning_rate: float | None = _setting(None, "Highest rate.", metavar="R", least=0)
    head_learning_rate: float | None = _setting(
        None, "Highest rate of the new head.", metavar="R", least=0
    )
    layer_decay: float = _setting(
        1.0, "Factor on the rate from each layer to the one below.", metavar="F", least=0, most=1
    )
    weight_decay: float | None = _setting(None, "Weight decay.", metavar="F", least=0)
    optimizer: str = _setting("adamw", "What takes the steps.", choices=("adamw", "lamb"))
    schedule: str = _setting(
        "linear", "How the rate falls after warm-up.", choices=("linear", "cosine", "constant")
    )
    warmup: float | None = _setting(
        None, "Share of the steps in which the rate rises.", metavar="F", least=0, most=1
    )
    clip: float | None = _setting(None, "Largest norm of the gradients.", metavar="F", least=0)
    freeze: str | None = _setting(
        None,
        "What stays as it is: embeddings, encoder, or a number of lowest layers.",
        metavar="WHAT",
    )
    lora_rank: int | None = _setting(
        None, "Train low-rank changes of the attention alone, merged at the end.", least=1
    )
    dropout: float | None = _setting(
        None, "Dropout before the head.", metavar="F", least=0, most=0.95
    )
    label_smoothing: float = _setting(
        0.0, "Share of the target given to all classes alike.", metavar="F", least=0, most=0.95
    )
    r_drop: float = _setting(
        0.0, "Weight of the difference between two passes with dropout.", metavar="F", least=0
    )
    class_weights: str = _setting(
        "none", "Weigh classes by how rare they are.", choices=("none", "balanced")
    )
    sampling: str = _setting(
        "natural", "Draw rare classes as often as others.", choices=("natural", "balanced")
    )
    max_length: int | None = _setting(None, "Longest sequence in tokens.", least=8)
    long_text: str = _setting(
        "window", "What becomes of longer texts.", choices=("window", "head_tail", "truncate")
    )
    precision: str = _setting(
        "float32",
        "Arithmetic; weights stay float32.",
        choices=tuple(str(name) for name in Precision),
    )
    gradient_checkpointing: bool = _setting(
        False, "Compute layers twice instead of keeping what they computed."
    )
    micro_tokens: int = _setting(
        8192, "Tokens that go through the model at once; less needs less memory.", least=1
    )
    evaluate_every: int | None = _setting(
        None, "Steps between evaluations. Default: once an epoch, four times at least.", least=1
    )
    checkpoint_every: int = _setting(
        200, "Steps between states on disk, to go on from with --resume.", least=1
    )
    patience: int | None = _setting(None, "Stop after so many evaluations without gain.", least=1)
    tune_thresholds: bool = _setting(
        False, "Choose the threshold of each label on the dev rows (several labels at once)."
    )
    dev_share: float = _setting(
        0.1, "Share of the rows to judge by, without --dev.", metavar="F", least=0.001, most=0.9
    )
    dev_rows: int | None = _setting(
        None, "Rows to judge by at most, drawn from the others. Default: all.", least=1
    )
    seed: int = _setting(0, "Of the split, the order, new weights and dropout.", least=0)

    def __post_init__(self) -> None:
        for setting in dataclasses.fields(self):
            _check(setting.name, getattr(self, setting.name), setting)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """Read settings by name.

        Args:
            given: Name -> value.

        Raises:
            ArgumentError: There is no such setting; the message lists them.
            InputError: A value is not possible.
        """
        names = [setting.name for setting in dataclasses.fields(cls)]
        for name in given:
            if name not in names:
                close = difflib.get_close_matches(name, names, n=1)
                hint = f" Did you mean {close[0]}?" if close else ""
                raise ArgumentError(
                    f"There is no setting {name!r}; there are {', '.join(names)}.{hint}"
                )
        return cls(**given)

    def filled(self, preset: Mapping[str, Any]) -> Self:
        """Return settings whose open values are those of a preset."""
        values: dict[str, Any] = {
            name: preset.get(name) if value is None else value
            for name, value in dataclasses.asdict(self).items()
        }
        return type(self)(**values)

    def to_json(self) -> str:
        """Return them as JSON, the same text for the same settings."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


def kind_of(setting: "dataclasses.Field[Any]") -> str:
    """Return float, int, bool or str, whether or not a setting may be left open."""
    kind: Any = setting.type
    first = getattr(kind, "__args__", (kind,))[0]  # of "float | None"
    return str(first.__name__)


def _check(name: str, value: Any, setting: "dataclasses.Field[Any]") -> None:
    if value is None:
        return
    facts = setting.metadata
    if facts["choices"]:
        if value not in facts["choices"]:
            allowed = ", ".join(facts["choices"])
            raise InputError(f"{name} must be one of {allowed}, not {value!r}.")
        return
    words, kinds = _KINDS[kind_of(setting)]
    is_bool = isinstance(value, bool)
    if not isinstance(value, kinds) or is_bool != (bool in kinds) or value != value:
        raise InputError(f"{name} must be {words}, not {value!r}.")
    least, most = facts["least"], facts["most"]
    if least is not None and value < least:
        raise InputError(f"{name} must be at least {least}, not {value!r}.")
    if most is not None and value > most:
        raise InputError(f"{name} must be at most {most}, not {value!r}.")


# Type of a field -> what to call it, and what may be given.
_KINDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "float": ("a number", (float, int)),
    "int": ("a whole number", (int,)),
    "bool": ("True or False", (bool,)),
    "str": ("a text", (str,)),
}
