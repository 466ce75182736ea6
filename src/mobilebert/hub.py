"""From a model name or directory to local files.

Three places, in this order: a directory on this machine, the checkpoint bundled with the
package, the Hugging Face Hub (through huggingface_hub and its cache, imported only here and only
when a Hub name is used).
"""

import importlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobilebert.errors import CheckpointError, InputError
from mobilebert.logging import get_logger

__all__ = [
    "BUNDLED_MODEL",
    "BUNDLED_MODELS",
    "LOADER_KEYWORDS",
    "PUBLISHED_MODEL",
    "HubOptions",
    "inside",
    "is_bundled",
    "lookup_options",
    "resolve_file",
]

logger = get_logger(__name__)

BUNDLED_MODEL = "mobilebert-mini-uncased"
BUNDLED_MODELS = {BUNDLED_MODEL: Path(__file__).parent / "bundled" / BUNDLED_MODEL}
PUBLISHED_MODEL = "google/mobilebert-uncased"

_CONNECT_SECONDS = 5.0
_SECONDS_UNREACHED = 60.0  # a checkpoint has some ten files; not each waits for a dead connection


@dataclass(frozen=True, kw_only=True)
class HubOptions:
    """Where and how a checkpoint is looked up; the same keywords on every ``from_pretrained``.

    Attributes:
        cache_dir: Directory of downloaded files; huggingface_hub's own by default.
        revision: Branch, tag or commit on the Hub.
        token: Access token, or True for the stored one.
        subfolder: Folder inside the repository or directory.
        local_files_only: Never ask the network.
        force_download: Download even when the file is in the cache.
    """

    cache_dir: str | os.PathLike[str] | None = None
    revision: str | None = None
    token: str | bool | None = None
    subfolder: str = ""
    local_files_only: bool = False
    force_download: bool = False


_FIELDS = tuple(HubOptions.__dataclass_fields__)
# Keywords of transformers' loaders that change nothing here.
_WITHOUT_EFFECT = (
    "_commit_hash",
    "_from_auto",
    "_from_pipeline",
    "code_revision",
    "mirror",
    "resume_download",
)
# All that says how files are found. Some are secret: nothing of it belongs into a checkpoint.
LOADER_KEYWORDS = frozenset({*_FIELDS, *_WITHOUT_EFFECT, "proxies", "use_auth_token"})


def lookup_options(keywords: Mapping[str, Any]) -> tuple[HubOptions, dict[str, Any]]:
    """Take what says how files are found out of the keywords of a ``from_pretrained``.

    Args:
        keywords: The fields of `HubOptions` by name, ``use_auth_token`` as an older name of
            ``token``, other keywords of transformers' loaders, and any others.

    Returns:
        The options, and what is left.
    """
    chosen = {name: keywords[name] for name in _FIELDS if name in keywords}
    if (token := keywords.get("use_auth_token")) is not None:
        chosen["token"] = token
    if keywords.get("proxies"):
        logger.warning("proxies= has no effect; name a proxy in the environment: HTTPS_PROXY.")
    rest = {name: value for name, value in keywords.items() if name not in LOADER_KEYWORDS}
    return HubOptions(**chosen), rest


def is_bundled(name_or_path: str | os.PathLike[str]) -> bool:
    """Tell whether the name means the bundled checkpoint (a directory of that name goes first)."""
    return str(name_or_path) in BUNDLED_MODELS and not Path(name_or_path).is_dir()


def resolve_file(
    name_or_path: str | os.PathLike[str],
    filename: str,
    options: HubOptions | None = None,
    *,
    required: bool = True,
) -> Path | None:
    """Find one file of a checkpoint.

    Args:
        name_or_path: A directory, the bundled model's name, or a Hub name such as
            ``google/mobilebert-uncased``.
        filename: The file wanted, e.g. ``config.json``.
        options: Lookup options.
        required: Whether a missing file is an error.

    Returns:
        The local path, or None when the file does not exist and is not required.

    Raises:
        CheckpointError: The file is required and missing, the name is neither a directory nor on
            the Hub, or the Hub cannot be reached.
        InputError: `filename` or the subfolder points outside the checkpoint.
    """
    options = options or HubOptions()
    relative = inside(Path(options.subfolder or "") / filename)
    if is_bundled(name_or_path):
        return _in_directory(BUNDLED_MODELS[str(name_or_path)], relative, required)
    directory = Path(name_or_path)
    if directory.is_dir():
        return _in_directory(directory, relative, required)
    if not _may_be_hub_name(str(name_or_path)):
        raise CheckpointError(
            f"{str(name_or_path)!r} is not a directory here, and not a name on the Hub "
            f"(owner/name). The bundled model is named {BUNDLED_MODEL!r}."
        )
    return _from_hub(str(name_or_path), relative, options, required)


def inside(path: str | os.PathLike[str]) -> Path:
    """Return a path relative to a checkpoint.

    Raises:
        InputError: It points outside.
    """
    relative = Path(path)
    if relative.is_absolute() or ".." in relative.parts:
        raise InputError(f"{str(relative)!r} points outside the checkpoint; name a file inside it.")
    return relative


