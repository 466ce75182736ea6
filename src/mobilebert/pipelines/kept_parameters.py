"""Parameters that a tuned model keeps in its configuration: the defaults of its pipelines."""

from collections.abc import Mapping, Sequence
from typing import Any

from mobilebert.config import MobileBertConfig
from mobilebert.errors import ConfigError, InputError
from mobilebert.pipelines.parameters import Parameters, merged

__all__ = ["keep_parameters", "kept_parameters", "with_kept"]


# The key of config.json. Other libraries keep it and do not use it.
_KEY = "pipeline_parameters"


def keep_parameters(config: MobileBertConfig, parameters: Mapping[str, Any]) -> None:
    """Put parameters into a configuration, with which they are saved.

    Args:
        config: The model's configuration.
        parameters: Name -> value; none takes out those that are there.
    """
    if parameters:
        setattr(config, _KEY, dict(parameters))
    elif hasattr(config, _KEY):
        delattr(config, _KEY)


def kept_parameters(config: MobileBertConfig) -> Mapping[str, Any]:
    """Return the parameters that a configuration keeps.

    Args:
        config: The model's configuration.

    Raises:
        ConfigError: What it keeps is no table.
    """
    kept: Any = getattr(config, _KEY, None)
    if kept is None:
        return {}
    if not isinstance(kept, Mapping):
        raise ConfigError(f"{_KEY} of the configuration is no table: {kept!r:.60}.")
    return kept


def with_kept(
    task: str, defaults: Parameters, names: Sequence[str], config: MobileBertConfig
) -> Parameters:
    """Return the defaults of a task as a configuration changes them.

    Args:
        task: Name of the task.
        defaults: Its parameters.
        names: Those that a configuration may change.
        config: The model's configuration.

    Raises:
        ConfigError: A value is not possible.
    """
    kept = kept_parameters(config)
    chosen = {name: kept[name] for name in names if name in kept}
    if not chosen:
        return defaults
    for name, value in chosen.items():
        if isinstance(getattr(defaults, name), bool) and not isinstance(value, bool):
            raise ConfigError(f"{name} in {_KEY} of the configuration is no true or false.")
    try:
        return merged(task, defaults, chosen)
    except InputError as error:
        raise ConfigError(f"{_KEY} of the configuration cannot be used: {error}") from None
