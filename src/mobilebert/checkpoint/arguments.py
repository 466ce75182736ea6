"""The keywords of `from_pretrained`, sorted: lookup, format, configuration, constructor."""

import inspect
import os
from typing import Any

from mobilebert.checkpoint.reading import WeightsOptions, config_location
from mobilebert.config import MobileBertConfig
from mobilebert.errors import ArgumentError
from mobilebert.hub import HubOptions, lookup_options

__all__ = ["configuration_for", "sorted_keywords"]

Name = str | os.PathLike[str]

_WEIGHTS = tuple(WeightsOptions.__dataclass_fields__)
# Keywords of transformers' loader of models that change nothing here.
_WITHOUT_EFFECT = ("_fast_init", "low_cpu_mem_usage", "weights_only")


def sorted_keywords(
    keywords: dict[str, Any],
) -> tuple[HubOptions, WeightsOptions, dict[str, Any]]:
    """Take the lookup and format options out of the keywords.

    Args:
        keywords: Those of `from_pretrained`.

    Returns:
        Lookup options, format options, and what is left.
    """
    hub, rest = lookup_options(keywords)
    rest = {key: value for key, value in rest.items() if key not in _WITHOUT_EFFECT}
    options = WeightsOptions(**{key: rest.pop(key) for key in _WEIGHTS if key in rest})
    return hub, options, rest


def configuration_for(
    cls: Any,
    name: Name | None,
    config: MobileBertConfig | Name | None,
    hub: HubOptions,
    keywords: dict[str, Any],
) -> tuple[MobileBertConfig, dict[str, Any]]:
    """Return the configuration with its overrides, and the keywords of the constructor.

    Args:
        cls: The model's class.
        name: Where the checkpoint is.
        config: A configuration, or where to find one, in place of the checkpoint's.
        hub: Lookup options.
        keywords: Fields of the configuration to change, and keywords of the constructor.

    Raises:
        ArgumentError: A keyword is neither.
    """
    loaded: MobileBertConfig
    if isinstance(config, MobileBertConfig):
        # A copy: a configuration given to two models is not changed by loading the first.
        loaded, unused = type(config).from_dict(
            config.to_dict(), return_unused_kwargs=True, **keywords
        )
        if loaded._attn_implementation is None:
            loaded._attn_implementation = config._attn_implementation
    else:
        location = name if config is None else config
        if not isinstance(location, (str, os.PathLike)):
            raise ArgumentError(
                "config must be a MobileBertConfig of this library, or the name or directory of "
                f"one, not a {type(location).__name__}."
            )
        loaded, unused = cls.config_class.from_pretrained(
            config_location(location, hub), return_unused_kwargs=True, **vars(hub), **keywords
        )
    if name is not None:
        loaded.name_or_path = str(name)
    parameters = inspect.signature(cls.__init__).parameters
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        unknown = sorted(unused.keys() - parameters.keys())
        if unknown:
            raise ArgumentError(
                f"{cls.__name__}.from_pretrained() does not know {', '.join(unknown)}: neither an "
                "option, nor a field of the configuration, nor a keyword of the class."
            )
    return loaded, unused
