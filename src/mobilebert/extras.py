"""Optional libraries: imported on demand, with an error that names the pip command."""

import importlib
import importlib.util
from types import ModuleType

from mobilebert.errors import MissingExtraError

__all__ = ["is_installed", "require"]


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
