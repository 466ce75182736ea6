"""How a stage becomes what learns in a model, and the optimizer that makes it learn."""

from collections.abc import Iterable

from torch import nn
from torch.optim import Optimizer

from mobilebert.distillation.stages import Slots, Stage
from mobilebert.errors import InputError
from mobilebert.training.optimizers import WEIGHT_DECAY, OptimizerName, build_optimizer
from mobilebert.training.parameter_groups import depth_of, groups_by_depth, layer_count

__all__ = ["enter_stage", "stage_optimizer"]


def enter_stage(model: nn.Module, stage: Stage) -> None:
    """Let learn what learns in a stage, and the student's dropout act or not.

    What has the rate 0 gets no gradients, so that nothing is computed for it, and the norm that
    gradients are clipped by knows of none. The code computes those of the embeddings and clips by
    a norm with them; LAMB's step does not depend on it but by way of its running means.

    Args:
        model: The student; changed.
        stage: The stage.

    Raises:
        InputError: A student with another number of layers.
    """
    rates = _rates(model, stage)
    for name, parameter in model.named_parameters():
        depth = depth_of(name)
        rate = rates[-1 if depth is None else depth]
        parameter.requires_grad_(rate > 0 and parameter.numel() > 0)
    model.train(stage.dropout)


def stage_optimizer(
    name: OptimizerName | str,
    model: nn.Module,
    stage: Stage,
    *,
    lr: float,
    weight_decay: float = WEIGHT_DECAY,
    modules: Iterable[nn.Module] = (),
    previous: Optimizer | None = None,
) -> Optimizer:
    """Build the optimizer of a stage.

    Rates are those of a step whose background is 1: the loop multiplies them by
    ``stage.background(step)``. What has the rate 0 is in no group: it has neither weight decay nor
    running means. So it is with both optimizers.

    Args:
        name: "adamw" or "lamb".
        model: The student, as `enter_stage` leaves it.
        stage: The stage.
        lr: The rate of the run, above 0.
        weight_decay: Of matrices.
        modules: What learns besides, at `lr`, such as projections between widths.
        previous: The optimizer of the stage before, whose running means are kept where the stage
            says so.

    Raises:
        InputError: A number outside its range, or a student with another number of layers.
    """
    if not 0 < lr < float("inf"):
        raise InputError(f"lr is {lr}; allowed is a number above 0.")
    rates = [lr * rate for rate in _rates(model, stage)]
    groups = groups_by_depth(model, rates, weight_decay=weight_decay)
    besides = nn.ModuleList(modules)
    if len(besides):
        groups += groups_by_depth(besides, (0.0, lr), weight_decay=weight_decay)
    for group in groups:
        group["rests_at_zero"] = stage.rests_at_zero
    optimizer = build_optimizer(name, groups)
    if previous is not None and stage.slots is Slots.KEEP:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter in previous.state:
                    optimizer.state[parameter] = previous.state[parameter]
    return optimizer


def _rates(model: nn.Module, stage: Stage) -> list[float]:
    """Return the factors by depth: of the embeddings, each layer, and what is above."""
    layers = layer_count(model)
    if layers != len(stage.layer_rates):
        raise InputError(
            f"Stage {stage.name} is for a student of {len(stage.layer_rates)} layers; this one has "
            f"{layers}."
        )
    return [stage.embedding_rate, *stage.layer_rates, stage.head_rate]
