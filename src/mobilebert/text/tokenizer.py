"""The surface both tokenizers share: encoding calls, loading and saving."""

import copy
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from tokenizers import AddedToken

from mobilebert.errors import ArgumentError, CheckpointError, InputError
from mobilebert.files import write_atomic
from mobilebert.hub import HubOptions
from mobilebert.text.decoding import TokenDecoding
from mobilebert.text.encoding import BatchEncoding
from mobilebert.text.inputs import is_batch, paired
from mobilebert.text.options import TensorType, checked_side
from mobilebert.text.request import Request
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

__all__ = ["PreTrainedTokenizer"]

# "No maximum": what transformers stores when a tokenizer is built from a vocabulary file.
_VERY_LARGE_INTEGER = int(1e30)

logger = logging.getLogger(__name__)


class PreTrainedTokenizer(TokenDecoding):
    """Everything `MobileBertTokenizer` and `MobileBertTokenizerFast` have in common."""

    vocab_files_names: dict[str, str] = {"vocab_file": VOCAB_FILE}  # noqa: RUF012
    is_fast = False

    def _set_up(self, init_kwargs: dict[str, Any]) -> None:
        """Take over the arguments that both constructors accept.

        Args:
            init_kwargs: All arguments but files and vocabularies; they are kept for saving.
        """
        for name in init_kwargs:
            if callable(getattr(type(self), name, None)):
                raise ArgumentError(f"{name!r} is a method of {type(self).__name__}, no argument.")
        self.init_kwargs = copy.deepcopy(init_kwargs)
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

    def __call__(
        self,
        text: Any = None,
        text_pair: Any = None,
        text_target: Any = None,
        text_pair_target: Any = None,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | TensorType | None = None,
        return_token_type_ids: bool | None = None,
        return_attention_mask: bool | None = None,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        verbose: bool = True,
        **kwargs: Any,
    ) -> BatchEncoding:
        """Turn texts into model inputs.

        Args:
            text: A text, a list of texts or of (text, text_pair); with `is_split_into_words` a
                list of words or a list of such lists.
            text_pair: The second text of each pair, in the form of `text`.
            text_target: Texts whose ids become ``labels``.
            text_pair_target: Second texts of the targets.
            add_special_tokens: Whether to add [CLS] and [SEP].
            padding: True or ``"longest"``, ``"max_length"``, or False.
            truncation: True or ``"longest_first"``, ``"only_first"``, ``"only_second"``, or
                False.
            max_length: Length in tokens for padding and truncation; ``model_max_length`` where
                one is needed.
            stride: Tokens shared by neighbouring parts of an overflowing text.
            is_split_into_words: Whether texts are given as words.
            pad_to_multiple_of: Round padded lengths up to a multiple of this.
            padding_side: ``"left"`` or ``"right"``.
            return_tensors: ``"np"``, ``"pt"`` or ``"tf"``; None gives lists.
            return_token_type_ids: Whether to return ``token_type_ids``.
            return_attention_mask: Whether to return ``attention_mask``.
            return_overflowing_tokens: Whether to return what truncation cut off.
            return_special_tokens_mask: Whether to return ``special_tokens_mask``.
            return_offsets_mapping: Whether to return ``offset_mapping``: (start, end) of each
                token in characters of its text.
            return_length: Whether to return ``length`` in tokens.
            verbose: Whether to log advice.
            **kwargs: ``split_special_tokens``: whether special tokens in the text are text.

        Returns:
            Model inputs by name: one row for one text, else a list of rows.

        Raises:
            InputError: The text has none of the allowed forms, holds lone surrogates, or an
                option has an impossible value.
            ArgumentError: There is no such option.
        """
        if text is None and text_target is None:
            raise InputError("Give a text (text=) or a target text (text_target=).")
        request = self._request(
            add_special_tokens=add_special_tokens,
            padding=padding,
            truncation=truncation,
            max_length=max_length,
            stride=stride,
            is_split_into_words=is_split_into_words,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=padding_side,
            return_tensors=return_tensors,
            return_token_type_ids=return_token_type_ids,
            return_attention_mask=return_attention_mask,
            return_overflowing_tokens=return_overflowing_tokens,
            return_special_tokens_mask=return_special_tokens_mask,
            return_offsets_mapping=return_offsets_mapping,
            return_length=return_length,
            verbose=verbose,
            **kwargs,
        )
        if text_target is None:
            return self._encode(text, text_pair, request)
        targets = self._encode(text_target, text_pair_target, request)
        if text is None:
            return targets
        encoding = self._encode(text, text_pair, request)
        encoding["labels"] = targets["input_ids"]
        return encoding

    def _encode(self, text: Any, text_pair: Any, request: Request) -> BatchEncoding:
        if is_batch(text, text_pair, split=request.is_split_into_words):
            return self._encode_batch(paired(text, text_pair), request)
        return self._encode_one(text, text_pair, request)

    def _encode_one(self, text: Any, text_pair: Any, request: Request) -> BatchEncoding:
        raise NotImplementedError

    def _encode_batch(self, texts: Sequence[Any], request: Request) -> BatchEncoding:
        raise NotImplementedError

    def encode_plus(
        self, text: Any, text_pair: Any = None, add_special_tokens: bool = True, **options: Any
    ) -> BatchEncoding:
        """Encode one text or pair; the options are those of ``__call__``."""
        request = self._request(add_special_tokens=add_special_tokens, **options)
        return self._encode_one(text, text_pair, request)

    def batch_encode_plus(
        self, batch_text_or_text_pairs: Any, add_special_tokens: bool = True, **options: Any
    ) -> BatchEncoding:
        """Encode a list of texts or of pairs; the options are those of ``__call__``."""
        if not isinstance(batch_text_or_text_pairs, (list, tuple)):
            raise ArgumentError(
                "batch_encode_plus takes a list of texts or of pairs, not "
                f"{type(batch_text_or_text_pairs).__name__}; use encode_plus for one text."
            )
        request = self._request(add_special_tokens=add_special_tokens, **options)
        return self._encode_batch(batch_text_or_text_pairs, request)

    def encode(
        self, text: Any, text_pair: Any = None, add_special_tokens: bool = True, **options: Any
    ) -> Any:
        """Encode one text or pair and return its ids only; the options are those of ``__call__``.

        Returns:
            A list of ids, or a tensor of shape (1, S) with `return_tensors`.
        """
        return self.encode_plus(text, text_pair, add_special_tokens, **options)["input_ids"]

    def tokenize(
        self, text: str, pair: str | None = None, add_special_tokens: bool = False, **options: Any
    ) -> list[str]:
        """Split a text (and its pair) into tokens.

        Args:
            text: The text.
            pair: A second text.
            add_special_tokens: Whether to add [CLS] and [SEP].
            **options: The options of ``__call__``.

        Returns:
            The tokens.
        """
        return self.encode_plus(text, pair, add_special_tokens, **options).tokens()

    @contextmanager
    def as_target_tokenizer(self) -> Iterator[None]:
        """Do nothing: targets are tokenized as texts are (use ``text_target=`` instead)."""
        yield

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
            **kwargs: Constructor arguments, which go before those of the files.

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
        options = HubOptions(
            cache_dir=cache_dir,
            revision=revision,
            token=token,
            subfolder=subfolder,
            local_files_only=local_files_only,
            force_download=force_download,
        )
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
    ) -> tuple[str, ...]:
        """Write the tokenizer's files; transformers reads them too.

        Args:
            save_directory: Directory, made if missing. Each file is written whole or not at all.
            legacy_format: True for vocab.txt without tokenizer.json, False for tokenizer.json
                alone (Rust tokenizer), None for both where there are both.
            filename_prefix: Put before each file name, with a hyphen.

        Returns:
            The paths of the files.

        Raises:
            CheckpointError: The directory cannot be written.
            InputError: ``legacy_format=False`` for the pure-Python tokenizer.
        """
        directory = Path(save_directory)
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(
                f"Cannot write the tokenizer to {directory}: {error.strerror or error}."
            ) from None
        vocabulary = self._vocabulary_files(legacy_format)
        config = prefixed(directory, TOKENIZER_CONFIG_FILE, filename_prefix)
        special = prefixed(directory, SPECIAL_TOKENS_MAP_FILE, filename_prefix)
        written = {config: json_text(self._saved_config(), config)}
        tokens = token_as_json(self.special_tokens_map_extended, typed=False)
        written[special] = json_text(tokens, special)
        for name, content in vocabulary.items():
            written[prefixed(directory, name, filename_prefix)] = content
        for path, text in written.items():
            write_atomic(path, text)
        return tuple(str(path) for path in written)

    def _vocabulary_files(self, legacy_format: bool | None) -> dict[str, str]:
        """Return file name to content for the vocabulary."""
        if legacy_format is False:
            raise InputError(
                "legacy_format=False writes tokenizer.json, which MobileBertTokenizerFast has."
            )
        files = {VOCAB_FILE: vocab_text(self._model_vocab())}
        size = self.vocab_size
        beyond = {token: id_ for token, id_ in self.added_tokens_encoder.items() if id_ >= size}
        if beyond:
            files[ADDED_TOKENS_FILE] = json_text(beyond, Path(ADDED_TOKENS_FILE))
        return files

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
