"""How a training loop runs."""

from dataclasses import dataclass

__all__ = ["LoopSettings", "remember_every"]

# Steps between states in memory; short runs have some too.
_REMEMBERED_EVERY = 50


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """How the loop runs.

    Attributes:
        steps: How many there are in all.
        clip: Largest norm of all gradients together.
        micro_tokens: Tokens that go through the model at once.
        evaluate_every: Steps between evaluations.
        checkpoint_every: Steps between states on disk.
        remember_every: Steps between states to go back to; no matter which of them are on disk, so
            that an interruption changes nothing.
        report_every: Steps between entries of losses.
        patience: Evaluations without gain after which to stop; None for never.
        seed: Of dropout.
        offset: Steps of loops before it, whose batches, masks and dropout this one goes on behind.
        spike: Multiple of the lowest running mean of the loss above which it has left for good;
            None where the loss may rise, as while one objective gives way to another.
        ends_with_best: Whether a run that diverges with every rate ends with its best weights, if
            some were judged; it is an error otherwise.
    """

    steps: int
    clip: float = 1.0
    micro_tokens: int = 16384
    evaluate_every: int = 100
    checkpoint_every: int = 100
    remember_every: int = _REMEMBERED_EVERY
    report_every: int = 10
    patience: int | None = None
    seed: int = 0
    offset: int = 0
    spike: float | None = None
    ends_with_best: bool = False


def remember_every(steps: int) -> int:
    """Return how often a run of some steps should remember a state to go back to."""
    return max(1, min(_REMEMBERED_EVERY, steps // 4))
