"""How this library is loaded for a work."""

import os
from pathlib import Path

from mobilebert.bench.model import SENTENCE, BenchModel, answer_vector, texts_of
from mobilebert.bench.ways import Call, Way
from mobilebert.bench.work import Work

__all__ = ["own_engine", "own_pipeline"]


def own_engine(folder: Path, work: Work, way: Way, dtype: str) -> Call:
    """Make the engine ready, in an element type."""
    from mobilebert.engine import Engine
    from mobilebert.engine.native import ISA_VARIABLE

    if work.isa is None:
        os.environ.pop(ISA_VARIABLE, None)
    else:
        os.environ[ISA_VARIABLE] = work.isa
    engine = Engine.from_pretrained(folder, dtype=dtype, threads=way.threads)
    texts = texts_of(work, engine.config)
    return Call(lambda: engine(texts), lambda found: list(found.last_hidden_state))


def own_pipeline(folder: Path, work: Work, way: Way) -> Call:
    """Make this library's fill-mask pipeline ready."""
    from mobilebert.pipelines import pipeline

    fill = pipeline("fill-mask", model=str(folder))
    vocabulary = BenchModel(folder).config.vocab_size
    return Call(lambda: fill(SENTENCE), lambda found: [answer_vector(found, vocabulary)])
