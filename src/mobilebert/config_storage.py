"""A configuration's plain values, and the config.json they come from and go to."""

import copy
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from mobilebert.config_rules import GENERIC_DEFAULTS, check_combination
from mobilebert.errors import ArgumentError, ConfigError
from mobilebert.files import make_directory, read_json, write_atomic
from mobilebert.hub import lookup_options, resolve_file
from mobilebert.presets import google_fields, is_google

__all__ = ["CONFIG_NAME", "StoredConfig"]

CONFIG_NAME = "config.json"

# Never read from a file and never written: where the object came from, how it is run.
_RUNTIME = ("_name_or_path", "_commit_hash", "_attn_implementation", "_unnamed")


class StoredConfig:
    """A configuration that can be loaded and saved; the fields are those of `MobileBertConfig`."""

    model_type: ClassVar[str]
    true_hidden_size: Any
    _name_or_path: str
    _attn_implementation: str | None
    _unnamed: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return every setting as plain values (a copy)."""
        content = {key: value for key, value in self.__dict__.items() if key not in _RUNTIME}
        content = copy.deepcopy(content) | copy.deepcopy(self._unnamed)
        content["model_type"] = self.model_type
        content["true_hidden_size"] = self.true_hidden_size
        content["_name_or_path"] = self._name_or_path
        return content

    def to_diff_dict(self) -> dict[str, Any]:
        """Return what config.json holds: all fields of MobileBERT, others where not default."""
        content = self.to_dict()
        del content["_name_or_path"]
        return {
            key: value
            for key, value in content.items()
            if key not in GENERIC_DEFAULTS or value != GENERIC_DEFAULTS[key]
        }

    def to_json_string(self, use_diff: bool = True) -> str:
        """Return the configuration as JSON text.

        Args:
            use_diff: Leave out generic settings that have their default.

        Raises:
            ConfigError: A value has no JSON form, for instance a function as `hidden_act`.
        """
        content = self.to_diff_dict() if use_diff else self.to_dict()
        try:
            return json.dumps(content, indent=2, sort_keys=True) + "\n"
        except TypeError:
            raise ConfigError(_unwritable(content)) from None

    def to_json_file(self, json_file_path: str | os.PathLike[str], use_diff: bool = True) -> None:
        """Write the configuration to a JSON file, whole or not at all."""
        write_atomic(json_file_path, self.to_json_string(use_diff=use_diff))

    def save_pretrained(
        self, save_directory: str | os.PathLike[str], push_to_hub: bool = False, **kwargs: Any
    ) -> None:
        """Write config.json into a directory, which is made if it does not exist.

        Args:
            save_directory: Where to write.
            push_to_hub: Must be False; models are published, with their configuration.
            **kwargs: Refused.

        Raises:
            CheckpointError: The directory is a file or cannot be written.
            ArgumentError: `push_to_hub`, or an unknown keyword.
            ConfigError: The fields, assigned one by one, do not go together.
        """
        check_combination(self)
        if push_to_hub:
            raise ArgumentError(
                "push_to_hub=True is for models, which take their configuration along: "
                "model.push_to_hub(name)."
            )
        if kwargs:
            raise ArgumentError(f"save_pretrained() does not know {', '.join(sorted(kwargs))}.")
        self.to_json_file(make_directory(save_directory) / CONFIG_NAME)

    @classmethod
    def from_dict(
        cls, config_dict: Mapping[str, Any], *, return_unused_kwargs: bool = False, **kwargs: Any
    ) -> Any:
        """Build a configuration from plain values.

        Args:
            config_dict: The content of a config.json, in Hugging Face's layout or Google's.
            return_unused_kwargs: Also return the keywords that are no fields.
            **kwargs: Fields to change.

        Returns:
            The configuration, or with `return_unused_kwargs` a tuple (configuration, unused).

        Raises:
            ConfigError: Another model type, or an impossible value.
            ArgumentError: A keyword that is no field (without `return_unused_kwargs`).
        """
        content = dict(config_dict)
        if content.get("model_type", cls.model_type) != cls.model_type:
            raise ConfigError(
                f"This is the configuration of a {content['model_type']!r} model; "
                "this library is for MobileBERT only."
            )
        if is_google(content):
            content = google_fields(content)
        config = cls(**content)
        unused = config._override(kwargs)
        if return_unused_kwargs:
            return config, unused
        if unused:
            raise ArgumentError(
                f"{', '.join(sorted(unused))}: not a field of {cls.__name__} and not an option."
            )
        return config

    def _override(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Assign the keywords that are fields and return the others."""
        fields = dict(fields)
        labels, id2label = fields.get("num_labels"), fields.get("id2label")
        if labels is not None and id2label is not None and len(id2label) != labels:
            raise ConfigError(
                f"num_labels={labels} does not fit id2label, which has {len(id2label)} labels; "
                "give one of them."
            )
        # Labels go first: num_labels and label2id refer to what id2label makes.
        order = sorted(fields, key=lambda name: name != "id2label")
        unused = {}
        for name in order:
            if name in ("attn_implementation", "_attn_implementation"):
                self._attn_implementation = fields[name]
            elif not name.startswith("_") and (
                name in self.__dict__ or _is_settable(type(self), name)
            ):
                setattr(self, name, fields[name])
            else:
                unused[name] = fields[name]
        check_combination(self)
        return unused

    @classmethod
    def from_json_file(cls, json_file: str | os.PathLike[str]) -> Self:
        """Read a configuration from a JSON file (Hugging Face's layout or Google's)."""
        config: Self = cls.from_dict(read_json(json_file))
        return config

    @classmethod
    def get_config_dict(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read config.json of a checkpoint; return its content and the keywords not used."""
        options, kwargs = lookup_options(kwargs)
        path = Path(pretrained_model_name_or_path)
        name = pretrained_model_name_or_path
        file = path if path.is_file() else resolve_file(name, CONFIG_NAME, options)
        assert file is not None  # required=True
        content = read_json(file)
        content["_name_or_path"] = str(pretrained_model_name_or_path)
        return content, kwargs

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        cache_dir: str | os.PathLike[str] | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        revision: str | None = None,
        *,
        subfolder: str = "",
        return_unused_kwargs: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Load the configuration of a checkpoint.

        Args:
            pretrained_model_name_or_path: Directory, JSON file, bundled name or Hub name.
            cache_dir: Where downloads are kept.
            force_download: Download again what is in the cache.
            local_files_only: Never use the network.
            token: Access token of the Hub; True for the stored one.
            revision: Branch, tag or commit on the Hub.
            subfolder: Directory inside the checkpoint.
            return_unused_kwargs: Also return the keywords that are no fields.
            **kwargs: Fields to change.

        Returns:
            The configuration, or with `return_unused_kwargs` a tuple (configuration, unused).

        Raises:
            CheckpointError: There is no such checkpoint.
            ConfigError: Another model type, or an impossible value.
        """
        content, kwargs = cls.get_config_dict(
            pretrained_model_name_or_path,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
            revision=revision,
            subfolder=subfolder,
            **kwargs,
        )
        return cls.from_dict(content, return_unused_kwargs=return_unused_kwargs, **kwargs)


def _is_settable(cls: type, name: str) -> bool:
    attribute = getattr(cls, name, None)
    return isinstance(attribute, property) and attribute.fset is not None


def _unwritable(content: dict[str, Any]) -> str:
    for key, value in content.items():
        try:
            json.dumps(value)
        except TypeError:
            what = "a function" if callable(value) else f"a {type(value).__name__}"
            return f"{key} is {what} and cannot be written to config.json; give it by name."
    return "The configuration holds a value that cannot be written to config.json."
