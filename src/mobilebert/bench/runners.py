"""Who is measured: the engine in each element type, and other runtimes, as a table."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from pathlib import Path

from mobilebert.bench import own, peers, startup
from mobilebert.bench.exports import EXTRA, nncf_int8, onnx_float32, onnx_int8
from mobilebert.bench.ways import Call, Way, ways_of
from mobilebert.bench.work import Kind, Work
from mobilebert.errors import InputError
from mobilebert.extras import is_installed

__all__ = ["BOUNDS", "RUNNERS", "Cost", "Runner", "chosen_runners"]

# Largest error against float64: of a token's vector, relative to its largest number. These find
# runners that compute something else; accuracy has its own tables (docs/engine.md).
BOUNDS = {
    "float32": 1e-4,  # what the project promises; measured 1e-6 to 1e-5
    "bfloat16": 0.1,  # 2**-9 a rounding over 24 layers; measured 2e-2 to 4e-2
    "int8": 0.3,  # 2**-8 of the largest number of a row; measured up to 0.1
    "auto": 0.1,  # bfloat16 at most
}


class Cost(IntEnum):
    """What getting a runner ready takes."""

    SECONDS = 0
    EXPORT = 1  # a minute once; the export is kept
    COMPILATION = 2  # a minute for every work


@dataclass(frozen=True)
class Runner:
    """One row.

    Attributes:
        name: How tables call it.
        dtype: What it computes in.
        load: Makes it ready for a work, in a process of its own.
        kind: What it can be asked for.
        ours: Whether it is this library.
        modules: What has to be installed.
        cost: What getting it ready takes.
        apart: Whether it is given texts of different lengths one by one, without padding.
    """

    name: str
    dtype: str
    load: Callable[[Path, Work, Way], Call]
    kind: Kind = Kind.ENCODER
    ours: bool = False
    modules: tuple[str, ...] = ()
    cost: Cost = Cost.SECONDS
    apart: bool = False

    def takes_part(self, work: Work) -> bool:
        """Tell whether the work is for it."""
        wanted = (not work.dtypes or self.dtype in work.dtypes) and (work.mixed or not self.apart)
        return self.kind is work.kind and wanted and (self.ours or work.peers)

    def ways(self, work: Work, processors: int) -> tuple[Way, ...]:
        """List the ways it may do the work; one where it divides work itself or must compile."""
        if self.ours or self.kind is Kind.PROCESS:
            return (Way(processors, 1, 1),)
        if self.cost is Cost.COMPILATION:
            return (Way(processors, 1, len(work.lengths)),)
        ways = ways_of(work, processors)
        return tuple(way for way in ways if not work.mixed or way.padded is not self.apart)

    def missing(self) -> str | None:
        """Say what has to be installed, or None."""
        absent = [name for name in self.modules if not is_installed(name)]
        if not absent:
            return None
        command = f"python -m pip install 'mobilebert[{EXTRA}]'"
        return f"not installed: {', '.join(absent)} ({command})"


_TORCH = ("torch", "transformers")
_ONNX = (*_TORCH, "onnx", "onnxruntime")
_OPENVINO = (*_TORCH, "onnx", "openvino")
_NNCF = (*_OPENVINO, "nncf")

RUNNERS: tuple[Runner, ...] = (
    Runner("engine float32", "float32", partial(own.own_engine, dtype="float32"), ours=True),
    Runner("engine bfloat16", "bfloat16", partial(own.own_engine, dtype="bfloat16"), ours=True),
    Runner("engine int8", "int8", partial(own.own_engine, dtype="int8"), ours=True),
    Runner(
        "transformers float32", "float32", partial(peers.eager, dtype="float32"), modules=_TORCH
    ),
    Runner(
        "transformers bfloat16", "bfloat16", partial(peers.eager, dtype="bfloat16"), modules=_TORCH
    ),
    Runner(
        "torch.compile float32",
        "float32",
        partial(peers.compiled, dtype="float32"),
        modules=_TORCH,
        cost=Cost.COMPILATION,
    ),
    Runner(
        "torch.compile bfloat16",
        "bfloat16",
        partial(peers.compiled, dtype="bfloat16"),
        modules=_TORCH,
        cost=Cost.COMPILATION,
    ),
    Runner(
        "ONNX Runtime float32",
        "float32",
        partial(peers.onnxruntime, export=onnx_float32),
        modules=_ONNX,
    ),
    Runner(
        "ONNX Runtime int8", "int8", partial(peers.onnxruntime, export=onnx_int8), modules=_ONNX
    ),
    Runner(
        "OpenVINO float32",
        "float32",
        partial(peers.openvino, export=onnx_float32, precision="f32"),
        modules=_OPENVINO,
    ),
    Runner(
        "OpenVINO int8",
        "int8",
        partial(peers.openvino, export=nncf_int8),
        modules=_NNCF,
        cost=Cost.EXPORT,
    ),
    Runner(
        "OpenVINO bfloat16",
        "bfloat16",
        partial(peers.openvino, export=onnx_float32, precision="bf16"),
        modules=_OPENVINO,
    ),
    Runner(
        "ONNX Runtime int8, one by one",
        "int8",
        partial(peers.onnxruntime, export=onnx_int8),
        modules=_ONNX,
        apart=True,
    ),
    Runner(
        "OpenVINO int8, one by one",
        "int8",
        partial(peers.openvino, export=nncf_int8),
        modules=_NNCF,
        cost=Cost.EXPORT,
        apart=True,
    ),
    Runner(
        "OpenVINO bfloat16, one by one",
        "bfloat16",
        partial(peers.openvino, export=onnx_float32, precision="bf16"),
        modules=_OPENVINO,
        apart=True,
    ),
    Runner("mobilebert pipeline", "auto", own.own_pipeline, Kind.FILL_MASK, ours=True),
    Runner(
        "transformers pipeline",
        "float32",
        peers.transformers_pipeline,
        Kind.FILL_MASK,
        modules=_TORCH,
    ),
    Runner("mobilebert run", "auto", startup.own_process, Kind.PROCESS, ours=True),
    Runner(
        "mobilebert run, not packed", "auto", startup.own_unpacked_process, Kind.PROCESS, ours=True
    ),
    Runner(
        "transformers script",
        "float32",
        startup.transformers_process,
        Kind.PROCESS,
        modules=_TORCH,
    ),
)


def chosen_runners(words: Iterable[str] = ()) -> tuple[Runner, ...]:
    """Return the rows whose names contain one of some words; all without any.

    Raises:
        InputError: No name contains one of the words.
    """
    wanted = tuple(word.lower() for word in words)
    for word in wanted:
        if not any(word in runner.name.lower() for runner in RUNNERS):
            names = ", ".join(runner.name for runner in RUNNERS)
            raise InputError(f"No runner is called {word!r}; there are {names}.")
    if not wanted:
        return RUNNERS
    return tuple(
        runner for runner in RUNNERS if any(word in runner.name.lower() for word in wanted)
    )
