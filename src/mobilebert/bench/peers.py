"""How other runtimes are loaded; each function makes one of them ready for a work.

Their last arguments say which export is loaded or what is computed in.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilebert.bench.exports import EXTRA, INPUTS, peer_model
from mobilebert.bench.model import SENTENCE, BenchModel, answer_vector, texts_of
from mobilebert.bench.ways import Call, Forward, Way, over_batches
from mobilebert.bench.work import Work
from mobilebert.extras import require

__all__ = ["compiled", "eager", "onnxruntime", "openvino", "transformers_pipeline"]

Array = npt.NDArray[Any]
# Takes the folder of a model and returns the file that another runtime reads.
Export = Callable[[Path], Path]


def _ready(
    forward: Forward,
    folder: Path,
    work: Work,
    way: Way,
    to_array: Callable[[Any], Array] = np.asarray,
) -> Call:
    return over_batches(forward, texts_of(work, BenchModel(folder).config), way, to_array)


# PyTorch


def _torch_forward(model: Any, way: Way, mode: str = "inference_mode") -> Forward:
    torch = require("torch", EXTRA, "This runner")
    torch.set_num_threads(way.threads)
    without_gradients = getattr(torch, mode)

    def forward(ids: Array, mask: Array) -> Any:
        with without_gradients():
            return model(torch.from_numpy(ids), torch.from_numpy(mask))[0]

    return forward


def _tensor_to_array(tensor: Any) -> Array:
    return np.asarray(tensor.float().numpy())


def eager(folder: Path, work: Work, way: Way, dtype: str) -> Call:
    """Make transformers' encoder ready, with weights in an element type."""
    forward = _torch_forward(peer_model(folder, dtype), way)
    return _ready(forward, folder, work, way, _tensor_to_array)


def compiled(folder: Path, work: Work, way: Way, dtype: str) -> Call:
    """Make torch.compile with freezing ready, with weights in an element type."""
    torch = require("torch", EXTRA, "This runner")
    inductor: Any = require("torch._inductor.config", EXTRA, "This runner")
    inductor.freezing = True
    torch.compiler.reset()
    forward = _torch_forward(torch.compile(peer_model(folder, dtype)), way, "no_grad")
    return _ready(forward, folder, work, way, _tensor_to_array)


# ONNX Runtime


def onnxruntime(folder: Path, work: Work, way: Way, export: Export) -> Call:
    """Make ONNX Runtime ready on an export."""
    runtime = require("onnxruntime", EXTRA, "This runner")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = way.threads
    path = str(export(folder))
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def forward(ids: Array, mask: Array) -> Any:
        return session.run(None, dict(zip(INPUTS, (ids, mask), strict=True)))[0]

    return _ready(forward, folder, work, way)


# OpenVINO


def openvino(
    folder: Path, work: Work, way: Way, export: Export, precision: str | None = None
) -> Call:
    """Make OpenVINO ready on an export, told what to compute in, or free to choose."""
    library = require("openvino", EXTRA, "This runner")
    core = library.Core()
    model = core.read_model(export(folder))
    if not work.mixed:  # it is faster when it knows the shape
        shape = [min(way.batch_size, len(work.lengths)), work.lengths[0]]
        if len(work.lengths) % shape[0] == 0:
            model.reshape(dict.fromkeys(INPUTS, shape))
    properties: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY" if way.streams == 1 else "THROUGHPUT",
        "NUM_STREAMS": way.streams,
        "INFERENCE_NUM_THREADS": way.threads * way.streams,
    }
    if precision is not None:
        properties["INFERENCE_PRECISION_HINT"] = precision
    compiled = core.compile_model(model, "CPU", properties)
    requests = [compiled.create_infer_request() for _ in range(way.streams)]

    def forward(ids: Array, mask: Array) -> Any:
        request = requests.pop()
        try:
            found = request.infer(dict(zip(INPUTS, (ids, mask), strict=True)), share_inputs=True)
            return found[0]
        finally:
            requests.append(request)

    return _ready(forward, folder, work, way)


# Pipelines


def transformers_pipeline(folder: Path, work: Work, way: Way) -> Call:
    """Make transformers' fill-mask pipeline ready."""
    torch = require("torch", EXTRA, "This runner")
    transformers = require("transformers", EXTRA, "This runner")
    torch.set_num_threads(way.threads)
    fill = transformers.pipeline("fill-mask", model=str(folder), device="cpu")
    vocabulary = BenchModel(folder).config.vocab_size
    return Call(lambda: fill(SENTENCE), lambda found: [answer_vector(found, vocabulary)])
