"""What a report says about where it was made."""

import platform
from importlib import metadata

from mobilebert import __version__
from mobilebert.engine.processors import processors_by_affinity

__all__ = ["machine_and_versions"]

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
