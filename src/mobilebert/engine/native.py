"""The compiled part: whether it is there, which instruction set runs, on how many threads."""

import importlib
import os
from pathlib import Path
from types import ModuleType

from mobilebert.engine.processors import usable_processors
from mobilebert.errors import InputError

__all__ = [
    "ISA_VARIABLE",
    "MOST_THREADS",
    "THREADS_VARIABLE",
    "choose_isa",
    "choose_threads",
    "find_native",
    "is_amd",
    "isa_dtypes",
    "native",
    "trains",
]

ISA_VARIABLE = "MOBILEBERT_ISA"
THREADS_VARIABLE = "MOBILEBERT_NUM_THREADS"

# More the compiled part refuses.
MOST_THREADS = 1024

# What Linux tells about the processors; who made the first stands within the first lines.
_PROCESSORS = Path("/proc/cpuinfo")
_FIRST_LINES = 1024

_MODULE = "mobilebert.engine._native"


def find_native() -> ModuleType | None:
    """Return the compiled module, or None where the package was installed without a compiler."""
    try:
        return importlib.import_module(_MODULE)
    except ModuleNotFoundError as error:
        if error.name != _MODULE:
            raise
        return None


def native() -> ModuleType:
    """Return the compiled module.

    Raises:
        InputError: It was not built.
    """
    module = find_native()
    if module is None:
        raise InputError(
            "The engine was not compiled when mobilebert was installed (it needs a C++ compiler). "
            "Install again where there is one, or use backend='numpy' or 'torch'."
        )
    return module


def isa_dtypes() -> dict[str, tuple[str, ...]]:
    """Return the element types of each instruction set that runs on this machine.

    The slowest instruction set is first; without the compiled part there is none.
    """
    module = find_native()
    return {} if module is None else {name: tuple(dtypes) for name, dtypes in module.isas()}


def is_amd() -> bool:
    """Tell whether AMD made the processor; False where the system does not say."""
    try:
        with _PROCESSORS.open(encoding="ascii", errors="replace") as lines:
            return "AuthenticAMD" in lines.read(_FIRST_LINES)
    except OSError:
        return False


def choose_isa() -> str:
    """Return the instruction set to use: the fastest, unless MOBILEBERT_ISA names another.

    Raises:
        InputError: It names one that this machine does not have.
    """
    native()
    names = tuple(isa_dtypes())
    wanted = os.environ.get(ISA_VARIABLE) or names[-1]
    if wanted not in names:
        raise InputError(
            f"{ISA_VARIABLE} is {wanted!r}, which this machine cannot run; possible are "
            f"{', '.join(names)}."
        )
    return wanted


def trains(isa: str) -> bool:
    """Tell whether there are kernels for training with an instruction set on this machine.

    Args:
        isa: Its name.
    """
    module = find_native()
    return module is not None and bool(module.trains(isa))


def choose_threads(threads: int | None = None) -> int:
    """Return how many threads to use.

    Args:
        threads: What the user wants; by default MOBILEBERT_NUM_THREADS, or else the processors
            this process may use, by affinity and by the quota of its control groups.

    Raises:
        InputError: Not a whole number from 1 to 1024.
    """
    if threads is not None:
        return _checked("threads", threads)
    if given := os.environ.get(THREADS_VARIABLE):
        return _checked(THREADS_VARIABLE, int(given) if given.isdecimal() else given)
    return min(MOST_THREADS, usable_processors())


def _checked(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_THREADS:
        raise InputError(f"{name} must be a whole number from 1 to {MOST_THREADS}, not {value!r}.")
    return value
