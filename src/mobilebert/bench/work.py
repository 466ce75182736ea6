"""What is measured: pieces of work, and the suites they belong to, as tables."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from mobilebert.bench.lengths import mixed_lengths
from mobilebert.config import MobileBertConfig

__all__ = ["SUITES", "Caches", "Kind", "Work", "suite", "useful_flop"]


class Kind(StrEnum):
    """What a runner is asked to do."""

    ENCODER = "encoder"  # ids to the last hidden state
    FILL_MASK = "fill-mask"  # one call of a pipeline, text to answer
    PROCESS = "process"  # a new process, from its start to its first answer


class Caches(StrEnum):
    """What is done about the processor's caches before calls are timed."""

    WARM = "warm"  # one call that is not timed
    COLD = "cold"  # emptied before every call
    AS_IS = "as is"


@dataclass(frozen=True)
class Work:
    """One piece of work; all runners that take part do it in turn.

    Attributes:
        name: How rows of the results are found.
        lengths: Tokens of each text.
        kind: What is asked for.
        threads: How many processors may be used; None: all.
        caches: What is done about the processor's caches.
        isa: The instruction set that the engine is told to use (MOBILEBERT_ISA).
        dtypes: Only runners that compute in these take part; empty: all.
        peers: Whether other runtimes take part.
        compiled: In which types runners take part that compile for a minute.
    """

    name: str
    lengths: tuple[int, ...] = ()
    kind: Kind = Kind.ENCODER
    threads: int | None = None
    caches: Caches = Caches.WARM
    isa: str | None = None
    dtypes: tuple[str, ...] = ()
    peers: bool = True
    compiled: tuple[str, ...] = ()

    @property
    def tokens(self) -> int:
        """Real tokens of all texts."""
        return sum(self.lengths)

    @property
    def mixed(self) -> bool:
        """Whether texts have different lengths."""
        return len(set(self.lengths)) > 1


def useful_flop(config: MobileBertConfig, lengths: Iterable[int]) -> int:
    """Count what the encoder has to compute for real tokens: products and sums, softmax left out.

    A token costs one multiply-add for each weight of the layers and of the embedding
    transformation; attention multiplies queries with keys and probabilities with values. With the
    default configuration that is S * (20,250,624 + 6,144 * S) multiply-adds for S tokens.

    Args:
        config: The model: one with bottlenecks, shared queries and trigrams.
        lengths: Tokens of each text.
    """
    wide, narrow, inner = config.hidden_size, config.true_hidden_size, config.intermediate_size
    bottlenecks = 4 * wide * narrow  # input, attention, values, output
    attention = 3 * narrow * narrow  # queries, keys, output
    networks = config.num_feedforward_networks * 2 * narrow * inner
    token = config.num_hidden_layers * (bottlenecks + attention + networks)
    token += (3 if config.trigram_input else 1) * config.embedding_size * wide
    pair = config.num_hidden_layers * 2 * narrow
    token, pair = int(token), int(pair)
    return 2 * sum(length * (token + pair * length) for length in lengths)


def _uniform(length: int, batch: int, compiled: tuple[str, ...] = ()) -> Work:
    return Work(f"S={length}, batch {batch}", (length,) * batch, compiled=compiled)


_COMPILED = ("float32", "bfloat16")


def _mixed(name: str) -> Work:
    return Work(f"64 texts as in {name}", mixed_lengths(name, 64))


# A sentence of 9 tokens for the pipelines.
SENTENCE_TOKENS = 9

_FIGURES = (
    _uniform(128, 1, compiled=("bfloat16",)),
    _uniform(16, 1),
    _uniform(384, 1),
    _uniform(128, 16, compiled=("bfloat16",)),
    _mixed("squad"),
    _mixed("sst2"),
    Work(
        "float32 with avx512, S=128, batch 16",
        (128,) * 16,
        isa="avx512",
        dtypes=("float32",),
        compiled=("float32",),
    ),
    Work(
        "int8 and float32 with avx512vnni, S=128, batch 16",
        (128,) * 16,
        isa="avx512vnni",
        dtypes=("float32", "int8"),
        peers=False,
    ),
    Work("fill-mask, 9 tokens", (SENTENCE_TOKENS,), kind=Kind.FILL_MASK),
    Work("process start to answer", (SENTENCE_TOKENS,), kind=Kind.PROCESS, caches=Caches.AS_IS),
)

GRID_LENGTHS = (16, 32, 64, 128, 256, 384, 512)
GRID_BATCHES = (1, 8, 32)


def _grid() -> tuple[Work, ...]:
    works = [
        _uniform(length, batch, compiled=_COMPILED if batch == 1 else ())
        for batch in GRID_BATCHES
        for length in GRID_LENGTHS
    ]
    works += [_mixed("squad"), _mixed("sst2")]
    for length in (16, 128, 384):
        works.append(Work(f"S={length}, batch 1, 1 thread", (length,), threads=1))
        works.append(Work(f"S={length}, batch 1, cold", (length,), caches=Caches.COLD))
    works.append(Work("S=128, batch 16, 1 thread", (128,) * 16, threads=1))
    return tuple(works)


# figures: what the project promises. grid: everything. quick: does it work here, in a minute.
SUITES: dict[str, tuple[Work, ...]] = {
    "figures": _FIGURES,
    "grid": _grid(),
    "quick": (
        _uniform(16, 1),
        _uniform(128, 1),
        Work("8 texts as in sst2", mixed_lengths("sst2", 8)),
        Work("fill-mask, 9 tokens", (SENTENCE_TOKENS,), kind=Kind.FILL_MASK),
    ),
}


def suite(name: str, lengths: Iterable[int] = (), batches: Iterable[int] = ()) -> tuple[Work, ...]:
    """Return the works of a suite, or those of other lengths and batches.

    Args:
        name: Name of the suite.
        lengths: Tokens of texts; with any given, only these are measured.
        batches: How many such texts; 1 by default.
    """
    chosen = tuple(lengths)
    if not chosen:
        return SUITES[name]
    counts = tuple(batches) or (1,)
    return tuple(_uniform(length, batch, _COMPILED) for batch in counts for length in chosen)
