"""An optimizer that steps group by group."""

from collections.abc import Callable
from typing import Any, overload

import torch
from torch.optim import Optimizer

__all__ = ["GroupOptimizer"]


class GroupOptimizer(Optimizer):
    """What optimizers share whose groups know nothing of each other."""

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take a step; parameters without gradient stay as they are.

        Args:
            closure: Computes the gradients and returns the loss.

        Returns:
            What the closure returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self.step_group(group)
        return loss

    def step_group(self, group: dict[str, Any]) -> None:
        """Take the step of a group.

        Args:
            group: Its parameters and constants.
        """
        raise NotImplementedError
