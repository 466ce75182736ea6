"""The head that starts right: features standardised in training, folded away on saving.

The raw first token of published checkpoints reaches 2.5e7 in some channels while others are of
order 1, so a fresh head answers with logits of 1e6 and a first loss of 1e3 to 1e5. Here the dense
layer that reads raw features has them standardised, z = (x - mu) / sigma, with mu and sigma of the
first batches. Being linear, that is part of the layer: W' z + b' == (W' / sigma) x + (b' - W' mu /
sigma), so what is saved is an ordinary checkpoint. Targets of a regression are standardised in the
same way behind the last layer.

Dimensions: N rows of features, H hidden_size, C logits.
"""

from collections.abc import Collection
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilebert.errors import ArgumentError, InputError
from mobilebert.tasks import Reads
from mobilebert.torch.precision import widened
from mobilebert.torch.task_model import TaskModel

__all__ = ["StandardizedHead", "StandardizedLinear", "standardize_head"]

# The least spread of a channel, relative to its mean. Folded weights times features have terms of
# |mu| / sigma times those of the standardised sum, so a thousand costs 1e3 * 2**-24 = 6e-5 of it.
_LEAST_SPREAD = 1e-3
# In bfloat16 a feature has an error of some 2**-9 of its size, which must not become order 1 where
# the texts differ by less.
_LEAST_SPREAD_BFLOAT16 = 2.0**-7
# Variances from few rows are pulled towards the median channel's as by so many rows more: two rows
# that are alike by chance say little about the third.
_PRIOR_ROWS = 4.0
# The least spread, relative to the median channel's: what stood still may move later.
_LEAST_OF_TYPICAL = 0.2
# From N rows a spread below this, divided by N, of the mean is not believed, for the same reason.
_BELIEVED_SHARE = 0.25

# A trained regression may be off by so many variances of the targets; their mean is by one.
_FAR_OFF = 2.0
# The least spread of what a trained layer reads: its weights were learned for features as they are,
# and with smaller ones steps of the rate would undo that.
_LEAST_OF_TRAINED = 1.0


class StandardizedLinear(nn.Module):
    """A dense layer whose inputs, and outputs if wanted, are standardised in training.

    It computes ``out_spread * (W' ((x - mean) / spread) + b') + out_mean``. The layer it stands for
    is left alone until `fold_`.

    Args:
        linear: The layer it stands for, [C, H].
        mean: Of the features, [H].
        spread: Of the features, [H], positive.
        out_mean: Of the targets, [C]; zeros by default.
        out_spread: Of the targets, [C], positive; ones by default.
        fresh: Whether the layer's weights are initial ones, which are then taken for the
            standardised layer. Trained ones are converted so that the function stays the same.
    """

    mean: Tensor
    spread: Tensor
    out_mean: Tensor
    out_spread: Tensor

    def __init__(
        self,
        linear: nn.Linear,
        mean: Tensor,
        spread: Tensor,
        out_mean: Tensor | None = None,
        out_spread: Tensor | None = None,
        *,
        fresh: bool,
    ) -> None:
        super().__init__()
        device = linear.weight.device
        statistics = {
            "mean": mean,
            "spread": spread,
            "out_mean": torch.zeros(linear.out_features) if out_mean is None else out_mean,
            "out_spread": torch.ones(linear.out_features) if out_spread is None else out_spread,
        }
        for name, values in statistics.items():
            self.register_buffer(name, values.to(device, torch.float32))
        # Not a submodule: its parameters are not trained.
        self._linear = (linear,)
        weight, bias = linear.weight.detach().double(), linear.bias.detach().double()
        if not fresh:
            bias = (bias + weight @ self.mean.double() - self.out_mean.double()) / self.out_spread
            weight = weight * self.spread.double() / self.out_spread[:, None]
        self.weight = nn.Parameter(weight.float())
        self.bias = nn.Parameter(bias.float())

    def forward(self, features: Tensor, dropout: float = 0.0) -> Tensor:
        """Apply the layer in float32.

        Args:
            features: [..., H].
            dropout: Share of the standardised features that are dropped.

        Returns:
            What the folded layer gives, [..., C].
        """
        with torch.autocast(features.device.type, enabled=False):
            z = (features.float() - self.mean) / self.spread
            projected = F.linear(F.dropout(z, dropout), self.weight, self.bias)
            return torch.addcmul(self.out_mean, projected, self.out_spread)

    @torch.no_grad()
    def fold_(self) -> None:
        """Write the ordinary layer of the same function, computed in float64."""
        linear = self._linear[0]
        weight = self.weight.double() * self.out_spread.double()[:, None] / self.spread.double()
        linear.weight.copy_(weight)
        # With the weights as they were rounded, so that their errors do not meet the mean.
        shift = linear.weight.double() @ self.mean.double()
        linear.bias.copy_(self.bias.double() * self.out_spread + self.out_mean - shift)


