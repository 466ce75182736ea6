"""A tokenizer's vocabulary and settings: set up, loaded and saved."""

import copy
import os
from pathlib import Path
from typing import Any, ClassVar, Self

from tokenizers import AddedToken

from mobilebert.errors import ArgumentError, InputError
from mobilebert.files import make_directory, write_atomic
from mobilebert.hub import LOADER_KEYWORDS, lookup_options
from mobilebert.text.decoding import TokenDecoding
from mobilebert.text.options import checked_side
from mobilebert.text.storage import (
    TokenizerFiles,
    constructor_arguments,
    json_text,
    prefixed,
    token_as_json,
)
from mobilebert.text.vocabulary import (
    ADDED_TOKENS_FILE,
    SPECIAL_TOKENS_MAP_FILE,
    TOKENIZER_CONFIG_FILE,
    VOCAB_FILE,
    vocab_text,
)

__all__ = ["StoredTokenizer"]

# "No maximum": what transformers stores when a tokenizer is built from a vocabulary file.
_VERY_LARGE_INTEGER = int(1e30)

# Keywords of transformers' `save_pretrained` that change nothing here: chat templates, uploading.
_WITHOUT_EFFECT = frozenset(
    (
        "commit_description",
        "commit_message",
        "create_pr",
        "max_shard_size",
        "organization",
        "private",
        "repo_id",
        "repo_url",
        "revision",
        "safe_serialization",
        "save_jinja_files",
        "tags",
        "token",
        "use_auth_token",
        "use_temp_dir",
    )
)