def _in_directory(directory: Path, relative: Path, required: bool) -> Path | None:
    path = directory / relative
    if path.is_file():
        return path
    if required:
        found = sorted(p.name for p in path.parent.glob("*") if p.is_file())
        listing = ", ".join(found[:12]) if found else "no files"
        raise CheckpointError(f"There is no {relative} in {directory}; it holds {listing}.")
    return None


def _may_be_hub_name(name: str) -> bool:
    parts = name.split("/")
    allowed = all(
        part and part[0].isalnum() and all(c.isalnum() or c in "-_." for c in part)
        for part in parts
    )
    return allowed and len(parts) <= 2 and ".." not in name


def _from_hub(name: str, relative: Path, options: HubOptions, required: bool) -> Path | None:
    # Not a static import: huggingface_hub takes 0.6 s, and only Hub names need it.
    hub: Any = importlib.import_module("huggingface_hub")
    errors: Any = importlib.import_module("huggingface_hub.errors")
    try:
        return Path(
            hub.hf_hub_download(
                name,
                relative.as_posix(),  # on the Hub, whatever separates folders here
                cache_dir=options.cache_dir,
                revision=options.revision,
                token=options.token,
                local_files_only=options.local_files_only or not _is_reachable(hub),
                force_download=options.force_download,
            )
        )
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        what = "revision" if isinstance(error, errors.RevisionNotFoundError) else "model"
        raise CheckpointError(
            f"The Hub has no such {what}: {name!r} (revision {options.revision or 'main'!r}). "
            f"A private model needs token=; the bundled model is named {BUNDLED_MODEL!r}."
        ) from None
    except errors.LocalEntryNotFoundError:
        return _offline(name, relative, options, required)
    except errors.EntryNotFoundError:
        _refuse_absence(name, relative, required)
        return None
    except Exception as error:
        # Every network failure ends here: no connection, name resolution, proxy, HTTP status.
        if isinstance(error, (OSError, errors.HfHubHTTPError, ValueError)):
            return _offline(name, relative, options, required)
        raise


def _refuse_absence(name: str, relative: Path, required: bool) -> None:
    if required:
        raise CheckpointError(f"The model {name!r} on the Hub has no file {relative}.") from None


_reached: set[str] = set()
_unreached: dict[str, float] = {}  # endpoint -> when it was last tried in vain


def _is_reachable(hub: Any) -> bool:
    """Tell whether the Hub answers at all, and may be asked.

    huggingface_hub tries six times over 23 seconds before it gives up, for each file and also when
    the file is in its cache. Behind a proxy only the proxy knows, so the question is left to it.
    """
    if hub.constants.HF_HUB_OFFLINE:
        return False
    # Imported here: they take 25 ms, and most checkpoints are not on the Hub.
    import socket
    from urllib.parse import urlsplit
    from urllib.request import getproxies

    endpoint = str(hub.constants.ENDPOINT)
    address = urlsplit(endpoint)
    proxied = {address.scheme, "all"} & getproxies().keys()  # "all" is ALL_PROXY
    if endpoint in _reached or proxied:
        return True
    if endpoint in _unreached and time.monotonic() - _unreached[endpoint] < _SECONDS_UNREACHED:
        return False
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname or "", port), _CONNECT_SECONDS).close()
    except OSError:
        _unreached[endpoint] = time.monotonic()
        return False
    _reached.add(endpoint)
    return True


def _offline(name: str, relative: Path, options: HubOptions, required: bool) -> Path | None:
    """A file that is neither cached nor reachable: None only where its absence is known."""
    if _is_known_absent(name, relative, options):
        _refuse_absence(name, relative, required)
        return None
    if not required and _is_cached(name, options):
        return None
    hub: Any = importlib.import_module("huggingface_hub")
    where = "HF_HUB_OFFLINE is set" if hub.constants.HF_HUB_OFFLINE else "no connection"
    if options.local_files_only:
        where = "local_files_only=True is set"
    raise CheckpointError(
        f"Cannot get {relative} of {name!r}: the Hub is not reachable ({where}) and the file is "
        f"not in the cache. Use a local directory, a cached model with local_files_only=True, or "
        f"the bundled model {BUNDLED_MODEL!r}."
    ) from None


def _is_known_absent(name: str, relative: Path, options: HubOptions) -> bool:
    """Tell whether the cache has a note that the model has no such file."""
    found = _in_cache(name, relative, options)
    return found is not None and not isinstance(found, str)


def _is_cached(name: str, options: HubOptions) -> bool:
    """Tell whether the model's configuration is in the cache, which was then filled as usual."""
    config = Path(options.subfolder or "") / "config.json"
    return isinstance(_in_cache(name, config, options), str)


def _in_cache(name: str, relative: Path, options: HubOptions) -> Any:
    """Return a file's path, a mark of huggingface_hub that there is none, or None."""
    hub: Any = importlib.import_module("huggingface_hub")
    return hub.try_to_load_from_cache(
        name, relative.as_posix(), cache_dir=options.cache_dir, revision=options.revision
    )
