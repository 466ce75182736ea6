"""Reading Google's TF1 checkpoints and the HDF5 files of Keras; nothing is read before it is used.

A TF1 checkpoint is ``PREFIX.index`` with ``PREFIX.data-00000-of-00001``; it is named by its prefix.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert.checkpoint.stored import StoredTensor, dtype_code
from mobilebert.errors import CheckpointError
from mobilebert.extras import require

__all__ = ["read_h5", "read_tf1", "tf1_prefix"]

# Deflate, which HDF5 files are packed with, makes at most 1,032 bytes of one.
_MOST_UNPACKED = 1032


def tf1_prefix(path: str | Path) -> Path | None:
    """Return the prefix of the TF1 checkpoint a path means, or None.

    Args:
        path: The prefix, its ``.index`` file, or a directory that holds exactly one checkpoint.

    Raises:
        CheckpointError: The directory holds several checkpoints.
    """
    path = Path(path)
    if path.suffix == ".index" and path.is_file():
        return path.with_suffix("")
    if path.with_name(path.name + ".index").is_file():
        return path
    if not path.is_dir():
        return None
    found = sorted(path.glob("*.index"))
    if len(found) > 1:
        names = ", ".join(file.stem for file in found)
        raise CheckpointError(f"{path} holds several TF1 checkpoints ({names}); name one of them.")
    return found[0].with_suffix("") if found else None


def read_tf1(prefix: str | Path) -> dict[str, StoredTensor]:
    """Open a TF1 checkpoint.

    Args:
        prefix: Path without ``.index``.

    Returns:
        Variable name -> tensor, optimizer state included.

    Raises:
        CheckpointError: The files are missing or damaged.
        MissingExtraError: TensorFlow is not installed.
    """
    tensorflow = require("tensorflow", "tensorflow", "Reading a TensorFlow checkpoint")
    try:
        reader = tensorflow.train.load_checkpoint(str(prefix))
        shapes = reader.get_variable_to_shape_map()
        dtypes = reader.get_variable_to_dtype_map()
    except Exception as error:
        raise CheckpointError(_damaged(prefix, "TensorFlow checkpoint", error)) from None
    tensors = {}
    for name in sorted(shapes):
        dtype = dtypes[name].name
        if dtype in ("string", "resource", "variant"):
            continue  # bookkeeping of tf.train.Checkpoint
        read = _tf1_tensor(reader, name, Path(prefix))
        tensors[name] = StoredTensor(dtype_code(dtype), tuple(shapes[name]), read)
    return tensors


def _tf1_tensor(reader: Any, name: str, prefix: Path) -> Callable[[], memoryview]:
    def read() -> memoryview:
        try:
            array = np.asarray(reader.get_tensor(name))
        except Exception as error:
            raise CheckpointError(_damaged(prefix, "TensorFlow checkpoint", error)) from None
        # bfloat16 arrives as an extension type; its bytes are what is wanted.
        return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data

    return read


def read_h5(path: str | Path) -> dict[str, StoredTensor]:
    """Open the weights file of a Keras model.

    Args:
        path: The ``.h5`` file.

    Returns:
        Path of the dataset inside the file -> tensor.

    Raises:
        CheckpointError: The file is missing, damaged, or takes data from other files.
        MissingExtraError: h5py is not installed.
    """
    h5py = require("h5py", "tensorflow", f"Reading {Path(path).name}")
    datasets: dict[str, Any] = {}
    try:
        file = h5py.File(path, "r")
        # Links to other files are not followed by this walk.
        file.visititems(
            lambda name, item: (
                datasets.update({name: item}) if isinstance(item, h5py.Dataset) else None
            )
        )
        return {name: _h5_tensor(Path(path), name, item) for name, item in datasets.items()}
    except CheckpointError:
        raise
    except Exception as error:
        raise CheckpointError(_damaged(path, "HDF5 file", error)) from None


def _h5_tensor(path: Path, name: str, dataset: Any) -> StoredTensor:
    if dataset.external or dataset.is_virtual:
        raise CheckpointError(f"{path} takes its tensor {name!r} from another file; refused.")

    def read() -> memoryview:
        try:
            array = np.asarray(dataset[()])
        except Exception as error:
            raise CheckpointError(_damaged(path, "HDF5 file", error)) from None
        return StoredTensor.from_array(array).data

    tensor = StoredTensor(dtype_code(dataset.dtype.name), tuple(dataset.shape), read)
    stored = dataset.id.get_storage_size()
    if tensor.nbytes > _MOST_UNPACKED * stored:
        raise CheckpointError(
            f"{path} holds {stored:,} bytes for the tensor {name!r}, whose shape "
            f"{list(tensor.shape)} needs {tensor.nbytes:,}; download or save it again."
        )
    return tensor


def _damaged(path: str | Path, what: str, error: Exception) -> str:
    detail = str(error).strip().splitlines()
    return f"{path} is missing, damaged or no {what} ({detail[0][:160] if detail else ''})."