class StoredTokenizer(TokenDecoding):
    """Vocabulary, added tokens, and the files they come from and go to."""

    vocab_files_names: ClassVar[dict[str, str]] = {"vocab_file": VOCAB_FILE}
    is_fast = False
    # Positional constructor arguments that are saved; these classes have none.
    init_inputs: tuple[Any, ...] = ()

    def _set_up(self, init_kwargs: dict[str, Any]) -> None:
        """Take over the arguments that both constructors accept.

        Args:
            init_kwargs: All arguments but files and vocabularies; they are kept for saving,
                except for those of a loader, which may be secret.
        """
        for name in init_kwargs:
            if callable(getattr(type(self), name, None)):
                raise ArgumentError(f"{name!r} is a method of {type(self).__name__}, no argument.")
        kept = {name: value for name, value in init_kwargs.items() if name not in LOADER_KEYWORDS}
        self.init_kwargs = copy.deepcopy(kept)
        self.name_or_path = str(init_kwargs.get("name_or_path", ""))
        limit = init_kwargs.get("model_max_length", init_kwargs.get("max_len"))
        self.model_max_length = _VERY_LARGE_INTEGER if limit is None else limit
        for name in ("padding_side", "truncation_side"):
            setattr(self, name, checked_side(init_kwargs.get(name, getattr(self, name)), name))
        names = init_kwargs.get("model_input_names", self.model_input_names)
        self.model_input_names = list(names)
        self.clean_up_tokenization_spaces = init_kwargs.get("clean_up_tokenization_spaces", False)
        self.split_special_tokens = init_kwargs.get("split_special_tokens", False)
        self.verbose = init_kwargs.get("verbose", False)
        self.deprecation_warnings = {}
        self._advice_given = set()
        self._set_special_tokens(init_kwargs)

    def __repr__(self) -> str:
        tokens = self.added_tokens_decoder.items()
        added = "".join(f"\t{id_}: {token!r},\n" for id_, token in tokens)
        return (
            f"{type(self).__name__}(name_or_path={self.name_or_path!r}, "
            f"vocab_size={self.vocab_size}, model_max_length={self.model_max_length}, "
            f"is_fast={self.is_fast}, padding_side={self.padding_side!r}, "
            f"truncation_side={self.truncation_side!r}, special_tokens={self.special_tokens_map}, "
            f"clean_up_tokenization_spaces={self.clean_up_tokenization_spaces}, "
            f"added_tokens_decoder={{\n{added}}}\n)"
        )

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        """Return the size of the vocabulary, added tokens included."""
        return len(self.get_vocab())

    @property
    def max_len_single_sentence(self) -> int:
        """Most tokens of a text that leave room for the special tokens."""
        return self.model_max_length - self.num_special_tokens_to_add(pair=False)

    @property
    def max_len_sentences_pair(self) -> int:
        """Most tokens of a pair that leave room for the special tokens."""
        return self.model_max_length - self.num_special_tokens_to_add(pair=True)

    @property
    def vocab_size(self) -> int:
        """Size of the vocabulary without added tokens."""
        return len(self._model_vocab())

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        """Id to token for the tokens matched before the text is split, in order of id."""
        raise NotImplementedError

    @property
    def added_tokens_encoder(self) -> dict[str, int]:
        """Token to id for the tokens matched before the text is split, in order of id."""
        return {token.content: id_ for id_, token in self.added_tokens_decoder.items()}

    def get_added_vocab(self) -> dict[str, int]:
        """Return `added_tokens_encoder`."""
        return self.added_tokens_encoder

    def get_vocab(self) -> dict[str, int]:
        """Return token to id for the whole vocabulary, added tokens included."""
        return {**self._model_vocab(), **self.added_tokens_encoder}

    def _model_vocab(self) -> dict[str, int]:
        raise NotImplementedError

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *,
        cache_dir: str | os.PathLike[str] | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        subfolder: str = "",
        local_files_only: bool = False,
        force_download: bool = False,
        trust_remote_code: bool = False,
        **kwargs: Any,
    ) -> Self:
        """Load a tokenizer.

        Args:
            pretrained_model_name_or_path: A directory, the bundled model's name, a Hub name, or
                one vocab.txt or tokenizer.json file.
            cache_dir: Directory of downloaded files.
            revision: Branch, tag or commit on the Hub.
            token: Access token for the Hub.
            subfolder: Folder inside the checkpoint.
            local_files_only: Never ask the network.
            force_download: Download even when the file is in the cache.
            trust_remote_code: Must be False: code of a checkpoint is never run.
            **kwargs: Constructor arguments, which go before those of the files; `use_auth_token`
                is an older name of `token`.

        Returns:
            The tokenizer.

        Raises:
            CheckpointError: Files are missing or damaged.
            ArgumentError: `trust_remote_code` is set.
        """
        if trust_remote_code:
            raise ArgumentError(
                "trust_remote_code=True is refused: this library never runs code of a checkpoint."
            )
        given = {
            "cache_dir": cache_dir,
            "revision": revision,
            "token": token,
            "subfolder": subfolder,
            "local_files_only": local_files_only,
            "force_download": force_download,
            **kwargs,
        }
        options, kwargs = lookup_options(given)
        files = TokenizerFiles.find(pretrained_model_name_or_path, options)
        arguments = constructor_arguments(files, kwargs)
        arguments["name_or_path"] = str(pretrained_model_name_or_path)
        return cls(**{**cls._file_arguments(files), **arguments})

    @classmethod
    def _file_arguments(cls, files: TokenizerFiles) -> dict[str, Any]:
        """Return the constructor arguments that name the vocabulary."""
        raise NotImplementedError

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        legacy_format: bool | None = None,
        filename_prefix: str | None = None,
        push_to_hub: bool = False,
        **kwargs: Any,
    ) -> tuple[str, ...]:
        """Write the tokenizer's files; transformers reads them too.

        Args:
            save_directory: Directory, made if missing. Each file is written whole or not at all.
            legacy_format: True for vocab.txt without tokenizer.json, False for tokenizer.json
                alone (Rust tokenizer), None for both where there are both.
            filename_prefix: Put before each file name, with a hyphen.
            push_to_hub: Must be False; models are published.
            **kwargs: Other keywords of transformers' tokenizers (``save_jinja_files``, ``repo_id``
                …), which change nothing.

        Returns:
            The paths of the files. As in transformers, vocab.txt comes with added_tokens.json,
            which is written only if there are such tokens.

        Raises:
            ArgumentError: `push_to_hub`, or an unknown keyword.
            CheckpointError: The directory cannot be written.
            InputError: ``legacy_format=False`` for the pure-Python tokenizer.
        """
        if push_to_hub:
            raise ArgumentError(
                "push_to_hub=True is for models. Save the tokenizer beside the model, and upload "
                "the directory with huggingface_hub."
            )
        if unknown := sorted(kwargs.keys() - _WITHOUT_EFFECT):
            raise ArgumentError(
                f"save_pretrained() does not know {', '.join(unknown)}; a tokenizer is saved with "
                "legacy_format and filename_prefix."
            )
        directory = make_directory(save_directory)
        vocabulary = self._vocabulary_files(legacy_format)
        config = prefixed(directory, TOKENIZER_CONFIG_FILE, filename_prefix)
        special = prefixed(directory, SPECIAL_TOKENS_MAP_FILE, filename_prefix)
        written: dict[Path, str | None] = {config: json_text(self._saved_config(), config)}
        tokens = token_as_json(self.special_tokens_map_extended, typed=False)
        written[special] = json_text(tokens, special)
        for name, content in vocabulary.items():
            written[prefixed(directory, name, filename_prefix)] = content
        for path, text in written.items():
            if text is not None:
                write_atomic(path, text)
        return tuple(str(path) for path in written)

    def _vocabulary_files(self, legacy_format: bool | None) -> dict[str, str | None]:
        """Return file name to content for the vocabulary; None for a file that is named only."""
        if legacy_format is False:
            raise InputError(
                "legacy_format=False writes tokenizer.json, which MobileBertTokenizerFast has."
            )
        size = self.vocab_size
        beyond = {token: id_ for token, id_ in self.added_tokens_encoder.items() if id_ >= size}
        return {
            VOCAB_FILE: vocab_text(self._model_vocab()),
            ADDED_TOKENS_FILE: json_text(beyond, Path(ADDED_TOKENS_FILE)) if beyond else None,
        }

    def _saved_config(self) -> dict[str, Any]:
        config = dict(self.init_kwargs)
        for name in (*self.init_kwargs, "model_max_length", "clean_up_tokenization_spaces"):
            if hasattr(self, name):
                config[name] = getattr(self, name)
        config.update(self.special_tokens_map)
        config.setdefault("extra_special_tokens", self.extra_special_tokens)
        for name in ("name_or_path", "special_tokens_map_file", *self.vocab_files_names):
            config.pop(name, None)
        added = self.added_tokens_decoder.items()
        config = {name: token_as_json(value, typed=True) for name, value in config.items()}
        config["added_tokens_decoder"] = {
            str(id_): {**token_as_json(token, typed=False), "special": token.special}
            for id_, token in added
        }
        config["tokenizer_class"] = type(self).__name__.removesuffix("Fast")
        return config

    def save_vocabulary(
        self, save_directory: str | os.PathLike[str], filename_prefix: str | None = None
    ) -> tuple[str, ...]:
        """Write vocab.txt alone.

        Args:
            save_directory: An existing directory, or the path of the file itself.
            filename_prefix: Put before the file name, with a hyphen.

        Returns:
            The path of the file.

        Raises:
            CheckpointError: The file cannot be written.
        """
        target = Path(save_directory)
        if target.is_dir():
            target = prefixed(target, VOCAB_FILE, filename_prefix)
        else:
            target = prefixed(target.parent, target.name, filename_prefix)
        write_atomic(target, vocab_text(self._model_vocab()))
        return (str(target),)
