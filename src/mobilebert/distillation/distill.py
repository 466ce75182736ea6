"""`distill`: from a teacher to a student that knows what it knows."""

import os
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from torch.optim import Optimizer

from mobilebert.checkpoint.reading import load_config
from mobilebert.corpora.vocabulary_digest import vocabulary_digest
from mobilebert.distillation.choices import StatisticsOf, TransferForm
from mobilebert.distillation.compatibility import Partner, check_partners, outputs_of
from mobilebert.distillation.copies import copy_from_teacher
from mobilebert.distillation.layer_mapping import LayerMapping
from mobilebert.distillation.presets import distillation_preset
from mobilebert.distillation.settings import DistillSettings
from mobilebert.distillation.stage_optimizer import enter_stage, stage_optimizer
from mobilebert.distillation.stages import Stage
from mobilebert.distillation.workload import Objectives, TransferWorkload
from mobilebert.errors import CheckpointError, InputError
from mobilebert.pretraining.beginning import (
    begin_model,
    drawn_weights,
    read_configuration,
    told_name,
)
from mobilebert.pretraining.command import PreparedRun, RunRequest
from mobilebert.pretraining.material import Material, has_tokenizer, load_tokenizer
from mobilebert.pretraining.readable import check_readable
from mobilebert.pretraining.result import PretrainResult
from mobilebert.pretraining.running import Judge, StageContext
from mobilebert.pretraining.stages import StageLoop
from mobilebert.torch.models import MobileBertForPreTraining
from mobilebert.training.loop import TrainingLoop
from mobilebert.training.weights_digest import weights_digest

__all__ = ["distill"]


def distill(
    teacher: str | os.PathLike[str],
    student: str | os.PathLike[str] | None = None,
    *,
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    init: str | os.PathLike[str] | None = None,
    tokenizer: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: bool = False,
    tensorboard: bool = False,
    **settings: Any,
) -> PretrainResult:
    """Transfer the knowledge of a teacher to a student, as MobileBERT was made.

    Args:
        teacher: Directory or Hub name of a trained model, such as an IB-BERT.
        student: Name of a preset, such as ``mobilebert``, or a config.json.
        data: Directory that `mobilebert.prepare_pretraining` wrote.
        output: Directory for the student, its curves, its report and its card.
        init: In place of `student`, a checkpoint to go on from.
        tokenizer: Directory or Hub name; that of `init` by default, if it has one, or the
            teacher's.
        overwrite: Replace a model that is in `output`.
        resume: Go on with a run that was interrupted in `output`.
        progress: Whether to show a bar on standard error.
        tensorboard: Whether to write curves for TensorBoard too.
        **settings: Fields of `DistillSettings`.

    Returns:
        The student, and how good it is on held-out text.

    Raises:
        InputError: Something given cannot be used, or teacher and student do not fit; nothing was
            computed.
        ArgumentError: There is no such setting.
        CheckpointError: Something cannot be read, or `output` not written.
        TrainingError: Training diverged again and again.
        KeyboardInterrupt: Ctrl-C; `resume` goes on.
    """
    if (student is None) == (init is None):
        raise InputError("Give one of student (a new model) and init (a checkpoint to go on from).")
    request = RunRequest.of(
        output, overwrite=overwrite, resume=resume, progress=progress, tensorboard=tensorboard
    )
    plan = _Plan(
        teacher=teacher,
        student=student,
        init=init,
        tokenizer=_own_tokenizer(teacher, init) if tokenizer is None else load_tokenizer(tokenizer),
        tokenizer_given=tokenizer is not None,
        data=data,
        settings=DistillSettings.read(settings),
    )
    return request.carry_out(plan.prepare)


