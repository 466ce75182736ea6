"""The transfer loss of a stage: both models read a batch once, each as deep as the stage needs.

Dimensions: T tokens, H hidden_size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from mobilebert.distillation.choices import StatisticsOf, TransferForm
from mobilebert.distillation.layer_mapping import LayerMapping
from mobilebert.distillation.objectives import (
    MapStatistics,
    attention_transfer,
    feature_map_transfer,
    stacked_statistics,
)
from mobilebert.distillation.stages import Stage
from mobilebert.errors import InputError
from mobilebert.torch.packed import AttentionOutput, PackedBatch, PackedStates, encode_packed
from mobilebert.torch.pretrained import MobileBertPreTrainedModel
from mobilebert.training.objectives import Summed

__all__ = ["BothStates", "encode_both", "transfer_loss"]


@dataclass(frozen=True, eq=False)
class BothStates:
    """What student and teacher make of a batch.

    Attributes:
        student: The student's last state, and states and attentions of the layers that are
            compared.
        teacher: The teacher's, of the layers they are mapped to; None where it is not needed.
        statistics: Of the teacher's maps, where they are not the compared layer's.
        tokens: T.
    """

    student: PackedStates
    teacher: PackedStates | None
    statistics: MapStatistics | None
    tokens: int


def encode_both(
    stage: Stage,
    mapping: LayerMapping | None,
    student: MobileBertPreTrainedModel,
    teacher: MobileBertPreTrainedModel | None,
    batch: PackedBatch,
    statistics: StatisticsOf = StatisticsOf.LAYER,
    *,
    rows: Tensor | None = None,
) -> BothStates:
    """Encode a batch with student and teacher, each as deep as the stage needs.

    The teacher runs without gradients and, as the caller has set it, without dropout.

    Args:
        stage: The stage.
        mapping: Between the layers; None where the stage compares none.
        student: The student.
        teacher: The teacher, in evaluation mode; None where the stage needs none.
        batch: The sequences.
        statistics: Which of the teacher's maps means and variances are taken of.
        rows: The rows that are wanted of both last states, [M], where no layers are compared; all
            by default.

    Raises:
        InputError: The stage compares layers, and there is no mapping between them.
    """
    compared = stage.transferred
    shows = bool(stage.factors.attention) and bool(compared)
    attentions = AttentionOutput.LOG_PROBABILITIES if shows else AttentionOutput.NONE
    ours = encode_packed(
        student,
        batch,
        rows=rows,
        depth=stage.depth,
        layers=compared,
        output_hidden_states=True,
        output_attentions=attentions,
    )
    tokens = len(batch.ids)
    if teacher is None or not stage.needs_teacher:
        return BothStates(ours, None, None, tokens)
    mapped = _mapped(stage, mapping)
    everything = bool(compared) and statistics is StatisticsOf.ALL_MAPS
    deep = stage.needs_words or everything
    with torch.no_grad():
        theirs = encode_packed(
            teacher,
            batch,
            rows=rows,
            depth=None if deep else mapped[-1] + 1,
            layers=None if everything else set(mapped),
            output_hidden_states=True,
            output_attentions=attentions,
        )
        stacked = stacked_statistics(theirs.hidden_states or ()) if everything else None
    return BothStates(ours, _chosen(theirs, mapped, everything), stacked, tokens)


def _mapped(stage: Stage, mapping: LayerMapping | None) -> list[int]:
    if not stage.transferred:
        return []
    if mapping is None:
        raise InputError(
            f"Stage {stage.name} compares layers; give the mapping between them "
            "(LayerMapping.between)."
        )
    return [mapping.layers[layer] for layer in stage.transferred]


def _chosen(states: PackedStates, layers: list[int], everything: bool) -> PackedStates:
    """Return states with one entry for each layer, in order; one may stand twice."""
    kept = sorted(set(layers))
    places = layers if everything else [kept.index(layer) for layer in layers]
    maps, shown = states.hidden_states or (), states.attentions
    if everything:
        maps = maps[1:]  # the first is the embeddings
    return PackedStates(
        states.last_hidden_state,
        states.first,
        tuple(maps[place] for place in places),
        None if shown is None else tuple(shown[place] for place in places),
    )


def transfer_loss(
    stage: Stage, both: BothStates, form: TransferForm = TransferForm.CODE
) -> Summed | None:
    """Return ``sum(gate * transfer) / divisor`` over the layers that a stage compares.

    Args:
        stage: The stage.
        both: What both models made of a batch.
        form: Which statement of the objectives is meant.

    Returns:
        A sum over tokens; None where the stage compares no layers.
    """
    if not stage.transferred or both.teacher is None:
        return None
    parts = []
    ours, theirs = both.student, both.teacher
    for place, layer in enumerate(stage.transferred):
        share = stage.gates[layer] / stage.divisor
        maps = feature_map_transfer(
            (ours.hidden_states or ())[place],
            (theirs.hidden_states or ())[place],
            form=form,
            factors=stage.factors,
            statistics=both.statistics,
        )
        parts.append(share * maps.total)
        if ours.attentions is not None and theirs.attentions is not None:
            attentions = attention_transfer(
                ours.attentions[place],
                theirs.attentions[place],
                both.tokens,
                form=form,
                factor=stage.factors.attention,
            )
            parts.append(share * attentions.total)
    units = torch.tensor(float(both.tokens), device=parts[0].device)
    return Summed(torch.stack(parts).sum(), units)
