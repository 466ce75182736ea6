"""The state of a model's files, so that a run that goes on does not mix answers of two models."""

import hashlib
import json
from collections.abc import Sequence

from mobilebert.checkpoint.reading import weights_files
from mobilebert.config import MobileBertConfig
from mobilebert.engine.cache import file_states
from mobilebert.hub import HubOptions

__all__ = ["model_state"]


def model_state(
    name: str, hub: HubOptions, config: MobileBertConfig, formats: Sequence[str]
) -> str:
    """Return a digest of the configuration, and of names, sizes and ends of the weights files.

    Copies of a model have the same.

    Args:
        name: Directory, bundled name or Hub name of a model that was loaded.
        hub: Lookup options.
        config: Its configuration.
        formats: Names of the weights files that were looked for, the preferred one first.

    Raises:
        CheckpointError: The weights are not there any more.
    """
    files = weights_files(name, hub=hub, formats=formats)
    states = [
        [file.name, state["bytes"], state["ends"]]
        for file, state in zip(files, file_states(files), strict=True)
    ]
    facts = json.dumps([config.to_dict(), states], sort_keys=True, default=repr)
    return hashlib.sha256(facts.encode("utf-8", "surrogatepass")).hexdigest()
