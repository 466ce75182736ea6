"""`evaluate_pretraining`: how well a checkpoint finds words of prepared text it has not seen."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from mobilebert.corpora.manifest import MANIFEST_FILE
from mobilebert.errors import InputError
from mobilebert.logging import get_logger
from mobilebert.pretraining.beginning import begin_model, drawn_weights
from mobilebert.pretraining.devices import resolve_device
from mobilebert.pretraining.evaluation import PretrainingScores, SourceScores, judge_pretraining
from mobilebert.pretraining.material import judging_data, load_tokenizer
from mobilebert.pretraining.readable import check_readable
from mobilebert.training.settings import Precision

__all__ = ["PretrainingJudgement", "evaluate_pretraining", "is_prepared"]

# What next sentences are told by.
_NEXT_SENTENCE = ("cls.seq_relationship", "mobilebert.pooler")
_COLUMNS = (
    "masked_lm_accuracy",
    "masked_lm_loss",
    "next_sentence_accuracy",
    "next_sentence_loss",
)


def is_prepared(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path is a directory of prepared data."""
    return (Path(path) / MANIFEST_FILE).is_file()


@dataclass(frozen=True)
class PretrainingJudgement:
    """How good a checkpoint is on prepared text.

    Attributes:
        scores: By source.
    """

    scores: PretrainingScores

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics over all sources, by name."""
        return self.scores.metrics()

    def sources(self) -> dict[str, dict[str, float]]:
        """Return masked words and metrics of each source, by name."""
        return {
            name: {"masked_words": source.words, **source.metrics()}
            for name, source in sorted(self.scores.sources.items())
        }

    def summary(self) -> str:
        """Say how good it is, a line for each source and one for all."""
        rows = [*sorted(self.scores.sources.items()), ("all", self.scores.total())]
        width = max(len(name) for name, _ in rows)
        head = f"{'held-out text of':<{width}}  {'masked words':>12}"
        lines = [head + "".join(f"  {name:>22}" for name in _COLUMNS)]
        return "\n".join([*lines, *(_line(name, source, width) for name, source in rows)])


def _line(name: str, source: SourceScores, width: int) -> str:
    metrics = source.metrics()
    cells = (f"{metrics[key]:.4f}" if key in metrics else "-" for key in _COLUMNS)
    return f"{name:<{width}}  {source.words:>12,}" + "".join(f"  {cell:>22}" for cell in cells)


def evaluate_pretraining(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    words: int | None = 50_000,
    seed: int = 0,
    tokenizer: str | os.PathLike[str] | None = None,
    precision: Precision | str = Precision.FLOAT32,
    device: str = "auto",
    progress: bool = False,
) -> PretrainingJudgement:
    """Measure a checkpoint on the held-out text of prepared data.

    Args:
        model: Directory or Hub name of a checkpoint with the heads of pre-training; next sentences
            are judged only where it has theirs.
        data: What `mobilebert.prepare_pretraining` wrote.
        words: Masked words after which there are enough; None for all of the text.
        seed: Of which sequences are read; masks are always the same.
        tokenizer: Directory or Hub name; the model's own by default.
        precision: Element type of the arithmetic.
        device: Where to compute, as for `pretrain`.
        progress: Whether to show a bar on standard error.

    Raises:
        InputError: The data are none of that kind, hold nothing out, have another vocabulary, or
            cannot be read by the model.
        CheckpointError: The checkpoint cannot be read.
    """
    if words is not None and words < 1:
        raise InputError(f"words must be at least 1, not {words}.")
    place = resolve_device(device)
    loaded = begin_model(None, model, seed)
    if lost := drawn_weights(loaded, "cls.predictions"):
        raise InputError(f"{model} has no head for masked words: it lacks {lost[0]}.")
    known = load_tokenizer(model if tokenizer is None else tokenizer)
    held_out = judging_data(data, known, loaded.config.vocab_size, place)
    if held_out is None:
        raise InputError(f"{data} holds no text out to judge by; prepare it again with --held-out.")
    check_readable(held_out, loaded.config)
    # By chance such a head tells half of them rightly.
    guessed = drawn_weights(loaded, *_NEXT_SENTENCE)
    if guessed and held_out.has_pairs:
        get_logger(__name__).warning(
            "%s has no head for next sentences (it lacks %s): these are not judged.",
            model,
            guessed[0],
        )
    with tqdm(unit="sequence", disable=None if progress else True, file=sys.stderr) as bar:

        def told(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        scores = judge_pretraining(
            loaded.to(place),
            held_out,
            words=words,
            seed=seed,
            precision=Precision(precision),
            pairs=not guessed,
            on_progress=told,
        )
    return PretrainingJudgement(scores)
