"""A workload of a few numbers: rows are fitted by a line, with dropout and noise drawn by step."""

import numpy as np
import torch

from mobilebert.training.batching import BatchPlan
from mobilebert.training.loop import BatchLoss, TrainingLoop
from mobilebert.training.loop_settings import LoopSettings

ROWS = 37


class Line:
    """Fits y = w x + b; `poison` makes a step's loss NaN as often as it says."""

    guessing = 20.0
    part_names = ()

    def __init__(self, poison=None, dropout=0.0):
        rng = np.random.default_rng(5)
        self.x = torch.tensor(rng.standard_normal((ROWS, 3)), dtype=torch.float32)
        self.y = self.x @ torch.tensor([1.0, -2.0, 0.5]) + 3
        self.weights = {
            "w": torch.zeros(3, requires_grad=True),
            "b": torch.zeros(1, requires_grad=True),
            "unused": torch.ones(2, requires_grad=True),
        }
        self.poison, self.dropout = dict(poison or {}), dropout

    def loss(self, examples, step):
        x = torch.nn.functional.dropout(self.x[examples], self.dropout)
        error = x @ self.weights["w"] + self.weights["b"] - self.y[examples]
        total = (error**2).sum()
        if self.poison.get(step, 0):
            self.poison[step] -= 1
            total = total * float("nan")
        return BatchLoss(total, float(len(examples)))

    def fault(self, examples, step):
        return "w"

    def values(self):
        return {name: tensor.detach().clone() for name, tensor in self.weights.items()}


def plan(batch_size=4, lengths=None):
    lengths = np.arange(1, ROWS + 1) % 7 + 1 if lengths is None else lengths
    return BatchPlan(lengths, batch_size, seed=3)


def loop(line, steps=40, rate=0.05, optimizer=None, batch_size=4, schedule=None, **options):
    settings = {
        name: options.pop(name) for name in list(options) if name in LoopSettings.__annotations__
    }
    return TrainingLoop(
        line,
        optimizer or torch.optim.AdamW(list(line.weights.values()), lr=rate),
        schedule or (lambda step: 1.0),
        plan(batch_size),
        LoopSettings(steps=steps, **settings),
        **options,
    )
