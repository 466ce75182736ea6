"""The names of a model's labels, as pipelines answer with them."""

from mobilebert.config import MobileBertConfig
from mobilebert.errors import ConfigError

__all__ = ["label_names"]


def label_names(config: MobileBertConfig) -> dict[int, str]:
    """Return the name of each label that a model scores.

    A configuration with other numbers loads, as in transformers: the encoder is of use without
    names.

    Args:
        config: The model's configuration.

    Raises:
        ConfigError: The numbers are not 0 to the number of labels - 1.
    """
    names: dict[int, str] = config.id2label
    if names.keys() != set(range(len(names))):
        raise ConfigError(
            f"id2label has the numbers {sorted(names)!r:.80}, but the model's {len(names)} labels "
            f"are numbered from 0 to {len(names) - 1}; correct config.json."
        )
    return names
