"""How large a model is: parameters, bytes, operations."""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import nn

__all__ = ["CountedModel"]


class CountedModel(nn.Module):
    """A model that knows its size."""

    main_input_name: ClassVar[str] = "input_ids"

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """Count parameters; shared ones count once.

        Args:
            only_trainable: Leave out frozen parameters.
            exclude_embeddings: Leave out the tables of `torch.nn.Embedding` modules.
        """
        tables = {id(m.weight) for m in self.modules() if isinstance(m, nn.Embedding)}
        return sum(
            p.numel()
            for p in self.parameters()
            if (p.requires_grad or not only_trainable)
            and not (exclude_embeddings and id(p) in tables)
        )

    def get_memory_footprint(self, return_buffers: bool = True) -> int:
        """Return the size of parameters (and buffers) in bytes."""
        tensors = [*self.parameters(), *(self.buffers() if return_buffers else ())]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def estimate_tokens(self, input_dict: Mapping[str, Any]) -> int:
        """Count the input ids of a batch, padding included; 0 if there are none."""
        ids = input_dict.get(self.main_input_name)
        return 0 if ids is None else int(ids.numel())

    def floating_point_ops(
        self, input_dict: Mapping[str, Any], exclude_embeddings: bool = True
    ) -> int:
        """Estimate the operations of one training step: 6 for each parameter and token."""
        parameters = self.num_parameters(exclude_embeddings=exclude_embeddings)
        return 6 * self.estimate_tokens(input_dict) * parameters
