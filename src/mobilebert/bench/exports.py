"""The model in the files that other runtimes read; each is made once and kept in its folder."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert.extras import require

__all__ = ["EXTRA", "INPUTS", "nncf_int8", "onnx_float32", "onnx_int8", "peer_model"]

EXTRA = "bench"
INPUTS = ("input_ids", "attention_mask")

# Texts that activations are calibrated with: random ids serve a model with random weights.
_CALIBRATION_TEXTS, _CALIBRATION_LENGTH, _CALIBRATION_IDS = 8, 64, 30000

_OPSET = 17


def peer_model(folder: Path, dtype: str = "float32") -> Any:
    """Load transformers' encoder.

    Raises:
        MissingExtraError: torch or transformers is not installed.
    """
    torch = require("torch", EXTRA, "This runner")
    transformers = require("transformers", EXTRA, "This runner")
    model = transformers.MobileBertModel.from_pretrained(folder, add_pooling_layer=False)
    return model.to(getattr(torch, dtype)).eval()


def _made_once(path: Path, make: Callable[[Path], None]) -> Path:
    """Make a folder of files under another name first, so that nobody meets half of it."""
    if not path.exists():
        partial = path.with_name(f".{path.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        make(partial)
        partial.replace(path)
    return path


def onnx_float32(folder: Path) -> Path:
    """Return the model as ONNX, exported by torch.onnx from transformers' encoder."""

    def make(partial: Path) -> None:
        torch = require("torch", EXTRA, "Exporting to ONNX")
        require("onnx", EXTRA, "Exporting to ONNX")

        class LastHiddenState(torch.nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.encoder = peer_model(folder)

            def forward(self, ids: Any, mask: Any) -> Any:
                return self.encoder(ids, mask)[0]

        ids = torch.ones((2, 16), dtype=torch.int64)
        mask = torch.ones_like(ids)
        mask[1, 9:] = 0
        axes = {0: "batch", 1: "sequence"}
        torch.onnx.export(
            LastHiddenState().eval(),
            (ids, mask),
            str(partial / "model.onnx"),
            input_names=list(INPUTS),
            output_names=["last_hidden_state"],
            dynamic_axes=dict.fromkeys((*INPUTS, "last_hidden_state"), axes),
            opset_version=_OPSET,
            dynamo=False,
        )

    return _made_once(folder / "onnx", make) / "model.onnx"


def onnx_int8(folder: Path) -> Path:
    """Return the ONNX model with int8 weights and activations scaled while it runs."""
    source = onnx_float32(folder)

    def make(partial: Path) -> None:
        require("onnx", EXTRA, "Quantising ONNX")
        quantization = require("onnxruntime.quantization", EXTRA, "Quantising ONNX")
        kind = quantization.QuantType.QInt8
        quantization.quantize_dynamic(source, partial / "model.onnx", weight_type=kind)

    return _made_once(folder / "onnx-int8", make) / "model.onnx"


def nncf_int8(folder: Path) -> Path:
    """Return the OpenVINO model that NNCF quantised after training."""
    source = onnx_float32(folder)

    def make(partial: Path) -> None:
        openvino = require("openvino", EXTRA, "Quantising for OpenVINO")
        nncf = require("nncf", EXTRA, "Quantising for OpenVINO")
        generator = np.random.default_rng(0)
        shape = (1, _CALIBRATION_LENGTH)
        texts = [
            {
                INPUTS[0]: generator.integers(1, _CALIBRATION_IDS, shape),
                INPUTS[1]: np.ones(shape, np.int64),
            }
            for _ in range(_CALIBRATION_TEXTS)
        ]
        quantized = nncf.quantize(
            openvino.Core().read_model(source),
            nncf.Dataset(texts),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=_CALIBRATION_TEXTS,
        )
        openvino.save_model(quantized, partial / "model.xml")

    return _made_once(folder / "openvino-int8", make) / "model.xml"
