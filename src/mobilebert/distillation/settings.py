"""The settings of distillation: one table, which Python and the command line both read."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from mobilebert.distillation.choices import (
    EmbeddingNorm,
    StatisticsOf,
    TransferFactors,
    TransferForm,
)
from mobilebert.distillation.layer_mapping import MappingRule
from mobilebert.distillation.stages import Stage
from mobilebert.distillation.strategies import (
    PROGRESSIVE_FORMS,
    StrategyName,
    pretraining_stage,
    stages_of,
)
from mobilebert.errors import InputError
from mobilebert.pretraining.settings import RunSettings
from mobilebert.setting_tables import setting

__all__ = ["DISTILLATION_ALONE", "DistillSettings"]

# Besides the strategies of transfer: none of it.
DISTILLATION_ALONE = "distillation"

_FACTORS = TransferFactors()
# By progressive form, where it is not that of the code that made the published checkpoint.
_EMBEDDING_NORMS: dict[str | None, EmbeddingNorm] = {"model-garden": EmbeddingNorm.COPIED}
# Settings of what the paper's objectives do not have.
_OF_THE_CODE = ("feature_map_factor", "mean_factor", "variance_factor", "statistics")


@dataclass(frozen=True, kw_only=True)
class DistillSettings(RunSettings):
    """How knowledge is transferred.

    Each field is an argument of `mobilebert.distill` and an option of ``mobilebert distill``.
    Defaults are those of the code that made the published checkpoint.
    """

    strategy: str = setting(
        "progressive",
        "How: layer by layer, all layers and then the words, all at once, or words alone.",
        choices=(*(str(name) for name in StrategyName), DISTILLATION_ALONE),
    )
    transfer_steps: int | None = setting(
        None, "Steps of the transfer of layers, of all together.", least=1
    )
    distillation_steps: int | None = setting(
        None, "Steps of the distillation of words behind it; 0 leaves it out.", least=0
    )
    progressive_form: str = setting(
        "original",
        "Lower layers go on with a tenth of the rate, are frozen, or keep the whole rate.",
        choices=tuple(PROGRESSIVE_FORMS),
    )
    hard_share: float = setting(
        0.5, "Weight of the right words beside the teacher's.", metavar="F", least=0, most=1
    )
    temperature: float = setting(
        1.0, "Temperature of the teacher's words.", metavar="F", least=0.01
    )
    form: str = setting(
        "code",
        "Objectives as the paper states them or as its code does.",
        choices=tuple(str(name) for name in TransferForm),
    )
    statistics: str = setting(
        "layer",
        "Means and variances of the compared layer, or of all maps as in TensorFlow 1.",
        choices=tuple(str(name) for name in StatisticsOf),
    )
    feature_map_factor: float = setting(
        _FACTORS.feature_map, "Of feature maps.", metavar="F", least=0
    )
    mean_factor: float = setting(_FACTORS.mean, "Of their means.", metavar="F", least=0)
    variance_factor: float = setting(_FACTORS.variance, "Of their variances.", metavar="F", least=0)
    attention_factor: float = setting(_FACTORS.attention, "Of attentions.", metavar="F", least=0)
    layer_mapping: str = setting(
        str(MappingRule.LAST_OF_GROUP),
        "Which of the teacher's layers: last-of-group, uniform, or numbers such as 1,3,5.",
        metavar="RULE",
    )
    no_copies: bool = setting(False, "Take no embeddings and heads of the teacher over.")
    embedding_norm: str | None = setting(
        None,
        "Copy the norm of the embeddings too: if it is of the same kind, or always. Default: as "
        "the form's code does.",
        choices=tuple(str(name) for name in EmbeddingNorm),
    )

    def __post_init__(self) -> None:
        """Check all values, and refuse what has no meaning beside others."""
        super().__post_init__()
        if self.strategy == DISTILLATION_ALONE and self.transfer_steps is not None:
            raise InputError(
                f"transfer_steps is {self.transfer_steps}, and strategy {DISTILLATION_ALONE!r} "
                "transfers no layers; leave that out, or give more distillation_steps."
            )
        if self.form == TransferForm.PAPER:
            table = {known.name: known.default for known in dataclasses.fields(self)}
            given = [name for name in _OF_THE_CODE if getattr(self, name) != table[name]]
            if given:
                raise InputError(
                    f"{', '.join(given)} {'is' if len(given) == 1 else 'are'} of the code's "
                    "objectives, and form is 'paper'; leave that out, or take --form code."
                )

    def filled(self, preset: Mapping[str, Any]) -> Self:
        """Return settings whose open values are those of a preset, where they have a meaning."""
        left_out = ("transfer_steps",) if self.strategy == DISTILLATION_ALONE else ()
        known = {key: x for key, x in preset.items() if key not in left_out}
        return super().filled({"embedding_norm": self._norm_of_the_form(), **known})

    def _norm_of_the_form(self) -> str:
        has_form = self.strategy == StrategyName.PROGRESSIVE
        form = self.progressive_form if has_form else None
        return str(_EMBEDDING_NORMS.get(form, EmbeddingNorm.SAME_KIND))

    def factors(self) -> TransferFactors:
        """Return the factors on the terms of the transfer."""
        return TransferFactors(
            feature_map=self.feature_map_factor,
            mean=self.mean_factor,
            variance=self.variance_factor,
            attention=self.attention_factor,
        )

    def mapping_rule(self) -> str | tuple[int, ...]:
        """Return a rule, or the teacher's layers.

        Raises:
            InputError: Neither words nor numbers.
        """
        rule = self.layer_mapping
        if not any(letter.isdigit() for letter in rule):
            return rule
        try:
            return tuple(int(number) for number in rule.split(","))
        except ValueError:
            raise InputError(
                f"layer_mapping is {rule!r}; give {', '.join(MappingRule)}, or the teacher's "
                "layers as numbers with commas between."
            ) from None

    def stages(self, layers: int) -> tuple[Stage, ...]:
        """Return the stages for a student of some layers.

        Args:
            layers: How many it has.

        Raises:
            InputError: Numbers that give no stages.
        """
        transfer, words = self.transfer_steps, self.distillation_steps
        assert words is not None  # filled from the preset
        assert self.warmup is not None
        warmed = words
        if self.strategy == StrategyName.AUXILIARY:
            assert transfer is not None
            warmed += transfer  # one stage for both
        # A warm-up in steps that is longer than a short stage would not fit into it.
        warmup = min(self.warmup, max(warmed - 1, 0)) if self.warmup >= 1 else self.warmup
        common: dict[str, Any] = {"hard_share": self.hard_share, "warmup": warmup}
        if self.strategy == DISTILLATION_ALONE:
            return (pretraining_stage(layers, words, dropout=False, **common),)
        assert transfer is not None
        return stages_of(
            self.strategy,
            layers,
            transfer,
            words,
            form=self.progressive_form,
            factors=self.factors(),
            **common,
        )
