"""Another vocabulary size: rows added to or cut from everything that has one row for each word."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mobilebert.resizing import rows_around_mean
from mobilebert.torch.heads import VocabularyHead

__all__ = ["resize_decoder", "resize_embedding", "resize_vocabulary_head", "resized_rows"]


def _standard_normal(*shape: int) -> npt.NDArray[np.float32]:
    return torch.randn(shape, dtype=torch.float32, device="cpu").numpy()


def resized_rows(rows: Tensor, size: int, mean_resizing: bool, std: float) -> Tensor:
    """Cut a table or add rows at its end.

    Args:
        rows: The table, [old size, width].
        size: Rows of the result.
        mean_resizing: Draw new rows around the mean of the old ones; otherwise from the initial
            distribution.
        std: Standard deviation of the initial distribution.

    Returns:
        A new table, [size, width].
    """
    old = rows.shape[0]
    if size <= old:
        return rows[:size].clone()
    if mean_resizing:
        table = rows.detach().float().cpu().numpy()
        drawn = rows_around_mean(table, size - old, _standard_normal)
        added = torch.from_numpy(drawn).to(rows.device)
    else:
        added = torch.empty(size - old, rows.shape[1], device=rows.device)
        nn.init.trunc_normal_(added, std=std, a=-2.0 * std, b=2.0 * std)
    return torch.cat([rows, added.to(rows.dtype)])


def _replace(module: nn.Module, name: str, value: Tensor) -> None:
    """Put other numbers, of any shape, into a parameter that optimizers may hold already."""
    parameter = module.get_parameter(name)
    # A graph of an earlier call that is still there expects gradients of the old shape. Torch
    # forgets that with the dtype only.
    passing = torch.float32 if value.dtype == torch.float16 else torch.float16
    parameter.data = value.new_empty(0, dtype=passing)
    parameter.data = value.contiguous()
    parameter.grad = None


@torch.no_grad()
def resize_embedding(embedding: nn.Embedding, size: int, mean_resizing: bool, std: float) -> None:
    """Give an embedding table another number of rows; see `resized_rows`."""
    if embedding.num_embeddings == size:
        return
    _replace(embedding, "weight", resized_rows(embedding.weight, size, mean_resizing, std))
    embedding.num_embeddings = size
    if embedding.padding_idx is not None and embedding.padding_idx >= size:
        embedding.padding_idx = None


@torch.no_grad()
def resize_vocabulary_head(
    head: VocabularyHead, size: int, mean_resizing: bool, std: float, tied: bool
) -> None:
    """Give the masked-language-model head another vocabulary size.

    Its extension has one column for each word; new biases are 0.

    Args:
        head: The head.
        size: The vocabulary's size.
        mean_resizing: As for `resized_rows`.
        std: As for `resized_rows`.
        tied: Whether the decoder shares the word table, which is resized elsewhere.
    """
    if head.bias.shape[0] == size:
        return
    columns = resized_rows(head.dense.weight.T, size, mean_resizing, std)
    _replace(head.dense, "weight", columns.T)
    head.dense.in_features = head.decoder.out_features = size
    missing = max(0, size - head.bias.shape[0])
    _replace(head, "bias", nn.functional.pad(head.bias[:size], (0, missing)))
    head.tie_bias()
    if not tied:
        rows = resized_rows(head.decoder.weight, size, mean_resizing, std)
        _replace(head.decoder, "weight", rows)


@torch.no_grad()
def resize_decoder(
    decoder: nn.Linear, size: int, mean_resizing: bool, std: float, words: Tensor | None
) -> None:
    """Give the decoder that a user's class names another vocabulary size; new biases are 0.

    Args:
        decoder: The decoder.
        size: The vocabulary's size.
        mean_resizing: As for `resized_rows`.
        std: As for `resized_rows`.
        words: The word table, [size, width], if the decoder shares it.
    """
    if words is not None:
        decoder.weight = words
    elif decoder.weight.shape[0] != size:
        _replace(decoder, "weight", resized_rows(decoder.weight, size, mean_resizing, std))
    if decoder.bias is not None and decoder.bias.shape[0] != size:
        missing = max(0, size - decoder.bias.shape[0])
        _replace(decoder, "bias", nn.functional.pad(decoder.bias[:size], (0, missing)))
    decoder.out_features = size
