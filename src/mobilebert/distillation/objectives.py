"""What a student is to have in common with its teacher, as paper and code state it.

Paper: Sun et al. 2020 (arXiv:2004.02984), section 3.2. Code: google-research
mobilebert/run_pretraining.py. A loss is a sum and the number of units it is a sum over
(`mobilebert.training.objectives.Summed`); its mean is what paper and code state. Teachers get no
gradients. Sums are in float32, or wider where the student is.

Padding is not there, so "mean over tokens" is over the tokens that are: the code's batches are
padded, and its means count the padding as well.

Dimensions: T tokens, H hidden_size, N heads, M masked words, B sequences.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mobilebert.distillation.choices import TransferFactors, TransferForm
from mobilebert.errors import InputError
from mobilebert.torch.losses import summed_cross_entropy
from mobilebert.torch.packed import SoftTargets, masked_lm_loss
from mobilebert.torch.pretrained import MobileBertPreTrainedModel
from mobilebert.training.objectives import Summed

__all__ = [
    "MapStatistics",
    "attention_transfer",
    "feature_map_transfer",
    "map_statistics",
    "masked_word_units",
    "next_sentence",
    "pretraining_distillation",
    "stacked_statistics",
]

# Of the layer normalisation without parameters (tf.contrib.layers.layer_norm).
_EPSILON = 1e-12
# What the code adds to the number of masked words.
_CODE_UNITS = 1e-5


@dataclass(frozen=True, eq=False)
class MapStatistics:
    """Mean and variance over the features.

    Attributes:
        mean: [..., T].
        variance: [..., T].
    """

    mean: Tensor
    variance: Tensor


def map_statistics(states: Tensor) -> MapStatistics:
    """Return mean and variance of each token's features, [..., T, H]."""
    wide = _widened(states)
    variance, mean = torch.var_mean(wide, dim=-1, correction=0)
    return MapStatistics(mean, variance)


def stacked_statistics(states: Sequence[Tensor]) -> MapStatistics:
    """Return the statistics that the code compares every layer of the student with.

    It takes mean and variance of the whole list of the teacher's maps in place of one of them, so
    that each student's map is compared with all (run_pretraining.py, ``teacher_hiddens``). The
    later trainers of TensorFlow Model Garden compare layer with layer.

    Args:
        states: The teacher's embeddings and all its layers' maps, [T, H] each.
    """
    single = [map_statistics(state) for state in states]
    return MapStatistics(
        torch.stack([one.mean for one in single]), torch.stack([one.variance for one in single])
    )


def feature_map_transfer(
    student: Tensor,
    teacher: Tensor,
    *,
    form: TransferForm = TransferForm.CODE,
    factors: TransferFactors | None = None,
    statistics: MapStatistics | None = None,
) -> Summed:
    """Compare the feature maps of a layer.

    In the paper's form (equation of FMT) the mean over tokens and features of
    ``(teacher - student)^2``. In the code's form three terms, each a mean over tokens, times its
    factor: of the same of maps normalised without parameters, of ``(mean_teacher -
    mean_student)^2``, and of ``|variance_teacher - variance_student|``.

    Args:
        student: The student's rows, [T, H].
        teacher: The teacher's, [T, H].
        form: Which statement is meant.
        factors: Of the terms; the published ones by default. The paper's form has none.
        statistics: What means and variances are compared with; the teacher's own by default,
            `stacked_statistics` for what the code does.

    Returns:
        A sum over tokens.

    Raises:
        InputError: Maps of different shapes.
    """
    _check_same("maps", student, teacher)
    ours, theirs = _widened(student), _widened(teacher.detach())
    tokens = torch.tensor(float(len(ours)), device=ours.device)
    if form is TransferForm.PAPER:
        return Summed((theirs - ours).square().mean(dim=-1).sum(), tokens)
    factors = factors or TransferFactors()
    mine = map_statistics(ours)
    wanted = statistics or map_statistics(theirs)
    difference = _normalized(theirs) - _normalized(ours)
    # Statistics of several maps: the mean over them too.
    shift = (wanted.mean.detach() - mine.mean).square().reshape(-1, len(ours)).mean(dim=0)
    spread = (wanted.variance.detach() - mine.variance).abs().reshape(-1, len(ours)).mean(dim=0)
    total = (
        factors.feature_map * difference.square().mean(dim=-1)
        + factors.mean * shift
        + factors.variance * spread
    )
    return Summed(total.sum(), tokens)