class StandardizedHead(nn.Module):
    """The head of a model, in place of ``model.logits`` while training.

    Its parameters are those to train in place of the layers' that it stands for; the model's other
    parameters are its own. `standardize_head` makes one.

    Args:
        first: What reads the encoder's features.
        last: What gives the logits, behind tanh; None where that is `first`.
        dropout: Dropout before the logits.
        names: The modules of the model that `first` and `last` stand for.
    """

    def __init__(
        self,
        first: StandardizedLinear,
        last: StandardizedLinear | None,
        dropout: float,
        names: tuple[str, ...],
    ) -> None:
        super().__init__()
        self.first = first
        self.last = last
        self.dropout = dropout
        self.names = names

    @property
    def target_spread(self) -> Tensor:
        """Standard deviation of each target, [C]; ones where there is no regression.

        Dividing a squared error by its square makes the loss independent of the targets' unit.
        """
        return self._giving.out_spread

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits the folded model would give, in float32.

        Args:
            features: States that the head reads: of first tokens or of every token, [..., H].

        Returns:
            Logits, [..., C]; of a regression in the unit of the targets.
        """
        dropout = self.dropout if self.training else 0.0
        if self.last is None:
            logits: Tensor = self.first(features, dropout)
            return logits
        pooled = torch.tanh(self.first(features))
        logits = self.last(pooled, dropout)
        return logits

    @torch.no_grad()
    def is_far(self, features: Tensor, targets: Tensor) -> bool:
        """Tell whether a regression's squared error is above twice the variance of targets.

        That of all which the head was standardised by, and that of these: one far out among a few
        rows is far from any regression.

        Args:
            features: Rows that the head reads, [N, H].
            targets: What is wanted of them, [N] or [N, C].
        """
        found, wanted = self._standardised(self(features)), self._standardised(targets)
        variance = max(1.0, float(wanted.var(dim=0, correction=0).mean()))
        return float((found - wanted).square().mean()) > _FAR_OFF * variance

    @torch.no_grad()
    def fit_(self, features: Tensor, targets: Tensor) -> None:
        """Shift and scale the numbers of a regression that was trained for others.

        What it learned in another unit is of use: the line through its numbers and the targets that
        has the least squares is never further from these than their mean.

        Args:
            features: Rows that the head reads, [N, H]; with dropout as in training, which may be
                more than what the rows differ by.
            targets: What is wanted of them, [N] or [N, C].
        """
        found, wanted = self._standardised(self(features)), self._standardised(targets)
        middle, goal = found.mean(dim=0), wanted.mean(dim=0)
        common = ((found - middle) * (wanted - goal)).mean(dim=0)
        variance = (found - middle).square().mean(dim=0)
        slope = torch.where(variance > 0, common / variance, 0.0)
        layer = self._giving
        layer.bias.copy_((layer.bias - middle) * slope + goal)
        layer.weight.copy_(layer.weight * slope[:, None])

    @property
    def _giving(self) -> StandardizedLinear:
        """The layer that gives the logits."""
        return self.first if self.last is None else self.last

    def _standardised(self, numbers: Tensor) -> Tensor:
        """Return logits or targets in units of the targets, [N, C], in float64."""
        layer = self._giving
        rows = numbers.double().reshape(len(numbers), -1)
        return (rows - layer.out_mean) / layer.out_spread

    def fold_(self) -> None:
        """Write the weights of the ordinary model; may be done at any time, and again."""
        self.first.fold_()
        if self.last is not None:
            self.last.fold_()

    @torch.no_grad()
    def folding_error(self, model: TaskModel[Any], features: Tensor) -> float:
        """Compare the ordinary model's logits with this head's.

        Args:
            model: The model, after `fold_`.
            features: Rows that the head reads, [N, H].

        Returns:
            The largest difference, as a share of the range of this head's logits.
        """
        training = self.training
        self.eval()
        wanted = self(features)
        self.train(training)
        found = features
        for name in self.names:
            linear = cast(nn.Linear, model.get_submodule(name))
            found = found if found is features else torch.tanh(found)
            found = F.linear(found, widened(linear.weight), widened(linear.bias))
        span = wanted.max() - wanted.min()
        return float((found - wanted).abs().max() / span.clamp(min=torch.finfo(span.dtype).tiny))


def standardize_head(
    model: TaskModel[Any],
    features: Tensor,
    *,
    targets: Tensor | None = None,
    prior: Tensor | None = None,
    fresh: Collection[str] | None = None,
    bfloat16: bool = False,
) -> StandardizedHead:
    """Make the head of a model start right.

    Args:
        model: A model with a projection: a classifier, a question answerer.
        features: Rows of the last state that the head reads, of the first batches, [N, H]: first
            tokens where the head is pooled, else every token.
        targets: What a regression is to give, [M] or [M, C].
        prior: What a fresh head says before it has read anything, [C]; zeros by default.
        fresh: Names of the modules with initial weights, such as "classifier"; by default those
            that were new when the checkpoint was loaded.
        bfloat16: Whether the features come from arithmetic in bfloat16.

    Raises:
        ArgumentError: The model has no such head.
        InputError: There are no rows, or one holds infinity or NaN.
    """
    projection = model.task.projection
    if projection is None:
        raise ArgumentError(f"{type(model).__name__} has no projection to standardise.")
    mean, spread = _statistics(features, _LEAST_SPREAD_BFLOAT16 if bfloat16 else _LEAST_SPREAD)
    new = _new_modules(model) if fresh is None else set(fresh)
    out = (None, None) if targets is None else _target_statistics(targets)
    pooler = model.base_model.pooler if projection.reads is Reads.POOLED else None
    dropout = model.dropout.p if projection.dropout else 0.0
    last = cast(nn.Linear, model.get_submodule(projection.name))
    is_new = projection.name in new
    if pooler is None or pooler.dense is None:
        spread = spread if is_new else spread.clamp(min=_LEAST_OF_TRAINED)
        first = StandardizedLinear(last, mean, spread, *out, fresh=is_new)
        _begin_with(first, prior if is_new else None)
        return StandardizedHead(first, None, dropout, (projection.name,))
    name = f"{model.base_model_prefix}.pooler.dense"
    spread = spread if name in new else spread.clamp(min=_LEAST_OF_TRAINED)
    first = StandardizedLinear(pooler.dense, mean, spread, fresh=name in new)
    width = last.in_features
    behind = StandardizedLinear(last, torch.zeros(width), torch.ones(width), *out, fresh=is_new)
    _begin_with(behind, prior if is_new else None)
    return StandardizedHead(first, behind, dropout, (name, projection.name))


@torch.no_grad()
def _begin_with(layer: StandardizedLinear, prior: Tensor | None) -> None:
    if prior is not None:
        layer.bias.add_(prior.to(layer.bias))


def _new_modules(model: TaskModel[Any]) -> set[str]:
    return {name.removesuffix(".weight") for name in model.newly_initialized_weights}


def _statistics(features: Tensor, least: float) -> tuple[Tensor, Tensor]:
    """Return mean and spread of each channel, [H] each, in float64."""
    rows = features.detach().double()
    if rows.dim() != 2 or not len(rows):
        raise InputError(f"features must be rows, [N, H], not of shape {tuple(features.shape)}.")
    if not bool(rows.isfinite().all()):
        channel = int((~rows.isfinite()).any(dim=0).nonzero()[0])
        raise InputError(f"The features to standardise hold infinity or NaN, in channel {channel}.")
    count = len(rows)
    mean = rows.mean(dim=0)
    squares = (rows - mean).square().sum(dim=0)
    typical = squares.median() / max(count - 1, 1)
    # A single row, or all alike: their size is all that is known of a spread.
    typical = next(x for x in (typical, mean.abs().median().square(), torch.ones(())) if x > 0)
    variance = (squares + _PRIOR_ROWS * typical) / (count - 1 + _PRIOR_ROWS)
    floor = mean.abs() * max(least, _BELIEVED_SHARE / count)
    floor = torch.maximum(floor, _LEAST_OF_TYPICAL * typical.sqrt())
    return mean, torch.maximum(variance.sqrt(), floor)


def _target_statistics(targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and spread of each target, [C] each; a constant one has spread 1."""
    rows = targets.detach().double()
    rows = rows[:, None] if rows.dim() == 1 else rows
    spread = rows.std(dim=0, correction=0)
    return rows.mean(dim=0), torch.where(spread > 0, spread, torch.ones_like(spread))
