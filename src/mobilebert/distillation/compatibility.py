"""Whether a teacher can teach a student, told before anything is computed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from mobilebert.config import MobileBertConfig
from mobilebert.distillation.layer_mapping import LayerMapping
from mobilebert.distillation.stages import Stage
from mobilebert.errors import InputError
from mobilebert.torch.pretrained import MobileBertPreTrainedModel
from mobilebert.weights import heads_of_layer

__all__ = ["Partner", "TeacherOutput", "check_partners", "outputs_of"]


class TeacherOutput(StrEnum):
    """What a teacher may give."""

    FEATURE_MAPS = "feature maps"
    ATTENTIONS = "attentions"
    WORD_SCORES = "scores of masked words"


@dataclass(frozen=True, kw_only=True)
class Partner:
    """What is known of a teacher or a student.

    Attributes:
        config: The configuration.
        vocabulary: Digest of the vocabulary; None where it is not known.
        outputs: What it gives, where it teaches.
    """

    config: MobileBertConfig
    vocabulary: str | None = None
    outputs: frozenset[TeacherOutput] = frozenset(TeacherOutput)


def outputs_of(model: MobileBertPreTrainedModel) -> frozenset[TeacherOutput]:
    """Return what a model gives: with a vocabulary head everything."""
    scores = set() if model.get_output_embeddings() is not None else {TeacherOutput.WORD_SCORES}
    return frozenset(set(TeacherOutput) - scores)


class _Pair(NamedTuple):
    """Something that has to be equal."""

    what: str
    student: object
    teacher: object
    reason: str


def check_partners(
    student: Partner,
    teacher: Partner,
    stages: Sequence[Stage],
    mapping: LayerMapping | None,
    *,
    copies: bool = True,
    length: int | None = None,
) -> None:
    """Refuse a teacher that cannot teach a student in some stages.

    Args:
        student: The student.
        teacher: The teacher.
        stages: What is planned.
        mapping: Between the layers; None where no stage compares them.
        copies: Whether embeddings and heads are copied first.
        length: Of the longest text of the data; None where it is not known.

    Raises:
        InputError: They differ in what has to be equal, or the teacher does not give what is
            needed; everything that is wrong is named, with both values.
    """
    wrong = [
        f"{pair.what}: {pair.student} of the student, {pair.teacher} of the teacher ({pair.reason})"
        for pair in _pairs(student, teacher, stages, mapping, copies)
        if pair.student != pair.teacher
    ]
    wrong += _lacking(teacher, stages)
    wrong += _too_short(student, teacher, length)
    if wrong:
        raise InputError(f"This teacher cannot teach this student. {'; '.join(wrong)}.")


def _pairs(
    student: Partner,
    teacher: Partner,
    stages: Sequence[Stage],
    mapping: LayerMapping | None,
    copies: bool,
) -> Iterator[_Pair]:
    ours, theirs = student.config, teacher.config
    if student.vocabulary is not None and teacher.vocabulary is not None:
        digests = student.vocabulary, teacher.vocabulary
        yield _Pair("vocabulary", *digests, "ids have to mean the same words")
    yield _pair("vocab_size", ours, theirs, "ids have to mean the same words")
    transferred = any(stage.transferred for stage in stages)
    if transferred or copies:
        yield _pair("hidden_size", ours, theirs, "feature maps and embeddings have that width")
    if copies:
        for field in ("embedding_size", "trigram_input", "type_vocab_size"):
            yield _pair(field, ours, theirs, "embeddings are copied")
        yield _pair("max_position_embeddings", ours, theirs, "embeddings are copied")
    for stage in stages:
        count = len(stage.gates), ours.num_hidden_layers
        if count[0] != count[1]:
            raise InputError(
                f"Stage {stage.name} is for a student of {count[0]} layers; this one has "
                f"{count[1]}."
            )
    if transferred:
        yield from _layers(ours, theirs, stages, mapping)


def _layers(
    ours: MobileBertConfig,
    theirs: MobileBertConfig,
    stages: Sequence[Stage],
    mapping: LayerMapping | None,
) -> Iterator[_Pair]:
    if mapping is None:
        raise InputError("The stages compare layers; give the mapping (LayerMapping.between).")
    counts = ours.num_hidden_layers, theirs.num_hidden_layers
    mapped = len(mapping.layers), mapping.of
    if counts != mapped:
        raise InputError(
            f"The layers are mapped from {mapped[0]} of a student to {mapped[1]} of a teacher; "
            f"these have {counts[0]} and {counts[1]}."
        )
    compared = {layer for stage in stages if stage.factors.attention for layer in stage.transferred}
    for layer in sorted(compared):
        above = mapping.layers[layer]
        yield _Pair(
            f"attention heads of layer {layer} and of layer {above}",
            heads_of_layer(ours, layer),
            heads_of_layer(theirs, above),
            "attentions are compared head by head",
        )


def _lacking(teacher: Partner, stages: Sequence[Stage]) -> list[str]:
    needed = {output for stage in stages for output in _needed(stage)}
    return [
        f"the teacher gives no {output}, which the stages need"
        for output in TeacherOutput
        if output in needed - teacher.outputs
    ]


def _needed(stage: Stage) -> Iterator[TeacherOutput]:
    factors = stage.factors
    if stage.transferred and (factors.feature_map or factors.mean or factors.variance):
        yield TeacherOutput.FEATURE_MAPS
    if stage.transferred and factors.attention:
        yield TeacherOutput.ATTENTIONS
    if stage.needs_words:
        yield TeacherOutput.WORD_SCORES


def _too_short(student: Partner, teacher: Partner, length: int | None) -> list[str]:
    return [
        f"max_position_embeddings: {partner.config.max_position_embeddings} of the {who}, and the "
        f"data has texts of {length} tokens"
        for who, partner in (("student", student), ("teacher", teacher))
        if length is not None and partner.config.max_position_embeddings < length
    ]


def _pair(field: str, student: MobileBertConfig, teacher: MobileBertConfig, reason: str) -> _Pair:
    return _Pair(field, getattr(student, field), getattr(teacher, field), reason)
