"""What ``mobilebert info`` finds out, without importing a framework but for pytorch_model.bin."""

import hashlib
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from mobilebert import __version__
from mobilebert.backend import BACKENDS, engine_is_compiled
from mobilebert.extras import KERAS_BACKENDS, is_installed, keras_backend
from mobilebert.hub import BUNDLED_MODEL, HubOptions

__all__ = ["checkpoint_facts", "machine_facts", "processor_facts"]

LIBRARIES = (
    *("numpy", "tokenizers", "safetensors", "huggingface_hub", "click", "tqdm"),
    *("torch", "keras", "tensorflow", "jax"),
)

# Instruction sets that matrix products are much faster with.
INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_vnni", "amx_tile", "asimd")


def machine_facts() -> dict[str, Any]:
    """Collect versions, backends and the processor."""
    return {
        "mobilebert": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "backends": {name: _state(name) for name in BACKENDS},
        "processor": processor_facts(),
        "bundled model": BUNDLED_MODEL,
        "packed weights": _cache(),
    }


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def _state(backend: str) -> str:
    """Tell whether a backend can be used, or what to do for it."""
    if backend == "engine":
        return _engine_state()
    library = keras_backend() if backend == "keras" else backend
    if backend == "keras" and library not in KERAS_BACKENDS:
        return f"KERAS_BACKEND is {library!r}; possible are {', '.join(KERAS_BACKENDS)}"
    if is_installed(backend) and is_installed(library):
        return "available" if library == backend else f"available, on {library}"
    # Extras have the names of the libraries.
    return f"not installed: python -m pip install 'mobilebert[{library}]'"


def _engine_state() -> str:
    if not engine_is_compiled():
        return "NOT COMPILED (pipelines run on numpy, slower): install again with a C++ compiler"
    from mobilebert.engine.native import choose_isa, choose_threads, isa_dtypes

    return f"available: {choose_isa()} of {', '.join(isa_dtypes())}; {choose_threads()} threads"


def _cache() -> dict[str, Any] | str:
    """Tell where packed weights lie and how large they are."""
    from mobilebert.engine.cache import (
        SWITCH_VARIABLE,
        cache_directory,
        packs_in_cache,
        size_of,
    )

    directory = cache_directory()
    if directory is None:
        return f"not kept ({SWITCH_VARIABLE})"
    sizes = [size_of(file) for file in packs_in_cache()]
    return {"directory": str(directory), "files": len(sizes), "bytes": sum(sizes)}


def processor_facts() -> dict[str, Any]:
    """Describe the processor; /proc/cpuinfo is there on Linux only."""
    from mobilebert.engine.processors import processors_by_affinity

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    fields = dict(line.replace("\t", "").split(":", 1) for line in lines if ":" in line)
    flags = fields.get("flags", fields.get("Features", "")).split()
    return {
        "name": fields.get("model name", platform.processor() or platform.machine()).strip(),
        "cores": os.cpu_count(),
        "usable cores": processors_by_affinity(),
        "instruction sets": [name for name in INSTRUCTION_SETS if name in flags],
    }


def checkpoint_facts(name: str, revision: str | None, sha256: bool) -> dict[str, Any]:
    """Collect the facts of a checkpoint from its configuration and the headers of its files.

    Args:
        name: Directory, bundled name or Hub name.
        revision: Branch, tag or commit on the Hub.
        sha256: Whether to compute the checksum of the weights file.

    Raises:
        CheckpointError: Files are missing or damaged.
        ConfigError: The configuration describes no possible MobileBERT.
        WeightsError: The weights do not fit the configuration.
    """
    from mobilebert.checkpoint import load_checkpoint, task_of_config
    from mobilebert.checkpoint.reading import load_config
    from mobilebert.weights import parameter_count

    hub = HubOptions(revision=revision)
    config = load_config(name, hub)
    task = task_of_config(config)
    checkpoint = load_checkpoint(name, task or "feature_extraction", config=config, **vars(hub))
    path = Path(checkpoint.report.source)
    projection = checkpoint.task.projection
    labelled = projection is not None and projection.width == "num_labels"
    facts: dict[str, Any] = {
        "name": name,
        "file": str(path),
        "bytes": path.stat().st_size if path.is_file() else None,
        "dtype": checkpoint.dtype,
        "task": task.name if task else None,
        "class": task.class_name if task else None,
        "parameters": parameter_count(config, checkpoint.task),
        "missing weights": list(checkpoint.report.newly_initialized),
        "unused tensors": list(checkpoint.report.unexpected),
        "labels": list(config.id2label.values()) if labelled else None,
        "layers": config.num_hidden_layers,
        "hidden size": config.hidden_size,
        "intra-bottleneck size": config.true_hidden_size,
        "vocabulary": config.vocab_size,
        "longest sequence": config.max_position_embeddings,
    }
    if sha256 and path.is_file():
        with path.open("rb") as stream:
            facts["sha256"] = hashlib.file_digest(stream, "sha256").hexdigest()
    return facts
