"""A checkpoint with the other norms: true layer normalisation, or NoNorm, and nearly its answers.

    python recipes/mini/exchange.py MODEL DATA layer_norm|no_norm OUTPUT

With layer normalisation a small model learns faster (`scales.py`); NoNorm is what it is to have in
the end. A layer normalisation takes the mean of each token's numbers away and
divides them by their deviation, ``w * (x - m) / d + b``. Both differ little between tokens, so a
NoNorm with the means of ``m / d`` and ``1 / d`` over some text, ``(w / d) * x + (b - w * m / d)``,
says nearly the same; what is lost is learned again within some steps. The other way round w and b
get back what was put into them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from by_itself import run_script
from checkpoints import load_to_train, save_with_tokenizer
from torch import Tensor, nn

from mobilebert import MobileBertForPreTraining, MobileBertTokenizerFast
from mobilebert.corpora.manifest import Split
from mobilebert.corpora.prepared import PreparedCorpus
from mobilebert.errors import InputError
from mobilebert.torch.norms import NoNorm

__all__ = ["exchange_norms", "main"]

# Sequences that the means are taken of, the longest ones, and the share of masks in them.
SEQUENCES, MASKED = 256, 0.12
KINDS = {"no_norm": NoNorm, "layer_norm": nn.LayerNorm}


@torch.no_grad()
def exchange_norms(
    model: MobileBertForPreTraining, kind: str, **text: Tensor
) -> MobileBertForPreTraining:
    """Return the model with norms of another kind; that of the vocabulary head stays what it is.

    Args:
        model: The model.
        kind: "no_norm" or "layer_norm".
        text: Some of it, as the model takes it, without padding.

    Raises:
        InputError: There is no such kind, or the model has it already.
    """
    if kind not in KINDS or kind == model.config.normalization_type:
        raise InputError(
            f"Norms can become {' or '.join(KINDS)}, not {kind!r}; the model has "
            f"{model.config.normalization_type}."
        )
    config = type(model.config).from_dict(model.config.to_dict())
    config.normalization_type = kind
    other = MobileBertForPreTraining(config).eval()
    other.load_state_dict(model.state_dict())

    def fit(part: nn.Module, given: tuple[Tensor]) -> None:
        # The parts before it are fitted: they run in this order.
        deviation = given[0].std(-1, correction=0)
        scale, shift = (1 / deviation).mean(), (given[0].mean(-1) / deviation).mean()
        if kind == "no_norm":
            part.bias -= part.weight * shift
            part.weight *= scale
        else:
            part.weight /= scale
            part.bias += part.weight * shift

    norms = [part for part in other.mobilebert.modules() if isinstance(part, KINDS[kind])]
    hooks = [part.register_forward_pre_hook(fit) for part in norms]
    other(**text)
    for hook in hooks:
        hook.remove()
    return other


def some_text(data: Path, tokenizer: MobileBertTokenizerFast) -> dict[str, Tensor]:
    """Return sequences of prepared data, with masks, all as long as the longest.

    Args:
        data: Its directory.
        tokenizer: That of the data.
    """
    corpus = PreparedCorpus.open(data, Split.TRAIN)
    longest = np.flatnonzero(corpus.lengths == corpus.lengths.max())
    drawn = np.random.default_rng(0)
    chosen = drawn.choice(longest, min(SEQUENCES, len(longest)), replace=False)
    sequences = [corpus[int(place)] for place in chosen]
    ids = np.stack([sequence.ids for sequence in sequences])
    masked = (drawn.random(ids.shape) < MASKED) & ~np.isin(ids, tokenizer.all_special_ids)
    ids = np.where(masked, tokenizer.mask_token_id, ids)
    types = np.stack([sequence.types for sequence in sequences])
    return {
        "input_ids": torch.from_numpy(ids.astype(np.int64)),
        "token_type_ids": torch.from_numpy(types.astype(np.int64)),
    }


def main(given: Sequence[str]) -> None:
    """Save it, with its tokenizer.

    Args:
        given: Model, prepared data, kind of norm, and the directory for the result.
    """
    name, data, kind, output = given
    model, tokenizer = load_to_train(name)
    # The student of an earlier round before it got NoNorm has layer normalisation already.
    exchanged = model
    if model.config.normalization_type != kind:
        exchanged = exchange_norms(model, kind, **some_text(Path(data), tokenizer))
    save_with_tokenizer(exchanged, tokenizer, Path(output))


if __name__ == "__main__":
    run_script(main, __doc__)
