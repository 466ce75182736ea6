"""Judging tags of words and the entities they make up."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any

import numpy as np

from mobilebert.datasets.items import TaggedItem
from mobilebert.errors import InputError
from mobilebert.metrics import score_entities
from mobilebert.metrics.classes import Counts
from mobilebert.reports.report import ClassRow, Confusion, EvaluationSummary, WorstError
from mobilebert.training.answering import Asking
from mobilebert.training.encoder import require_offsets
from mobilebert.training.evaluation_results import (
    Evaluation,
    JudgingOptions,
    calibrated,
    class_rows,
    confusion_of,
    negative_log,
    worst_errors,
)
from mobilebert.training.evaluation_texts import names_of
from mobilebert.training.labels import OUTSIDE

__all__ = ["judge_tags"]

Tags = list[list[str]]


@dataclass(frozen=True)
class _Word:
    """What is said about one word.

    Attributes:
        tag: The tag of its first token; "O" where it has none.
        score: The tag's probability, or None.
    """

    tag: str = OUTSIDE
    score: float | None = None


def judge_tags(asking: Asking, items: Sequence[TaggedItem], options: JudgingOptions) -> Evaluation:
    """Judge the tags of words: a word has that of its first token, as it was trained.

    Args:
        asking: The pipeline.
        items: Words with tags.
        options: Not used.

    Raises:
        InputError: An item has no tags, or the tokenizer has no offsets.
    """
    require_offsets(asking.pipeline.tokenizer, "token-classification")
    wanted = [_tags_of(item) for item in items]
    words = _words(asking, items)
    told = [[word.tag for word in row] for row in words]
    scored = [
        (word.score, word.tag == tag)
        for word, tag in zip(chain(*words), chain(*wanted), strict=True)
        if word.score is not None
    ]
    counts = score_entities(told, wanted)
    bins, error = calibrated(
        np.array([score for score, _ in scored]), np.array([right for _, right in scored])
    )
    said = set(chain(*told))
    summary = EvaluationSummary(
        items=len(items),
        metrics=_metrics(counts, told, wanted),
        headline="f1",
        baseline=_nothing(wanted),
        baseline_name='"O" everywhere',
        per_class=_type_rows(counts),
        confusion=_confusion(told, wanted, names_of(asking.pipeline)),
        calibration=bins,
        calibration_error=error,
        worst=worst_errors(_errors(items, words, wanted)),
        only_class=said.pop() if len(said) == 1 < len(set(chain(*wanted))) else None,
    )
    return Evaluation(summary=summary, predictions=tuple(tuple(tags) for tags in told))


def _tags_of(item: TaggedItem) -> list[str]:
    if not item.words or len(item.words) != len(item.tags):
        raise InputError(
            f"{item.place}: {len(item.words)} words and {len(item.tags)} tags cannot be judged."
        )
    return list(item.tags)


def _words(asking: Asking, items: Sequence[TaggedItem]) -> list[list[_Word]]:
    answers = asking(
        items,
        [list(item.words) for item in items],
        is_split_into_words=True,
        aggregation_strategy="none",
        ignore_labels=[],
        delimiter=" ",
    )
    return [_by_word(item, answer) for item, answer in zip(items, answers, strict=True)]


def _by_word(item: TaggedItem, entries: Sequence[Mapping[str, Any]]) -> list[_Word]:
    starts = [0, *accumulate(len(word) + 1 for word in item.words)]
    words = [_Word()] * len(item.words)
    # Pieces of one character, such as the jamo of a Hangul syllable, start at the same place.
    for entry in sorted(entries, key=lambda entry: (-entry["start"], -entry["index"])):
        # The first token of a word is the last one here, and stays.
        words[bisect_right(starts, entry["start"]) - 1] = _Word(entry["entity"], entry["score"])
    return words


def _metrics(counts: Mapping[str, Counts], told: Tags, wanted: Tags) -> dict[str, float]:
    total = counts[""]
    of_types = [float(row.f1[0]) for kind, row in counts.items() if kind]
    right = [one == other for one, other in zip(chain(*told), chain(*wanted), strict=True)]
    return {
        "f1": float(total.f1[0]),
        "precision": float(total.precision[0]),
        "recall": float(total.recall[0]),
        "macro_f1": float(np.mean(of_types)) if of_types else 0.0,
        "accuracy": float(np.mean(right)),
    }


def _nothing(wanted: Tags) -> dict[str, float]:
    outside = [[OUTSIDE] * len(tags) for tags in wanted]
    return _metrics(score_entities(outside, wanted), outside, wanted)


def _type_rows(counts: Mapping[str, Counts]) -> list[ClassRow]:
    return [row for kind, count in counts.items() if kind for row in class_rows([kind], count)]


def _confusion(told: Tags, wanted: Tags, names: Sequence[str]) -> Confusion:
    """Count words by tag; tags that only the items have stand behind the model's."""
    known = list(dict.fromkeys([*names, *sorted(set(chain(*told, *wanted)))]))
    numbers = {name: number for number, name in enumerate(known)}
    predicted, true = (np.array([numbers[tag] for tag in chain(*tags)]) for tags in (told, wanted))
    return confusion_of(known, predicted, true)


def _errors(
    items: Sequence[TaggedItem], words: Sequence[list[_Word]], wanted: Tags
) -> Iterator[WorstError]:
    for item, row, tags in zip(items, words, wanted, strict=True):
        for text, word, tag in zip(item.words, row, tags, strict=True):
            if word.tag != tag:
                # The right tag has at most what the other leaves.
                left = np.array(1 - (word.score or 0.0))
                yield WorstError(
                    place=item.place,
                    text=" ".join(item.words),
                    wanted=f"{text}: {tag}",
                    told=f"{text}: {word.tag}",
                    loss=float(negative_log(left)),
                )
