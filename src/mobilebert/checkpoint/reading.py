"""Finding and reading the weights of a checkpoint, whatever format they are in."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from mobilebert.checkpoint.names import Dialect
from mobilebert.checkpoint.safetensors_file import read_safetensors
from mobilebert.checkpoint.shards import checked_shard, read_shards, shards_of_index
from mobilebert.checkpoint.stored import StoredTensor
from mobilebert.checkpoint.tensorflow_files import read_h5, read_tf1, tf1_prefix
from mobilebert.checkpoint.torch_file import read_torch_file
from mobilebert.config import CONFIG_NAME, MobileBertConfig
from mobilebert.errors import CheckpointError
from mobilebert.files import read_json
from mobilebert.hub import BUNDLED_MODEL, HubOptions, inside, resolve_file
from mobilebert.presets import is_google

__all__ = [
    "H5_NAME",
    "SAFETENSORS_NAME",
    "STANDARD_FORMATS",
    "TF1_NAME",
    "TORCH_NAME",
    "WeightsOptions",
    "WeightsSource",
    "config_location",
    "load_config",
    "read_weights",
    "weights_files",
    "with_variant",
]

SAFETENSORS_NAME = "model.safetensors"
TORCH_NAME = "pytorch_model.bin"
H5_NAME = "tf_model.h5"
TF1_NAME = "*.index"  # of Google's checkpoints, which have no name of their own
INDEX_SUFFIX = ".index.json"

Name = str | os.PathLike[str]
Formats = Sequence[str]


@dataclass(frozen=True, kw_only=True)
class WeightsOptions:
    """Which of a checkpoint's weight files is read.

    Attributes:
        variant: Middle part of the file name, ``model.<variant>.safetensors``.
        use_safetensors: True takes safetensors only, False takes none, None takes the first file
            that is there.
        from_tf: Take a TensorFlow checkpoint: Google's TF1 files or ``tf_model.h5``.
    """

    variant: str | None = None
    use_safetensors: bool | None = None
    from_tf: bool = False


@dataclass(frozen=True)
class WeightsSource:
    """The tensors of a checkpoint as its files name them.

    Attributes:
        path: The file, or the index of several; for messages.
        dialect: Who named the tensors.
        tensors: Name in the file -> tensor.
    """

    path: Path | str
    dialect: Dialect
    tensors: Mapping[str, StoredTensor]


# Formats by file name, the preferred one first. TensorFlow classes write safetensors too.
STANDARD_FORMATS = (SAFETENSORS_NAME, TORCH_NAME)
_TENSORFLOW = (TF1_NAME, H5_NAME, SAFETENSORS_NAME)


def with_variant(filename: str, variant: str | None) -> str:
    """Insert a variant before the suffix, ``model.fp16.safetensors``."""
    if not variant:
        return filename
    stem, _, suffix = filename.rpartition(".")
    return f"{stem}.{variant}.{suffix}"


def _read_safetensors(path: Path) -> Mapping[str, StoredTensor]:
    return read_safetensors(path).tensors


# Suffix of a weights file -> its reader.
_READERS: dict[str, Callable[[Path], Mapping[str, StoredTensor]]] = {
    ".safetensors": _read_safetensors,
    ".bin": read_torch_file,
    ".pt": read_torch_file,
    ".pth": read_torch_file,
    ".h5": read_h5,
}


def read_weights(
    name_or_path: Name,
    options: WeightsOptions | None = None,
    hub: HubOptions | None = None,
    *,
    formats: Formats = STANDARD_FORMATS,
) -> WeightsSource:
    """Find and read the weights of a checkpoint.

    Args:
        name_or_path: Directory, one weights file, prefix of a TF1 checkpoint, bundled name or Hub
            name.
        options: Which weights.
        hub: Lookup options.
        formats: Names of the files that are looked for, the preferred one first; `from_tf` puts
            those of TensorFlow in their place.

    Raises:
        CheckpointError: There are none, or they are damaged.
        MissingExtraError: The format needs a library that is not installed.
    """
    hub = hub or HubOptions()
    found = _find(name_or_path, options or WeightsOptions(), hub, formats)
    if found.suffix == ".json":
        return _read_index(name_or_path, found, hub)
    if found.suffix in _READERS:
        return _read_file(found)
    return WeightsSource(found, Dialect.GOOGLE, read_tf1(found))


def weights_files(
    name_or_path: Name,
    options: WeightsOptions | None = None,
    hub: HubOptions | None = None,
    *,
    formats: Formats = STANDARD_FORMATS,
) -> tuple[Path, ...]:
    """Find the files that `read_weights` would read, without reading tensors.

    Args:
        name_or_path: As for `read_weights`.
        options: As for `read_weights`.
        hub: As for `read_weights`.
        formats: As for `read_weights`.

    Raises:
        CheckpointError: There are none.
    """
    hub = hub or HubOptions()
    found = _find(name_or_path, options or WeightsOptions(), hub, formats)
    if found.suffix == ".json":
        locate = _locator(name_or_path, found, hub)
        return (found, *map(locate, shards_of_index(found)))
    if found.suffix in _READERS:
        return (found,)
    return tuple(sorted(found.parent.glob(f"{escape(found.name)}.*")))


def _find(name_or_path: Name, options: WeightsOptions, hub: HubOptions, formats: Formats) -> Path:
    """Return the weights file, the index of several, or the prefix of a TF1 checkpoint."""
    path = Path(name_or_path)
    if path.is_file() and path.suffix in _READERS:
        return path
    folder = path / hub.subfolder if hub.subfolder else path
    candidates = _candidates(_wanted(options, formats), options.variant)
    if not path.is_dir() and (prefix := tf1_prefix(folder)) is not None:
        return prefix
    for filename in candidates:
        if filename == TF1_NAME:
            found = tf1_prefix(folder)
        else:
            found = resolve_file(name_or_path, filename, hub, required=False)
        if found is not None:
            return found
    raise CheckpointError(_none_found(name_or_path, folder, options, candidates))


def _wanted(options: WeightsOptions, formats: Formats) -> tuple[str, ...]:
    """Return the formats that the options leave, in order."""
    names, only = _TENSORFLOW if options.from_tf else formats, options.use_safetensors
    return tuple(name for name in names if only is None or bool(only) == (name == SAFETENSORS_NAME))


def _candidates(formats: Formats, variant: str | None) -> list[str]:
    """Return the files to look for: each format as one file, then as the index of several."""
    names: list[str] = []
    for single in formats:
        files = (single,) if single == TF1_NAME else (single, single + INDEX_SUFFIX)
        names.extend(name if name == TF1_NAME else with_variant(name, variant) for name in files)
    return names


def _read_file(path: Path) -> WeightsSource:
    suffix = path.suffix
    tensors = _READERS[suffix](path)
    # Keras variables end in ":0", in HDF5 files and in safetensors alike.
    keras = suffix == ".h5" or any(name.endswith(":0") for name in tensors)
    return WeightsSource(path, Dialect.KERAS if keras else Dialect.CANONICAL, tensors)


def _locator(name_or_path: Name, index: Path, hub: HubOptions) -> Callable[[str], Path]:
    """Return what finds the files that an index names."""
    local = Path(name_or_path).is_dir()

    def locate(filename: str) -> Path:
        path = resolve_file(name_or_path, filename, hub)
        assert path is not None  # required
        return checked_shard(index.parent, path) if local else path

    return locate


def _read_index(name_or_path: Name, index: Path, hub: HubOptions) -> WeightsSource:
    suffix = Path(index.name.partition(".index")[0]).suffix
    tensors = read_shards(index, _locator(name_or_path, index, hub), _READERS[suffix])
    keras = any(name.endswith(":0") for name in tensors)
    return WeightsSource(index, Dialect.KERAS if keras else Dialect.CANONICAL, tensors)


def _none_found(
    name_or_path: Name, folder: Path, options: WeightsOptions, candidates: Sequence[str]
) -> str:
    wanted = " or ".join(name for name in candidates if not name.endswith((".json", ".index")))
    message = f"There are no weights in {str(name_or_path)!r}: looked for {wanted}"
    if TF1_NAME in candidates:
        message += " and a TF1 checkpoint (*.index with *.data-00000-of-00001)"
    if not folder.is_dir():
        return f"{message}; the bundled model is named {BUNDLED_MODEL!r}."
    files = sorted(file.name for file in folder.iterdir() if file.is_file())
    message += f"; it holds {', '.join(files[:12]) or 'no files'}"
    if options.use_safetensors and any(file.endswith((".bin", ".h5")) for file in files):
        return f"{message}. Leave out use_safetensors=True to read the other files."
    foreign = any(file.startswith(H5_NAME) or file.endswith(".index") for file in files)
    if foreign and TF1_NAME not in candidates:
        return (
            f"{message}. TensorFlow weights are read with from_pretrained(..., from_tf=True); "
            "save_pretrained() then writes what pipelines and the command line read."
        )
    return f"{message}."


def config_location(name_or_path: Name, hub: HubOptions | None = None) -> Name:
    """Return where the configuration of a checkpoint is, for `MobileBertConfig.from_pretrained`.

    Beside a single weights file or TF1 prefix it is looked for in the same directory. Google's
    checkpoints call it ``bert_config.json`` or ``mobilebert_config.json``.

    Args:
        name_or_path: As for `read_weights`.
        hub: Lookup options.

    Raises:
        CheckpointError: A directory holds no configuration.
    """
    path = Path(name_or_path)
    beside = path.is_file() and path.suffix != ".json"
    if beside or (not path.is_dir() and tf1_prefix(path) is not None):
        folder: Path = path.parent
    elif path.is_dir():
        folder = path / inside(hub.subfolder if hub else "")
    else:
        return name_or_path
    if (folder / CONFIG_NAME).is_file():
        return folder / CONFIG_NAME
    for file in sorted(folder.glob("*config.json")):
        if is_google(read_json(file)):
            return file
    raise CheckpointError(
        f"There is no {CONFIG_NAME} in {folder}; give config= or put the file there."
    )


def load_config(name_or_path: Name, hub: HubOptions | None = None) -> MobileBertConfig:
    """Load the configuration of a checkpoint in any of the formats.

    Raises:
        CheckpointError: There is none.
        ConfigError: It describes no possible MobileBERT.
    """
    keywords = vars(hub or HubOptions())
    location = config_location(name_or_path, hub)
    config: MobileBertConfig = MobileBertConfig.from_pretrained(location, **keywords)
    config.name_or_path = str(name_or_path)
    return config
