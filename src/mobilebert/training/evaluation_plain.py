"""Judging how well a model finds the masked words of plain text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.corpora.masking import Masking, mask_tokens
from mobilebert.datasets.items import PlainItem
from mobilebert.datasets.problems import Problem
from mobilebert.errors import InputError
from mobilebert.pipelines.encoding import ModelInput
from mobilebert.pipelines.kept_parameters import kept_parameters
from mobilebert.pipelines.pipeline import run_sorted
from mobilebert.reports.report import EvaluationSummary, WorstError
from mobilebert.training.answering import Asking
from mobilebert.training.encoder import EncodingOptions
from mobilebert.training.encoding_plain import BlocksEncoder
from mobilebert.training.evaluation_results import Evaluation, JudgingOptions, worst_errors

__all__ = ["judge_masked_words"]

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer[Any]]

# Blocks run at a time: their logits are 10 MB each.
_BLOCKS = 16

_LARGEST_EXPONENT = 700.0

# Paragraphs without words that are named.
_PROBLEMS = 3

# Tokens shown on either side of a word that was not found.
_AROUND = 12


@dataclass(frozen=True)
class _Found:
    """What a model says about the masks of a block.

    Attributes:
        row: The block, with masks.
        item: The item in which it begins.
        wanted: Ids of the masked tokens, [M].
        told: Ids of the most probable ones, [M].
        losses: Negative logarithm of the probability of the right ones, [M].
    """

    row: ModelInput
    item: int
    wanted: IntArray
    told: IntArray
    losses: Array


def judge_masked_words(
    asking: Asking, items: Sequence[PlainItem], options: JudgingOptions
) -> Evaluation:
    """Judge masked words: 15 % of the tokens, always the same for one seed.

    Args:
        asking: The pipeline; its model is asked with the logits of fill-mask.
        items: Paragraphs.
        options: The seed, and how long blocks are.

    Raises:
        InputError: There is nothing to mask.
    """
    length = options.max_length or kept_parameters(asking.pipeline.config).get("max_length")
    encoder = BlocksEncoder(asking.pipeline.builder, EncodingOptions(max_length=length))
    found = list(_blocks(asking, encoder, items, options.seed))
    if not found:
        raise InputError("There is nothing to judge the model by: the paragraphs have no words.")
    wanted, told, losses = (
        np.concatenate([getattr(block, name) for block in found])
        for name in ("wanted", "told", "losses")
    )
    words = asking.pipeline.tokenizer.convert_ids_to_tokens(told.tolist())
    shares = np.unique(wanted, return_counts=True)[1] / len(wanted)
    summary = EvaluationSummary(
        items=len(items),
        metrics=_metrics(float(np.mean(told == wanted)), float(losses.mean())),
        headline="loss",
        baseline=_metrics(float(shares.max()), float((shares * np.log(1 / shares)).sum())),
        baseline_name="frequency of words",
        worst=worst_errors(_errors(asking.pipeline.tokenizer, items, found)),
        only_class=words[0] if len(set(words)) == 1 < len(shares) else None,
        warnings=[_published(problem) for problem in encoder.summary.problems.kept[:_PROBLEMS]],
    )
    return Evaluation(summary=summary, predictions=tuple(words))


def _published(problem: Problem) -> str:
    """Say a problem without the file's directory, as model cards have it too."""
    return f"{PurePath(problem.place).name}: {problem.reason}"


def _metrics(accuracy: float, loss: float) -> dict[str, float]:
    return {"loss": loss, "perplexity": exp(min(loss, _LARGEST_EXPONENT)), "accuracy": accuracy}


def _blocks(
    asking: Asking, encoder: BlocksEncoder, items: Sequence[PlainItem], seed: int
) -> Iterator[_Found]:
    model, tokenizer = asking.pipeline.model, asking.pipeline.tokenizer
    masking = Masking.of(tokenizer, model.config.vocab_size)
    generator = np.random.default_rng(seed)
    examples = list(encoder.examples(items))
    for start in range(0, len(examples), _BLOCKS):
        chunk = examples[start : start + _BLOCKS]
        masked = [
            mask_tokens(np.array(example.rows[0].ids), masking, generator) for example in chunk
        ]
        rows = [
            ModelInput(tokens.ids.tolist(), example.rows[0].types, tuple(tokens.places.tolist()))
            for example, tokens in zip(chunk, masked, strict=True)
        ]
        outputs = run_sorted(model, rows)
        for example, row, tokens, output in zip(chunk, rows, masked, outputs, strict=True):
            told, losses = _scored(output[model.task.emits[0]], tokens.wanted)
            yield _Found(row, example.item, tokens.wanted, told, losses)
        if asking.on_progress is not None:
            asking.on_progress(chunk[-1].item + 1)


def _scored(logits: npt.NDArray[Any], wanted: IntArray) -> tuple[IntArray, Array]:
    """Return the best ids and the losses of the right ones, for logits [M, V]."""
    wide = logits.astype(np.float64)
    highest = wide.max(axis=-1)
    total = highest + np.log(np.exp(wide - highest[:, None]).sum(axis=-1))
    return wide.argmax(axis=-1), total - wide[np.arange(len(wanted)), wanted]


def _errors(
    tokenizer: Any, items: Sequence[PlainItem], found: Sequence[_Found]
) -> Iterator[WorstError]:
    # Only the worst of each block are written out.
    for block in found:
        for number in np.argsort(-block.losses, kind="stable")[:_AROUND]:
            if block.told[number] == block.wanted[number]:
                continue
            place = block.row.positions[number]
            around = block.row.ids[max(0, place - _AROUND) : place + _AROUND + 1]
            yield WorstError(
                place=items[block.item].place,
                text=tokenizer.decode(around),
                wanted=tokenizer.decode([int(block.wanted[number])]),
                told=tokenizer.decode([int(block.told[number])]),
                loss=float(block.losses[number]),
            )
