"""What is said about the machine: in a report, and where a run leaves a part of it idle."""

import platform
from importlib import metadata

from mobilebert import __version__
from mobilebert.engine.processors import processors_by_affinity

__all__ = ["idle_parts", "machine_and_versions"]

_LIBRARIES = ("numpy", "safetensors", "tokenizers", "torch")


def machine_and_versions() -> tuple[dict[str, str], dict[str, str]]:
    """Return what the machine is, and versions of Python and of the libraries there are."""
    machine = {
        "system": f"{platform.system()} {platform.machine()}",
        "processors": str(processors_by_affinity()),
    }
    versions = {"mobilebert": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return machine, versions


def idle_parts() -> list[str]:
    """Say in sentences what the machine has and fine-tuning does not use."""
    import torch  # what is said in reports of other commands needs none

    if not torch.cuda.is_available():
        return []
    return ["Fine-tuning runs on processors; this machine's accelerator (CUDA) is not used."]
