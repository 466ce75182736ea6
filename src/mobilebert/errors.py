"""The errors this library raises for the person who meets them.

Each class is also the built-in exception that users of the field expect at that place, so
``except ValueError`` around a configuration or ``except OSError`` around a loader keeps working.
The command line turns every `MobileBertError` into one sentence on standard error and exit
status 2.
"""

__all__ = [
    "ArgumentError",
    "CheckpointError",
    "ConfigError",
    "InputError",
    "MissingExtraError",
    "MobileBertError",
    "TrainingError",
    "WeightsError",
]


class MobileBertError(Exception):
    """Root of all errors raised on purpose by this library."""


class InputError(MobileBertError, ValueError):
    """A text, token id, label or option value that cannot be used."""


class ConfigError(MobileBertError, ValueError):
    """A configuration that describes no possible model."""


class ArgumentError(MobileBertError, TypeError):
    """A keyword that does not exist, or an argument of the wrong type."""


class CheckpointError(MobileBertError, OSError):
    """A checkpoint file that is missing, unreadable, damaged or unsafe."""


class WeightsError(MobileBertError, RuntimeError):
    """Weights that do not fit the configuration."""


class TrainingError(MobileBertError, RuntimeError):
    """Training that cannot go on; the last good state is kept."""


class MissingExtraError(MobileBertError, ImportError):
    """An optional library that is needed here is not installed."""
