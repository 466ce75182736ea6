"""`pretrain`: from prepared text to a model that knows words."""

import math
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch.optim import Optimizer

from mobilebert.errors import InputError
from mobilebert.pretraining.beginning import (
    begin_model,
    read_configuration,
    take_vocabulary,
    told_name,
)
from mobilebert.pretraining.command import PreparedRun, RunRequest
from mobilebert.pretraining.guide import Guide
from mobilebert.pretraining.guide_loading import load_guide, with_guide_factors
from mobilebert.pretraining.material import Material, load_tokenizer
from mobilebert.pretraining.presets import pretraining_preset
from mobilebert.pretraining.readable import check_readable
from mobilebert.pretraining.result import PretrainResult
from mobilebert.pretraining.running import Judge, StageContext
from mobilebert.pretraining.settings import PretrainSettings
from mobilebert.pretraining.stages import StageLoop
from mobilebert.pretraining.workload import PretrainingWorkload
from mobilebert.torch.models import MobileBertForPreTraining
from mobilebert.training.batching import BatchPlan
from mobilebert.training.loop import TrainingLoop
from mobilebert.training.optimizers import build_optimizer
from mobilebert.training.parameter_groups import parameter_groups
from mobilebert.training.schedules import Schedule, warmup_steps
from mobilebert.training.weights_digest import weights_digest

__all__ = ["pretrain", "schedule_of"]

_STAGE = "pretraining"


def pretrain(
    config: str | os.PathLike[str] | None = None,
    *,
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    init: str | os.PathLike[str] | None = None,
    vocabulary_from: str | os.PathLike[str] | None = None,
    encoder: str | os.PathLike[str] | None = None,
    tokenizer: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: bool = False,
    tensorboard: bool = False,
    **settings: Any,
) -> PretrainResult:
    """Pre-train a model on masked words and next sentences; a teacher is trained alike.

    Args:
        config: Name of a preset, such as ``mobilebert`` or ``ib-bert-large``, or a config.json.
        data: Directory that `mobilebert.prepare_pretraining` wrote.
        output: Directory for the model, its curves, its report and its card.
        init: In place of `config`, a checkpoint to go on from.
        vocabulary_from: A checkpoint of BERT's family whose word embeddings are taken.
        encoder: A published encoder of BERT's family, such as a sentence encoder, whose hidden
            states are learned beside the words; of the same vocabulary.
        tokenizer: Directory or Hub name; that of `init` or the bundled one by default.
        overwrite: Replace a model that is in `output`.
        resume: Go on with a run that was interrupted in `output`.
        progress: Whether to show a bar on standard error.
        tensorboard: Whether to write curves for TensorBoard too.
        **settings: Fields of `PretrainSettings`.

    Returns:
        The model, and how good it is on held-out text.

    Raises:
        InputError: Something given cannot be used; nothing was computed.
        ArgumentError: There is no such setting.
        CheckpointError: Something cannot be read, or `output` not written.
        TrainingError: Training diverged again and again.
        KeyboardInterrupt: Ctrl-C; `resume` goes on.
    """
    if (config is None) == (init is None):
        raise InputError("Give one of config (a new model) and init (a checkpoint to go on from).")
    request = RunRequest.of(
        output, overwrite=overwrite, resume=resume, progress=progress, tensorboard=tensorboard
    )
    plan = _Plan(
        config=config,
        init=init,
        vocabulary_from=vocabulary_from,
        encoder=encoder,
        tokenizer=load_tokenizer(init if tokenizer is None else tokenizer),
        data=data,
        settings=PretrainSettings.read(settings),
    )
    return request.carry_out(plan.prepare)


def schedule_of(settings: PretrainSettings, steps: int) -> Schedule:
    """Return how the rate goes over some steps: the warm-up, and what follows."""
    wanted = settings.warmup
    assert wanted is not None  # filled from the preset
    warmup = warmup_steps(wanted, steps) if wanted < 1 else min(int(wanted), steps - 1)
    return Schedule(steps, min(warmup, steps - 1), settings.schedule)


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What `pretrain` was asked to make."""

    config: str | os.PathLike[str] | None
    init: str | os.PathLike[str] | None
    vocabulary_from: str | os.PathLike[str] | None
    encoder: str | os.PathLike[str] | None
    tokenizer: Any
    data: str | os.PathLike[str]
    settings: PretrainSettings

    def prepare(self) -> PreparedRun:
        """Read and check everything."""
        model = self._model()
        settings = self.settings.filled(pretraining_preset(model.config))
        settings = with_guide_factors(settings, self.encoder)
        guide, others = None, []
        if self.encoder is not None:
            guide = load_guide(self.encoder, model.config.hidden_size, self.tokenizer, settings)
            others += [repr(guide.encoder.facts), weights_digest(guide.encoder)]
        material = Material.read(self.data, self.tokenizer, model.config, settings)
        if guide is not None:
            check_readable(material.train, guide.encoder.facts, "encoder")
        steps = _steps(settings, material.plan())
        digest = material.digest(model.config, weights_digest(model), *others)
        if settings.gradient_checkpointing:
            model.gradient_checkpointing_enable()
        model.to(material.device).train()

        def loops(context: StageContext) -> list[StageLoop]:
            return [StageLoop(_STAGE, partial(_loop, context, model, guide, settings, steps))]

        return PreparedRun(
            model=model,
            material=material,
            digest=digest,
            start=str(self.config if self.init is None else self.init),
            stages=[_STAGE],
            loops=loops,
            teacher=None if self.encoder is None else told_name(self.encoder),
        )

    def _model(self) -> MobileBertForPreTraining:
        config = None
        if self.config is not None:
            config = read_configuration(self.config, len(self.tokenizer))
        model = begin_model(config, self.init, self.settings.seed)
        if self.vocabulary_from is not None:
            take_vocabulary(model, self.vocabulary_from, self.tokenizer)
        return model


def _loop(
    context: StageContext,
    model: MobileBertForPreTraining,
    guide: Guide | None,
    settings: PretrainSettings,
    steps: int,
    directory: Path,
    before: Optimizer | None,
) -> TrainingLoop:
    material = context.material
    return context.loop(
        _STAGE,
        PretrainingWorkload(model, material.train, material.plan(), material.precision, guide),
        _optimizer(model, guide, settings),
        schedule_of(settings, steps),
        steps,
        directory,
        Judge(model, material),
    )


def _steps(settings: PretrainSettings, plan: BatchPlan) -> int:
    if settings.epochs is not None:
        return max(1, math.ceil(settings.epochs * plan.steps_per_epoch))
    assert settings.steps is not None  # filled from the preset
    return settings.steps


def _optimizer(
    model: MobileBertForPreTraining, guide: Guide | None, settings: PretrainSettings
) -> Optimizer:
    assert settings.learning_rate is not None  # filled from the preset
    assert settings.optimizer is not None
    groups = parameter_groups(
        model,
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        heads=() if guide is None else (guide.projection,),
    )
    return build_optimizer(settings.optimizer, groups)
