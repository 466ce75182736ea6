"""A stage of knowledge transfer: what is compared, what learns, and how fast."""

from dataclasses import dataclass, field
from enum import StrEnum

from mobilebert.distillation.backgrounds import Background
from mobilebert.distillation.choices import TransferFactors
from mobilebert.errors import InputError

__all__ = ["Slots", "Stage"]


class Slots(StrEnum):
    """What becomes of the optimizer's running means where a stage begins."""

    KEEP = "keep"
    BEGIN_ANEW = "begin_anew"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage.

    The loss is ``sum(gate * transfer) / divisor + pretraining * (masked words + next sentence)``
    over the student's layers, where transfer is the sum of feature-map and attention transfer.
    The rate of a parameter at step t is that of the run times its rate here times
    ``background(t)``.

    Attributes:
        name: For people and files, such as ``layer-03``.
        steps: How many, at least 1.
        gates: Factor on the transfer of each of the student's layers.
        divisor: What the sum over layers is divided by.
        factors: Of the terms of the transfer.
        pretraining: Weight of pretraining distillation and next sentences; 0 for none.
        hard_share: Weight of the right words beside the teacher's (alpha); 1 needs no teacher.
        layer_rates: Factor on the rate of each layer; a layer of 0 keeps its values.
        embedding_rate: Of the embeddings.
        head_rate: Of what is above the layers: pooler and heads.
        background: Factor on all rates, by the step within the stage.
        slots: What becomes of the optimizer's running means.
        rests_at_zero: Whether these begin again from 0 at a step of rate 0, as in the code.
        dropout: Whether the student's dropout acts. The teacher's never does.

    Raises:
        InputError: Numbers outside their range, nothing to compare, or nothing that learns.
    """

    name: str
    steps: int
    gates: tuple[float, ...]
    layer_rates: tuple[float, ...]
    background: Background
    divisor: float = 1.0
    factors: TransferFactors = field(default_factory=TransferFactors)
    pretraining: float = 0.0
    hard_share: float = 0.5
    embedding_rate: float = 0.0
    head_rate: float = 0.0
    slots: Slots = Slots.BEGIN_ANEW
    rests_at_zero: bool = False
    dropout: bool = False

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.steps < 1:
            raise InputError(f"Stage {self.name} has {self.steps} steps; it needs at least 1.")
        if not self.gates or len(self.gates) != len(self.layer_rates):
            raise InputError(
                f"Stage {self.name} has {len(self.gates)} gates and {len(self.layer_rates)} rates "
                "of layers; it needs one of each for every layer."
            )
        numbers = {
            "gates": self.gates,
            "layer_rates": self.layer_rates,
            "pretraining": (self.pretraining,),
            "embedding_rate": (self.embedding_rate,),
            "head_rate": (self.head_rate,),
        }
        for name, values in numbers.items():
            for value in values:
                if not 0 <= value < float("inf"):
                    raise InputError(
                        f"Stage {self.name}: {name} is {value}; allowed are numbers of at least 0."
                    )
        self._check_shares()

    def _check_shares(self) -> None:
        if not 0 < self.divisor < float("inf"):
            raise InputError(f"Stage {self.name}: divisor is {self.divisor}; it has to be above 0.")
        if not 0 <= self.hard_share <= 1:
            raise InputError(
                f"Stage {self.name}: hard_share is {self.hard_share}; allowed are 0 to 1."
            )
        compares = any(self.gates) and any(vars(self.factors).values())
        if not compares and not self.pretraining:
            raise InputError(
                f"Stage {self.name} compares nothing: its gates or the factors of the transfer are "
                "all 0, and no words are learned; give one above 0."
            )
        if not any((*self.layer_rates, self.embedding_rate, self.head_rate)):
            raise InputError(f"In stage {self.name} nothing learns: all its rates are 0.")

    @property
    def transferred(self) -> tuple[int, ...]:
        """The student's layers that are compared with the teacher's, counted from 0."""
        return tuple(layer for layer, gate in enumerate(self.gates) if gate)

    @property
    def depth(self) -> int:
        """How many of the student's layers have to be run."""
        return len(self.gates) if self.pretraining else self.transferred[-1] + 1

    @property
    def needs_words(self) -> bool:
        """Whether the teacher's scores of masked words are compared with."""
        return bool(self.pretraining) and self.hard_share < 1

    @property
    def needs_teacher(self) -> bool:
        """Whether anything of the teacher's is compared with."""
        return bool(self.transferred) or self.needs_words
