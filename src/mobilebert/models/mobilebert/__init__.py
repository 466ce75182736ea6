"""The documented qualified names: ``mobilebert.models.mobilebert.modeling_mobilebert.X`` and so on.

Importing this loads no framework; its names are those of the package itself.
"""

import importlib
from typing import Any

_SUBMODULES = (
    "configuration_mobilebert",
    "modeling_mobilebert",
    "modeling_tf_mobilebert",
    "tokenization_mobilebert",
    "tokenization_mobilebert_fast",
)


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name.startswith(("MobileBert", "TFMobileBert")):
        return getattr(importlib.import_module("mobilebert"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
