"""``pytorch_model.bin``: a zip file with a pickle, opened by PyTorch's restricted reader only.

A pickle is a program. It is read with ``torch.load(weights_only=True)`` only, which knows how to
build tensors and nothing else. PyTorch is imported when one of these functions is called.
"""

import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mobilebert.checkpoint.stored import DTYPES, StoredTensor, dtype_code
from mobilebert.errors import CheckpointError
from mobilebert.extras import require
from mobilebert.files import atomic_path

__all__ = ["read_torch_file", "stored_from_torch", "torch_from_stored", "write_torch_file"]

_ADVICE = "convert it to safetensors (model.safetensors) where it can be trusted"

# Before it, files could get past weights_only=True (CVE-2025-32434, CVE-2026-24747).
_SAFE_TORCH = (2, 10)


def read_torch_file(path: str | Path) -> dict[str, StoredTensor]:
    """Read a state dict that ``torch.save`` wrote.

    Args:
        path: The file.

    Raises:
        CheckpointError: The file is damaged, holds something else than tensors by name, or tries
            to run code; or PyTorch is too old to tell.
        MissingExtraError: PyTorch is not installed.
    """
    path = Path(path)
    torch = require("torch", "torch", f"Reading {path.name} (a model.safetensors would not)")
    _check_version(torch, path)
    _check_archive(path)
    content = _load(torch, path)
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}, not tensors by name; {_ADVICE}."
        )
    tensors = {}
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise CheckpointError(
                f"{path} holds a {type(tensor).__name__} under {name!r}, not a tensor; {_ADVICE}."
            )
        tensors[name] = stored_from_torch(tensor)
        if tensors[name].nbytes > tensor.untyped_storage().nbytes():
            raise CheckpointError(
                f"{path} holds {tensor.untyped_storage().nbytes():,} bytes for {name!r}, whose "
                f"shape {list(tensor.shape)} needs {tensors[name].nbytes:,}: it was expanded; save "
                "tensor.contiguous() in its place."
            )
    return tensors


def _check_version(torch: Any, path: Path) -> None:
    """Refuse a PyTorch whose restricted reader runs code."""
    version = tuple(map(int, re.findall(r"\d+", str(torch.__version__))[:2]))
    if version < _SAFE_TORCH:
        least = ".".join(map(str, _SAFE_TORCH))
        raise CheckpointError(
            f"{path} is a pickle, and PyTorch {torch.__version__} may run what is in one though "
            f"only tensors are asked for (CVE-2026-24747). Install torch>={least}, or {_ADVICE}."
        )


def _check_archive(path: Path) -> None:
    """Refuse archives whose entries are compressed: PyTorch writes none, bombs are."""
    import zipfile  # other formats do without it

    try:
        size = path.stat().st_size
        if size == 0:
            raise CheckpointError(f"{path} is empty; download or save it again.")
        if not zipfile.is_zipfile(path):
            return  # the format of PyTorch before 1.6
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except OSError as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"Cannot read {path}: {error.strerror or error}.") from None
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise CheckpointError(f"{path} is a damaged zip archive: {error}.") from None
    stored = sum(entry.file_size for entry in entries)
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries) or stored > size:
        raise CheckpointError(
            f"{path} unpacks to {stored:,} bytes from {size:,}, which PyTorch never writes; "
            f"{_ADVICE}."
        )


def _load(torch: Any, path: Path) -> Any:
    import zipfile

    options = {"map_location": "cpu", "weights_only": True}
    try:
        with warnings.catch_warnings():
            # About pickles that PyTorch did not write; what matters of it is an error below.
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, mmap=zipfile.is_zipfile(path), **options)
    except Exception as error:
        # Whatever a hostile or damaged file provokes in the reader ends here.
        first = next((line for line in str(error).splitlines() if line.strip()), "")
        refused = "weights_only" in str(error) or "Unsupported" in str(error)
        what = (
            "asks for more than tensors, so it may try to run code, and is refused"
            if refused
            else f"is damaged or no PyTorch file ({type(error).__name__}: {first[:120]})"
        )
        raise CheckpointError(f"{path} {what}; {_ADVICE}.") from None


def stored_from_torch(tensor: Any) -> StoredTensor:
    """Describe a PyTorch tensor; its bytes are copied to the CPU when they are read.

    Args:
        tensor: A dense tensor on any device.

    Raises:
        CheckpointError: The tensor is sparse, quantized or without memory (meta).
    """
    if tensor.is_sparse or tensor.is_quantized or tensor.device.type == "meta":
        raise CheckpointError(
            "Sparse, quantized and meta tensors have no place in a checkpoint; make them dense."
        )
    code = dtype_code(str(tensor.dtype).removeprefix("torch."))
    return StoredTensor(code, tuple(tensor.shape), _reader(tensor.detach()))


def _reader(tensor: Any) -> Callable[[], memoryview]:
    def read() -> memoryview:
        if tensor.numel() == 0:
            return memoryview(b"")
        torch = require("torch", "torch")
        # As bytes: numpy has no bfloat16. A copy, because a file may be mapped read-only.
        data = tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        return memoryview(data.copy())

    return read


def torch_from_stored(stored: StoredTensor) -> Any:
    """Make a PyTorch tensor of the same element type, without a copy where that is possible."""
    torch = require("torch", "torch")
    dtype = getattr(torch, DTYPES[stored.dtype].name)
    data = stored.data
    if not len(data):
        return torch.empty(stored.shape, dtype=dtype)
    return torch.frombuffer(data if not data.readonly else bytearray(data), dtype=dtype).reshape(
        stored.shape
    )


def write_torch_file(path: str | Path, tensors: Mapping[str, StoredTensor]) -> None:
    """Write a state dict with ``torch.save``, whole or not at all.

    Raises:
        CheckpointError: The file cannot be written.
        MissingExtraError: PyTorch is not installed.
    """
    torch = require("torch", "torch", "Writing a PyTorch .bin file")
    try:
        with atomic_path(path) as temporary:
            torch.save({name: torch_from_stored(row) for name, row in tensors.items()}, temporary)
    except CheckpointError:
        raise
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"Cannot write {path}: {error}") from None
