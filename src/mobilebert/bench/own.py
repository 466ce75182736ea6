"""How this library is loaded for a work."""

import os
from pathlib import Path

from mobilebert.bench.model import SENTENCE, BenchModel, answer_vector, texts_of
from mobilebert.bench.ways import Call, Way
from mobilebert.bench.work import Work

__all__ = ["engine_bfloat16", "engine_float32", "engine_int8", "own_pipeline"]


def _engine(folder: Path, work: Work, way: Way, dtype: str) -> Call:
    from mobilebert.engine import Engine
    from mobilebert.engine.native import ISA_VARIABLE

    if work.isa is None:
        os.environ.pop(ISA_VARIABLE, None)
    else:
        os.environ[ISA_VARIABLE] = work.isa
    engine = Engine.from_pretrained(folder, dtype=dtype, threads=way.threads)
    texts = texts_of(work, engine.config)
    return Call(lambda: engine(texts), lambda found: list(found.last_hidden_state))


def engine_float32(folder: Path, work: Work, way: Way) -> Call:
    """Make the engine ready."""
    return _engine(folder, work, way, "float32")


def engine_bfloat16(folder: Path, work: Work, way: Way) -> Call:
    """Make the engine ready, in bfloat16."""
    return _engine(folder, work, way, "bfloat16")


def engine_int8(folder: Path, work: Work, way: Way) -> Call:
    """Make the engine ready, in int8."""
    return _engine(folder, work, way, "int8")


def own_pipeline(folder: Path, work: Work, way: Way) -> Call:
    """Make this library's fill-mask pipeline ready."""
    from mobilebert.pipelines import pipeline

    fill = pipeline("fill-mask", model=str(folder))
    vocabulary = BenchModel(folder).config.vocab_size
    return Call(lambda: fill(SENTENCE), lambda found: [answer_vector(found, vocabulary)])
