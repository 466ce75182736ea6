"""Optional libraries: imported on demand, with an error that names the pip command."""

import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from types import ModuleType

from mobilebert.errors import MissingExtraError

__all__ = [
    "KERAS_BACKENDS",
    "is_installed",
    "keras_backend",
    "require",
    "require_keras",
    "require_torch",
    "require_training",
]

# What Keras may run on here: its backend, the library and the extra all have the same name.
KERAS_BACKENDS = ("tensorflow", "jax")

# Read when PyTorch is loaded. To sleep at once costs a third of the speed where steps are small:
# the next product is there within microseconds (benchmarks/train_speed.py).
_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "2000"}


def is_installed(module: str) -> bool:
    """Tell whether `module` could be imported, without importing it."""
    return importlib.util.find_spec(module) is not None


def require(module: str, extra: str, purpose: str | None = None) -> ModuleType:
    """Import an optional library.

    Args:
        module: Name to import, e.g. ``"torch"``.
        extra: The extra of this package that brings it, e.g. ``"torch"``.
        purpose: What needs it, the start of the error sentence.

    Returns:
        The imported module.

    Raises:
        MissingExtraError: The library is not installed; the message has the pip command.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # A module that is there but misses one of its own imports is another problem.
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        needs = f"{purpose} needs" if purpose else "This needs"
        raise MissingExtraError(
            f"{needs} {module.split('.')[0]}, which is not installed. "
            f"Install it with: python -m pip install 'mobilebert[{extra}]'",
            name=module,
        ) from None


def require_torch(purpose: str) -> ModuleType:
    """Import PyTorch; as `require`."""
    return require("torch", "torch", purpose)


def require_training(purpose: str) -> ModuleType:
    """Import PyTorch for training; as `require`, with the extra that has all of it.

    Threads of PyTorch that have nothing to do sleep soon, unless the environment says how they
    wait: by default they spin long, on processors that the engine's threads need.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        for name, value in _WAITING.items():
            os.environ.setdefault(name, value)
    return require("torch", "train", purpose)


def require_keras(purpose: str) -> ModuleType:
    """Import Keras and what it runs on.

    Keras itself says what that is: the environment variable ``KERAS_BACKEND``, else the file
    ``~/.keras/keras.json``, else TensorFlow.

    Args:
        purpose: What needs it, the start of the error sentence.

    Returns:
        The package `keras`.

    Raises:
        MissingExtraError: It is not installed, or Keras is told to run on something else than
            TensorFlow or JAX.
    """
    backend = keras_backend()
    if backend not in KERAS_BACKENDS:
        raise MissingExtraError(
            f"{purpose} runs on {' or '.join(KERAS_BACKENDS)}, but Keras is told to use "
            f"{backend!r}; set the environment variable KERAS_BACKEND to one of them before Python "
            "starts.",
            name=backend,
        )
    try:
        require(backend, backend, purpose)
    except MissingExtraError as error:
        other = next(name for name in KERAS_BACKENDS if name != backend)
        if not is_installed(other):
            raise
        raise MissingExtraError(
            f"{error}, or let Keras run on {other}, which is installed: set the environment "
            f"variable KERAS_BACKEND={other} before Python starts.",
            name=backend,
        ) from None
    return require("keras", backend, purpose)


def keras_backend() -> str:
    """Return what Keras runs on, or will run on; as keras/src/backend/config.py finds it."""
    if (keras := sys.modules.get("keras")) is not None:
        return str(keras.backend.backend())
    if told := os.environ.get("KERAS_BACKEND"):
        return told
    try:
        folder = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
        return str(json.loads((folder / "keras.json").read_text())["backend"])
    except (OSError, RuntimeError, ValueError, KeyError, TypeError):
        return "tensorflow"