def _own_tokenizer(teacher: str | os.PathLike[str], init: str | os.PathLike[str] | None) -> Any:
    """Return the tokenizer of the student, or the teacher's where it has none."""
    if init is not None and not Path(init).is_file():
        try:
            return load_tokenizer(init)
        except CheckpointError:
            pass  # many checkpoints come without one
    return load_tokenizer(teacher)


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What `distill` was asked to make."""

    teacher: str | os.PathLike[str]
    student: str | os.PathLike[str] | None
    init: str | os.PathLike[str] | None
    tokenizer: Any
    tokenizer_given: bool
    data: str | os.PathLike[str]
    settings: DistillSettings

    def prepare(self) -> PreparedRun:
        """Read and check everything."""
        config = load_config(self.teacher)
        student = self._student()
        settings = self.settings.filled(distillation_preset(student.config))
        layers = student.config.num_hidden_layers
        stages = settings.stages(layers)
        mapping = None
        if any(stage.transferred for stage in stages):
            rule = settings.mapping_rule()
            mapping = LayerMapping.between(layers, config.num_hidden_layers, rule)
        material = Material.read(self.data, self.tokenizer, student.config, settings)
        check_readable(material.train, config, "teacher")
        teacher = begin_model(None, self.teacher, settings.seed)
        self._check(student, teacher, stages, mapping)
        if self._copies:
            assert settings.embedding_norm is not None  # filled
            copy_from_teacher(student, teacher, settings.embedding_norm)
        digest = material.digest(student.config, weights_digest(student), weights_digest(teacher))
        if settings.gradient_checkpointing:
            student.gradient_checkpointing_enable()
        pair = _Pair(
            student.to(material.device),
            teacher.to(material.device).eval().requires_grad_(False),
            mapping,
            settings,
        )

        def loops(context: StageContext) -> list[StageLoop]:
            before = accumulate((stage.steps for stage in stages), initial=0)
            return [
                StageLoop(stage.name, partial(_loop, context, pair, stage, offset))
                for stage, offset in zip(stages, before, strict=False)
            ]

        return PreparedRun(
            model=student,
            material=material,
            digest=digest,
            start=str(self.student if self.init is None else self.init),
            stages=[stage.name for stage in stages],
            loops=loops,
            teacher=told_name(self.teacher),
            strategy=settings.strategy,
        )

    @property
    def _copies(self) -> bool:
        return not self.settings.no_copies and self.init is None

    def _student(self) -> MobileBertForPreTraining:
        config = None
        if self.student is not None:
            config = read_configuration(self.student, len(self.tokenizer))
        return begin_model(config, self.init, self.settings.seed)

    def _vocabulary(self) -> str | None:
        """Return the digest of the teacher's; None where only the user knows it."""
        if self.tokenizer_given and not has_tokenizer(self.teacher):
            return None
        return vocabulary_digest(load_tokenizer(self.teacher))

    def _check(
        self,
        student: MobileBertForPreTraining,
        teacher: MobileBertForPreTraining,
        stages: tuple[Stage, ...],
        mapping: LayerMapping | None,
    ) -> None:
        drawn = drawn_weights(teacher, "cls.predictions")
        if drawn and any(stage.needs_words for stage in stages):
            raise InputError(
                f"The teacher {self.teacher} gives no scores of masked words: its checkpoint lacks "
                f"{drawn[0]}. Give a teacher that was pre-trained, or hard_share 1."
            )
        check_partners(
            Partner(config=student.config, vocabulary=vocabulary_digest(self.tokenizer)),
            Partner(
                config=teacher.config, vocabulary=self._vocabulary(), outputs=outputs_of(teacher)
            ),
            stages,
            mapping,
            copies=self._copies,
        )


@dataclass(frozen=True)
class _Pair:
    """Who learns from whom, and how."""

    student: MobileBertForPreTraining
    teacher: MobileBertForPreTraining
    mapping: LayerMapping | None
    settings: DistillSettings


def _loop(
    context: StageContext,
    pair: _Pair,
    stage: Stage,
    offset: int,
    directory: Path,
    before: Optimizer | None,
) -> TrainingLoop:
    settings, material = pair.settings, context.material
    assert settings.optimizer is not None  # filled from the preset
    assert settings.learning_rate is not None
    enter_stage(pair.student, stage)
    workload = TransferWorkload(
        pair.student,
        pair.teacher if stage.needs_teacher else None,
        stage,
        pair.mapping,
        material.train,
        material.plan(),
        objectives=Objectives(
            form=TransferForm(settings.form),
            statistics=StatisticsOf(settings.statistics),
            temperature=settings.temperature,
        ),
        precision=material.precision,
    )
    optimizer = stage_optimizer(
        settings.optimizer,
        pair.student,
        stage,
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        previous=before,
    )
    judge = Judge(pair.student, material) if stage.pretraining else None
    return context.loop(
        stage.name, workload, optimizer, stage.background, stage.steps, directory, judge, offset
    )
