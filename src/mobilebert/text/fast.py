"""`MobileBertTokenizerFast`: WordPiece tokenization by the Rust `tokenizers` library."""

import copy
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

from tokenizers import AddedToken, Tokenizer, decoders

from mobilebert.errors import InputError
from mobilebert.text import rust
from mobilebert.text.encoding import BatchEncoding
from mobilebert.text.inputs import check_text, explain
from mobilebert.text.request import Request
from mobilebert.text.slow import MobileBertTokenizer
from mobilebert.text.special_tokens import SPECIAL_TOKENS_ATTRIBUTES
from mobilebert.text.storage import TokenizerFiles
from mobilebert.text.stride import check_stride
from mobilebert.text.tensors import to_python
from mobilebert.text.tokenizer import PreTrainedTokenizer
from mobilebert.text.training import train_like
from mobilebert.text.vocabulary import TOKENIZER_FILE, VOCAB_FILE, load_vocab

__all__ = ["MobileBertTokenizerFast"]

logger = logging.getLogger(__name__)


class MobileBertTokenizerFast(PreTrainedTokenizer):
    """WordPiece tokenizer on the Rust `tokenizers` library.

    It may be shared between threads as long as no thread adds tokens.

    Args:
        vocab_file: Path of vocab.txt.
        tokenizer_file: Path of tokenizer.json, which goes before `vocab_file`.
        do_lower_case: Whether to lower-case the text.
        unk_token: The token for what the vocabulary cannot spell.
        sep_token: The token after each sequence.
        pad_token: The token that fills rows up.
        cls_token: The first token of each row.
        mask_token: The token that stands for a hidden one.
        tokenize_chinese_chars: Whether each CJK ideograph is a word.
        strip_accents: Whether to remove accents; None follows `do_lower_case`.
        clean_text: Whether to drop control characters and unify whitespace; True unless
            tokenizer.json says otherwise.
        wordpieces_prefix: What pieces that continue a word begin with in the vocabulary; "##"
            unless tokenizer.json says otherwise.
        never_split: Words kept whole, as written; those that are not in the vocabulary become
            the unknown token.
        tokenizer_object: A `tokenizers.Tokenizer` to copy, in place of the files.
        **kwargs: ``model_max_length``, ``padding_side``, ``truncation_side``,
            ``additional_special_tokens`` and other fields of tokenizer_config.json.

    Raises:
        InputError: No file is given, it does not exist, or an argument has an impossible value.
        CheckpointError: The file is damaged or no WordPiece tokenizer.
    """

    vocab_files_names: ClassVar = {"vocab_file": VOCAB_FILE, "tokenizer_file": TOKENIZER_FILE}
    slow_tokenizer_class = MobileBertTokenizer
    is_fast = True
    can_save_slow_tokenizer = True

    def __init__(
        self,
        vocab_file: str | os.PathLike[str] | None = None,
        tokenizer_file: str | os.PathLike[str] | None = None,
        do_lower_case: bool = True,
        unk_token: str | AddedToken | None = "[UNK]",
        sep_token: str | AddedToken | None = "[SEP]",
        pad_token: str | AddedToken | None = "[PAD]",
        cls_token: str | AddedToken | None = "[CLS]",
        mask_token: str | AddedToken | None = "[MASK]",
        tokenize_chinese_chars: bool = True,
        strip_accents: bool | None = None,
        *,
        clean_text: bool | None = None,
        wordpieces_prefix: str | None = None,
        never_split: Iterable[str] | None = None,
        tokenizer_object: Tokenizer | None = None,
        **kwargs: Any,
    ) -> None:
        from_vocab = tokenizer_object is None and tokenizer_file is None
        if tokenizer_object is not None:
            self._rust = copy.deepcopy(tokenizer_object)
        elif tokenizer_file is not None:
            self._rust = rust.read(tokenizer_file)
        elif vocab_file is not None:
            prefix = "##" if wordpieces_prefix is None else wordpieces_prefix
            self._rust = rust.build(load_vocab(vocab_file), str(unk_token), prefix)
        else:
            raise InputError(
                "Name a vocabulary file (vocab_file='vocab.txt') or tokenizer.json "
                "(tokenizer_file=), or load a checkpoint with "
                "MobileBertTokenizerFast.from_pretrained(name_or_directory)."
            )
        stored = kwargs.pop("added_tokens_decoder", None) or {}
        self._take_over_state(kwargs)
        if from_vocab:
            kwargs.setdefault("clean_up_tokenization_spaces", True)
        self.do_lower_case = do_lower_case
        self._never_split = [] if never_split is None else list(never_split)
        options: dict[str, Any] = {
            "clean_text": clean_text,
            "wordpieces_prefix": wordpieces_prefix,
            "never_split": self._never_split or None,
        }
        self._set_up(
            {
                "do_lower_case": do_lower_case,
                "unk_token": unk_token,
                "sep_token": sep_token,
                "pad_token": pad_token,
                "cls_token": cls_token,
                "mask_token": mask_token,
                "tokenize_chinese_chars": tokenize_chinese_chars,
                "strip_accents": strip_accents,
                **{name: value for name, value in options.items() if value is not None},
                **kwargs,
            }
        )
        self._copies = rust.ConfiguredTokenizers(self._rust, self._never_split)
        self._add_stored(stored)
        if from_vocab:
            rust.set_template(self._rust, self.cls_token, self.sep_token)
        rust.set_normalizer(
            self._rust, do_lower_case, strip_accents, tokenize_chinese_chars, clean_text
        )
        if wordpieces_prefix is not None and not from_vocab:
            self._rust.model.continuing_subword_prefix = wordpieces_prefix
            self._rust.decoder = decoders.WordPiece(prefix=wordpieces_prefix)
        self._find_outside_ids()

    def _take_over_state(self, kwargs: dict[str, Any]) -> None:
        """Turn truncation and padding stored in tokenizer.json into defaults, and them off."""
        if self._rust.truncation is not None:
            kwargs.setdefault("truncation_side", self._rust.truncation["direction"])
            self._rust.no_truncation()
        if self._rust.padding is not None:
            kwargs.setdefault("padding_side", self._rust.padding["direction"])
            self._rust.no_padding()

    def _add_stored(self, stored: Mapping[int, AddedToken]) -> None:
        tokens: list[str | AddedToken] = [token for _, token in sorted(stored.items())]
        known = {*self.added_tokens_encoder, *map(str, tokens)}
        tokens += [token for token in self.all_special_tokens_extended if str(token) not in known]
        special = set(self.all_special_tokens)
        for token in tokens:
            is_special = str(token) in special or (isinstance(token, AddedToken) and token.special)
            self._add_tokens([token], special_tokens=is_special)
        for id_, token in stored.items():
            if self._rust.token_to_id(token.content) != id_:
                logger.warning(
                    "Token %r has id %s here, not %d as the files say.",
                    token.content,
                    self._rust.token_to_id(token.content),
                    id_,
                )

    def _find_outside_ids(self) -> None:
        """Note which ids the copies give to never-split words outside the vocabulary."""
        self._copies.forget()
        self._outside: dict[int, int] = {}
        if self._never_split:
            configured = self._copies.get(rust.Settings())
            for word in self._never_split:
                if self._rust.token_to_id(word) is None:
                    self._outside[configured.token_to_id(word)] = self.unk_token_id or 0

    @classmethod
    def _file_arguments(cls, files: TokenizerFiles) -> dict[str, Any]:
        if files.tokenizer is not None:
            return {"tokenizer_file": files.tokenizer}
        return {"vocab_file": files.vocab}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_copies"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._copies = rust.ConfiguredTokenizers(self._rust, self._never_split)

    def __len__(self) -> int:
        """Return the size of the vocabulary, added tokens included."""
        return int(self._rust.get_vocab_size(with_added_tokens=True))

    @property
    def backend_tokenizer(self) -> Tokenizer:
        """The Rust tokenizer. Its truncation and padding are never set by calls."""
        return self._rust

    @property
    def decoder(self) -> Any:
        """The decoder of the Rust tokenizer."""
        return self._rust.decoder

    @property
    def vocab(self) -> dict[str, int]:
        """Token to id for the whole vocabulary, added tokens included."""
        return self.get_vocab()

    @property
    def vocab_size(self) -> int:
        """Size of the vocabulary without added tokens."""
        return int(self._rust.get_vocab_size(with_added_tokens=False))

    def get_vocab(self) -> dict[str, int]:
        """Return token to id for the whole vocabulary, added tokens included."""
        return dict(self._rust.get_vocab(with_added_tokens=True))

    def _model_vocab(self) -> dict[str, int]:
        return dict(self._rust.get_vocab(with_added_tokens=False))

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        """Id to token for the tokens matched before the text is split, in order of id."""
        return dict(sorted(self._rust.get_added_tokens_decoder().items()))

    def _add_tokens(self, new_tokens: Sequence[str | AddedToken], *, special_tokens: bool) -> int:
        add = self._rust.add_special_tokens if special_tokens else self._rust.add_tokens
        count = int(add(list(new_tokens)))
        if hasattr(self, "_outside"):
            self._find_outside_ids()
        return count

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """Return how many special tokens a row gets: 2 for a text, 3 for a pair."""
        return int(self._rust.num_special_tokens_to_add(pair))

    def _settings(self, request: Request) -> rust.Settings:
        return rust.Settings.of(
            request.lengths,
            pad=(self.pad_token_id, self.pad_token, self.pad_token_type_id),
            split_special_tokens=request.split_special_tokens,
        )

    def _encode_one(self, text: Any, text_pair: Any, request: Request) -> BatchEncoding:
        batch = self._encode_batch([(text, text_pair)] if text_pair else [text], request)
        if request.return_tensors is not None or request.return_overflowing_tokens:
            return batch
        row = {
            name: values[0] if values and isinstance(values[0], list) else values
            for name, values in batch.data.items()
        }
        return BatchEncoding(row, batch.encodings, is_fast=True)

    def _encode_batch(self, texts: Sequence[Any], request: Request) -> BatchEncoding:
        if not texts:
            return BatchEncoding({"input_ids": []}, tensor_type=request.return_tensors)
        encodings = self._rust_encodings(texts, request)
        origin: list[int] | None = None
        if request.return_overflowing_tokens:
            parts = [[first, *first.overflowing] for first in encodings]
            origin = [index for index, rows in enumerate(parts) for _ in rows]
            encodings = [row for rows in parts for row in rows]
        data = self._data(encodings, request)
        if origin is not None:
            data["overflow_to_sample_mapping"] = origin
        if 0 < self.model_max_length < 10**20:
            self._advise_on_length(max(map(len, encodings)), request)
        return BatchEncoding(data, encodings, tensor_type=request.return_tensors, is_fast=True)

    def _rust_encodings(self, texts: Sequence[Any], request: Request) -> list[Any]:
        configured = self._configured(request)
        try:
            check_stride(self._plain(request), texts, request)
            encodings: list[Any] = configured.encode_batch(
                list(texts),
                is_pretokenized=request.is_split_into_words,
                add_special_tokens=request.add_special_tokens,
            )
        except (TypeError, UnicodeEncodeError):
            raise explain(texts) from None
        except InputError:
            raise
        except BaseException as error:
            # The library raises plain Exception, and panics where the stride leaves no room.
            if "runcat" in str(error) or "stride" in str(error):
                raise rust.truncation_error(error) from None
            raise
        return encodings

    def _plain(self, request: Request) -> Tokenizer:
        return self._copies.get(rust.Settings(split_special_tokens=request.split_special_tokens))

    def _configured(self, request: Request) -> Tokenizer:
        try:
            return self._copies.get(self._settings(request))
        except (OverflowError, ValueError) as error:
            raise rust.truncation_error(error) from None

    def _data(self, encodings: list[Any], request: Request) -> dict[str, Any]:
        """Read the lists of all rows; the loops are over rows, never over tokens."""
        data: dict[str, Any] = {"input_ids": [encoding.ids for encoding in encodings]}
        if self._outside:
            data["input_ids"] = [
                [self._outside.get(id_, id_) for id_ in ids] for ids in data["input_ids"]
            ]
        names = self.model_input_names
        types, mask = request.return_token_type_ids, request.return_attention_mask
        if "token_type_ids" in names if types is None else types:
            data["token_type_ids"] = [encoding.type_ids for encoding in encodings]
        if "attention_mask" in names if mask is None else mask:
            data["attention_mask"] = [encoding.attention_mask for encoding in encodings]
        if request.return_special_tokens_mask:
            data["special_tokens_mask"] = [encoding.special_tokens_mask for encoding in encodings]
        if request.return_offsets_mapping:
            data["offset_mapping"] = [encoding.offsets for encoding in encodings]
        if request.return_length:
            data["length"] = [len(encoding) for encoding in encodings]
        return data

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        """Look up one token or several; unknown ones get the unknown token's id."""
        if tokens is None:
            return None
        if not isinstance(tokens, str):
            return [self.convert_tokens_to_ids(token) for token in tokens]
        id_ = self._rust.token_to_id(check_text(tokens))
        if id_ is None and tokens != self.unk_token:
            return self.unk_token_id
        return id_

    def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any:
        """Look up one id or several; None for ids outside the vocabulary."""
        if isinstance(ids := to_python(ids), int):
            return self._rust.id_to_token(ids) if 0 <= ids < 2**32 else None
        skipped = set(self.all_special_ids) if skip_special_tokens else ()
        return [self.convert_ids_to_tokens(int(id_)) for id_ in ids if int(id_) not in skipped]

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Join tokens with spaces and pieces without, and clean up spaces."""
        if self._rust.decoder is None:
            return " ".join(tokens)
        return str(self._rust.decoder.decode(list(tokens)))

    def _decode(self, ids: list[int], skip_special_tokens: bool, **_ignored: Any) -> str:
        outside = [id_ for id_ in ids if not 0 <= id_ < 2**32]
        if outside:
            raise InputError(f"{outside[0]} is no token id; ids are 0 to {len(self) - 1}.")
        return str(self._rust.decode(ids, skip_special_tokens=skip_special_tokens))

    def _vocabulary_files(self, legacy_format: bool | None) -> dict[str, str | None]:
        files = {} if legacy_format is False else super()._vocabulary_files(True)
        if legacy_format is not True:
            files[TOKENIZER_FILE] = self._rust.to_str(pretty=True)
        return files

    def train_new_from_iterator(
        self,
        text_iterator: Iterable[Any],
        vocab_size: int,
        length: int | None = None,
        new_special_tokens: Sequence[str | AddedToken] | None = None,
        special_tokens_map: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Train a new vocabulary with this tokenizer's settings.

        Args:
            text_iterator: Texts or lists of texts.
            vocab_size: Number of tokens wanted, special ones included.
            length: Number of items of `text_iterator`, for the progress bar.
            new_special_tokens: Special tokens to add.
            special_tokens_map: Special token so far to its new text.
            **kwargs: Arguments of `tokenizers.trainers.WordPieceTrainer`.

        Returns:
            A new tokenizer.
        """
        renamed = dict(special_tokens_map or {})
        special: list[AddedToken | str] = []
        for token in self.added_tokens_decoder.values():
            if token.special:
                content = renamed.get(token.content, token.content)
                fields = ("single_word", "lstrip", "rstrip", "normalized", "special")
                settings = {name: getattr(token, name) for name in fields}
                special.append(AddedToken(content, **settings))
        names = {
            name: renamed.get(getattr(self, name), getattr(self, name))
            for name in SPECIAL_TOKENS_ATTRIBUTES[:-1]
            if getattr(self, name) is not None
        }
        trained = train_like(
            self._rust,
            text_iterator,
            vocab_size,
            length=length,
            special_tokens=[*special, *(new_special_tokens or ())],
            unk_token=names.get("unk_token", "[UNK]"),
            template=(names.get("cls_token"), names.get("sep_token")),
            options=kwargs,
        )
        arguments = {**self.init_kwargs, **names}
        additional = [*(self.additional_special_tokens or ()), *(new_special_tokens or ())]
        if additional:
            arguments["additional_special_tokens"] = additional
        return type(self)(tokenizer_object=trained, **arguments)
