"""From token ids to the residual stream: word table, trigram, positions, segments.

Paper section 3.1: the word table is narrow, and a position reads its neighbours' rows too.
Dimensions: B batch, S sequence, E embedding_size, H hidden_size.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilebert.config import MobileBertConfig
from mobilebert.reference import TORCH_DEFAULT_EPS
from mobilebert.torch.norms import norm
from mobilebert.torch.precision import in_float32, widened

__all__ = ["MobileBertEmbeddings", "table_rows", "trigram"]


def trigram(words: Tensor, mask: Tensor | None = None) -> Tensor:
    """Put next, current and previous word side by side, [B, S, E] -> [B, S, 3E].

    The order is that of Google's code. Beyond the ends stand zeros.

    Args:
        words: Rows of the word table, [B, S, E].
        mask: Factor on a position where it is a neighbour, [B, S].
    """
    neighbours = words if mask is None else words * mask.unsqueeze(-1).to(words.dtype)
    padded = F.pad(neighbours, (0, 0, 1, 1))  # [B, S + 2, E]
    return torch.cat([padded[:, 2:], words, padded[:, :-2]], dim=2)


# The ids that choose rows -> the table.
_TABLES = {
    "input_ids": "word_embeddings",
    "token_type_ids": "token_type_embeddings",
    "position_ids": "position_embeddings",
}


def table_rows(embeddings: nn.Module) -> dict[str, int | None]:
    """Count the rows of each table, by the name of the ids that choose them.

    A user may have put another module in a table's place; None where it does not tell.
    """
    return {ids: _rows(getattr(embeddings, name, None)) for ids, name in _TABLES.items()}


def _rows(table: nn.Module | None) -> int | None:
    rows, weight = getattr(table, "num_embeddings", None), getattr(table, "weight", None)
    if isinstance(rows, int):
        return rows
    return weight.shape[0] if isinstance(weight, Tensor) and weight.dim() == 2 else None


def _table(rows: int, width: int, padding_idx: int | None = None) -> nn.Embedding:
    """Build a table without values.

    They come with the initialisation of the whole model. PyTorch's own would draw them twice, and
    on the meta device loads a second's worth of modules.
    """
    # torch gives this method no types.
    table: nn.Embedding = nn.Embedding.from_pretrained(  # type: ignore[no-untyped-call]
        torch.empty(rows, width), freeze=False, padding_idx=padding_idx
    )
    return table


class MobileBertEmbeddings(nn.Module):
    """The embedding tables and what makes a residual stream of their rows.

    Args:
        config: The configuration.
    """

    def __init__(self, config: MobileBertConfig) -> None:
        super().__init__()
        e, h = config.embedding_size, config.hidden_size
        self.trigram_input = config.trigram_input
        self.transforms = config.trigram_input or e != h
        self.word_embeddings = _table(config.vocab_size, e, config.pad_token_id)
        self.position_embeddings = _table(config.max_position_embeddings, h)
        self.token_type_embeddings = _table(config.type_vocab_size, h)
        # Checkpoints have it even where nothing is left to transform.
        self.embedding_transformation = nn.Linear(3 * e if config.trigram_input else e, h)
        self.LayerNorm = norm(config, h, TORCH_DEFAULT_EPS)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(
        self,
        input_ids: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        neighbor_mask: Tensor | None = None,
    ) -> Tensor:
        """Embed token ids.

        Args:
            input_ids: Token ids, [B, S]; or `inputs_embeds`.
            token_type_ids: Segment ids, [B, S]; all 0 by default.
            position_ids: Positions, [B, S], [1, S] or [S]; counted from 0 by default.
            inputs_embeds: Rows in place of the word table's, [B, S, E].
            neighbor_mask: Factor on a position where it is a trigram neighbour, [B, S].

        Returns:
            The residual stream, [B, S, H].
        """
        words = self.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        device = words.device
        if position_ids is None:
            position_ids = torch.arange(words.shape[1], device=device).unsqueeze(0)
        if token_type_ids is None:
            token_type_ids = torch.zeros(1, 1, dtype=torch.long, device=device)  # broadcasts
        words = widened(words)
        if self.trigram_input:
            words = trigram(words, neighbor_mask)  # [B, S, 3E]
        if self.transforms:
            words = in_float32(self.embedding_transformation, words)  # [B, S, H]
        summed = words + self.position_embeddings(position_ids)
        summed = summed + self.token_type_embeddings(token_type_ids)
        embedded: Tensor = self.dropout(in_float32(self.LayerNorm, summed))
        return embedded