def attention_transfer(
    student: Sequence[Tensor],
    teacher: Sequence[Tensor],
    tokens: int,
    *,
    form: TransferForm = TransferForm.CODE,
    factor: float = 1.0,
) -> Summed:
    """Compare the attentions of a layer.

    The mean over tokens and heads of the Kullback-Leibler divergence ``KL(teacher | student)`` in
    the paper's form, of the cross-entropy in the code's. They differ by what does not depend on
    the student, so their gradients are equal.

    Args:
        student: The student's `AttentionOutput.LOG_PROBABILITIES`, [count, N, S, S] of each group.
        teacher: The teacher's.
        tokens: T, all queries of all sequences.
        form: Which statement is meant.
        factor: On the loss.

    Returns:
        A sum over tokens, of means over heads.

    Raises:
        InputError: Other groups, or another number of heads.
    """
    ours = [_widened(group) for group in student]
    if len(ours) != len(teacher):
        raise InputError(
            f"There are {len(ours)} groups of attentions of the student, and {len(teacher)} of the "
            "teacher; both have to read the same batch."
        )
    total = torch.zeros((), dtype=ours[0].dtype, device=ours[0].device)
    for mine, theirs in zip(ours, teacher, strict=True):
        _check_same("attentions", mine, theirs)
        wanted = _widened(theirs.detach())
        # Where something is padding the lowest number stands, whose exponential is 0.
        differences = wanted - mine if form is TransferForm.PAPER else -mine
        total = total + (wanted.exp() * differences).sum()
    heads = ours[0].shape[1]
    return Summed(factor / heads * total, torch.tensor(float(tokens), device=total.device))


def pretraining_distillation(
    model: MobileBertPreTrainedModel,
    rows: Tensor,
    labels: Tensor,
    teacher: MobileBertPreTrainedModel | None = None,
    teacher_rows: Tensor | None = None,
    *,
    hard_share: float = 0.5,
    temperature: float = 1.0,
    form: TransferForm = TransferForm.CODE,
) -> Summed:
    """Compare what student and teacher make of masked words, and the student with the right ones.

    The cross-entropy against ``hard_share * right word + (1 - hard_share) * teacher's
    probabilities`` (alpha in the paper). Scores are made a few hundred rows at a time.

    A temperature divides both models' scores in the paper's form, as is usual since Hinton et al.
    2015 (the paper has none). The code multiplies the teacher's last state by it before its head,
    which then normalises: only bias and activation make it act, and high numbers do not soften.
    The code also divides by the number of words plus 1e-5.

    Args:
        model: The student, with a vocabulary head.
        rows: The student's last state at masked words, [M, H], at least one.
        labels: The right ids, [M].
        teacher: The teacher, with a vocabulary head; not needed where `hard_share` is 1.
        teacher_rows: The teacher's last state at the same words, [M, H of the teacher].
        hard_share: Weight of the right ids, 0 to 1.
        temperature: Above 0; 1 changes nothing.
        form: Which statement is meant.

    Returns:
        A sum over masked words.

    Raises:
        ArgumentError: A model has no vocabulary head.
        InputError: A number outside its range, or models or labels that do not fit.
    """
    soft = None
    if hard_share != 1:
        if teacher is None or teacher_rows is None:
            raise InputError(f"hard_share is {hard_share}, so a teacher is needed, and its rows.")
        in_code = form is TransferForm.CODE
        read = teacher_rows.detach() * temperature if in_code else teacher_rows.detach()
        soft = SoftTargets(teacher, read, hard_share, 1.0 if in_code else temperature)
    total = masked_lm_loss(model, rows, labels, soft) * len(rows)
    units = masked_word_units(len(rows), form)
    return Summed(total, torch.tensor(units, device=total.device))


def masked_word_units(words: int, form: TransferForm) -> float:
    """Return what the sum over some masked words is divided by.

    Args:
        words: How many there are.
        form: Which statement is meant.
    """
    return words + (_CODE_UNITS if form is TransferForm.CODE else 0.0)


def next_sentence(scores: Tensor, labels: Tensor) -> Summed:
    """Compare next-sentence scores with the right answers.

    Args:
        scores: [B, 2]; the first for "follows", the second for "does not".
        labels: 0 or 1, or -100 where it is not known, [B].

    Returns:
        A sum over sequences.

    Raises:
        InputError: Another number of labels than of scores, or a label that is no class.
    """
    return Summed(*summed_cross_entropy(_widened(scores), labels))


def _normalized(states: Tensor) -> Tensor:
    return F.layer_norm(states, states.shape[-1:], eps=_EPSILON)


def _widened(values: Tensor) -> Tensor:
    """Return 16-bit numbers as float32: sums of many terms need more digits."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _check_same(what: str, student: Tensor, teacher: Tensor) -> None:
    if student.shape != teacher.shape:
        raise InputError(
            f"The student's {what} have shape {tuple(student.shape)}, the teacher's "
            f"{tuple(teacher.shape)}; both have to be the same."
        )
