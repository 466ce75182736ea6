"""`MobileBertTokenizer`: WordPiece tokenization in plain Python, as the specification reads."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tokenizers import AddedToken

from mobilebert.errors import CheckpointError, InputError
from mobilebert.files import read_json
from mobilebert.text.added_tokens import lower_between, split_at_added_tokens, split_at_words
from mobilebert.text.encoded_text import EncodedText, TokenSequence
from mobilebert.text.encoding import BatchEncoding
from mobilebert.text.inputs import check_text
from mobilebert.text.normalize import AlignedText
from mobilebert.text.padding import pad_row
from mobilebert.text.pretokenize import BasicTokenizer
from mobilebert.text.request import Request
from mobilebert.text.storage import TokenizerFiles
from mobilebert.text.tensors import to_python
from mobilebert.text.tokenizer import PreTrainedTokenizer
from mobilebert.text.tokenizer_json import NORMALIZER_ARGUMENTS
from mobilebert.text.truncation import Cut
from mobilebert.text.vocabulary import load_vocab
from mobilebert.text.wordpiece import WordpieceTokenizer

__all__ = ["MobileBertTokenizer"]


class MobileBertTokenizer(PreTrainedTokenizer):
    """WordPiece tokenizer in pure Python: normalize, pre-tokenize, wordpiece, encode.

    Args:
        vocab_file: Path of vocab.txt.
        do_lower_case: Whether to lower-case the text.
        do_basic_tokenize: Whether to normalize the text and to split punctuation; without it
            words are what whitespace separates, as written.
        never_split: Words kept whole, as written; those that are not in the vocabulary become
            the unknown token.
        unk_token: The token for what the vocabulary cannot spell.
        sep_token: The token after each sequence.
        pad_token: The token that fills rows up.
        cls_token: The first token of each row.
        mask_token: The token that stands for a hidden one.
        tokenize_chinese_chars: Whether each CJK ideograph is a word.
        strip_accents: Whether to remove accents; None follows `do_lower_case`.
        clean_up_tokenization_spaces: Whether decoding removes spaces before punctuation.
        vocab: Token to id, in place of `vocab_file`.
        **kwargs: ``model_max_length``, ``padding_side``, ``truncation_side``,
            ``additional_special_tokens`` and other fields of tokenizer_config.json.

    Raises:
        InputError: There is no such vocabulary file, or an argument has an impossible value.
    """

    def __init__(
        self,
        vocab_file: str | os.PathLike[str] | None = None,
        do_lower_case: bool = True,
        do_basic_tokenize: bool = True,
        never_split: Iterable[str] | None = None,
        unk_token: str | AddedToken | None = "[UNK]",
        sep_token: str | AddedToken | None = "[SEP]",
        pad_token: str | AddedToken | None = "[PAD]",
        cls_token: str | AddedToken | None = "[CLS]",
        mask_token: str | AddedToken | None = "[MASK]",
        tokenize_chinese_chars: bool = True,
        strip_accents: bool | None = None,
        clean_up_tokenization_spaces: bool = True,
        *,
        vocab: Mapping[str, int] | None = None,
        **kwargs: Any,
    ) -> None:
        if vocab is None and vocab_file is None:
            raise InputError(
                "Name a vocabulary file (vocab_file='vocab.txt'), or load a checkpoint with "
                "MobileBertTokenizer.from_pretrained(name_or_directory)."
            )
        self.vocab = load_vocab(vocab_file or "") if vocab is None else dict(vocab)
        self.ids_to_tokens = {id_: token for token, id_ in self.vocab.items()}
        self.do_lower_case = do_lower_case
        self.do_basic_tokenize = do_basic_tokenize
        never_split = None if never_split is None else list(never_split)
        self.basic_tokenizer = BasicTokenizer(
            do_lower_case, never_split, tokenize_chinese_chars, strip_accents
        )
        self.wordpiece_tokenizer = WordpieceTokenizer(self.vocab, str(unk_token))
        stored = kwargs.pop("added_tokens_decoder", None) or {}
        self._added = {int(id_): token for id_, token in stored.items()}
        self._added_ids = {token.content: id_ for id_, token in self._added.items()}
        self._set_up(
            {
                "do_lower_case": do_lower_case,
                "do_basic_tokenize": do_basic_tokenize,
                "never_split": never_split,
                "unk_token": unk_token,
                "sep_token": sep_token,
                "pad_token": pad_token,
                "cls_token": cls_token,
                "mask_token": mask_token,
                "tokenize_chinese_chars": tokenize_chinese_chars,
                "strip_accents": strip_accents,
                "clean_up_tokenization_spaces": clean_up_tokenization_spaces,
                **kwargs,
            }
        )
        present = self._added_ids
        special = [t for t in self.all_special_tokens_extended if str(t) not in present]
        self._add_tokens(special, special_tokens=True)

    @classmethod
    def _file_arguments(cls, files: TokenizerFiles) -> dict[str, Any]:
        if files.vocab is not None:
            return {"vocab_file": files.vocab}
        stored = read_json(files.tokenizer or "")
        try:
            normalizer = stored.get("normalizer") or {}
            arguments = {"vocab": {str(t): int(i) for t, i in stored["model"]["vocab"].items()}}
        except (AttributeError, KeyError, TypeError, ValueError):
            raise CheckpointError(
                f"{files.tokenizer} has no WordPiece vocabulary (model.vocab)."
            ) from None
        names = NORMALIZER_ARGUMENTS
        settings = {ours: normalizer[name] for name, ours in names.items() if name in normalizer}
        return {**arguments, **settings}

    def _model_vocab(self) -> dict[str, int]:
        return self.vocab

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        """Id to token for the tokens matched before the text is split, in order of id."""
        return dict(sorted(self._added.items()))

    def _add_tokens(self, new_tokens: Sequence[str | AddedToken], *, special_tokens: bool) -> int:
        vocab = self.get_vocab()
        size = len(vocab)
        for token in new_tokens:
            if not str(token) or (isinstance(token, str) and token in self._added_ids):
                continue
            added = self._as_added(token, special_tokens)
            id_ = vocab.setdefault(added.content, len(vocab))
            if added.special and added.content not in self.all_special_tokens:
                listed = self._special_tokens_map["additional_special_tokens"] or []
                self._special_tokens_map["additional_special_tokens"] = [*listed, added]
            self._added[id_] = added
            self._added_ids[added.content] = id_
        return len(vocab) - size

    def _as_added(self, token: str | AddedToken, special: bool) -> AddedToken:
        if isinstance(token, str):
            special = special or token in self.all_special_tokens
            token = AddedToken(token, normalized=not special, special=special)
        content = token.content
        special = special or token.special
        if not special and token.normalized and self.do_lower_case:
            content = content.lower()
        return AddedToken(
            content,
            single_word=token.single_word,
            lstrip=token.lstrip,
            rstrip=token.rstrip,
            normalized=token.normalized,
            special=special,
        )

    def _sequence(self, text: Any, request: Request) -> TokenSequence:
        """Tokenize one text, list of words, list of tokens or list of ids."""
        sequence = TokenSequence()
        if isinstance(text, str):
            self._tokenize_into(sequence, text, request.split_special_tokens, None)
            return sequence
        if not isinstance(text, (list, tuple)):
            check_text(text)
        if request.is_split_into_words:
            for index, word in enumerate(text):
                self._tokenize_into(sequence, word, request.split_special_tokens, index)
        elif text and all(isinstance(id_, int) for id_ in text):
            for id_ in text:
                sequence.append(id_, self.convert_ids_to_tokens(id_), (0, 0), len(sequence.ids))
        else:
            for token in map(check_text, text):
                id_ = self.convert_tokens_to_ids(token)
                sequence.append(id_, token, (0, 0), len(sequence.ids))
        return sequence

    def _tokenize_into(
        self, sequence: TokenSequence, text: Any, split_special: bool, word: int | None
    ) -> None:
        """Append the tokens of one text; `word` is its index where it is one word of many."""
        source = AlignedText.of(check_text(text))
        special = self.all_special_tokens
        counter = 0

        def append(part: AlignedText, pieces: Iterable[tuple[str, int, int]]) -> None:
            nonlocal counter
            for token, start, end in pieces:
                id_ = self.convert_tokens_to_ids(token)
                sequence.append(
                    id_, token, part.span(start, end), counter if word is None else word
                )
            counter += 1

        words = self.basic_tokenizer.never_split if self.do_basic_tokenize else ()
        for run, whole in split_at_words(source, words, special):
            if whole:
                append(run, [(run.text, 0, len(run.text))])
                continue
            for part, added in self._split(run, special, split_special):
                if added is not None:
                    append(part, [(part.text, 0, len(part.text))])
                    continue
                for piece in self._words(part, special):
                    append(piece, self.wordpiece_tokenizer.pieces(piece.text))

    def _split(
        self, run: AlignedText, special: Sequence[str], split_special: bool
    ) -> list[tuple[AlignedText, AddedToken | None]]:
        if self.do_lower_case and self.do_basic_tokenize:
            normalized = [t.content for t in self._added.values() if t.normalized and not t.special]
            run = lower_between(run, [*special, *normalized])
        if split_special:
            return [(run, None)]
        return split_at_added_tokens(run, {token.content: token for token in self._added.values()})

    def _words(self, part: AlignedText, keep: Sequence[str]) -> Iterable[AlignedText]:
        if self.do_basic_tokenize:
            return self.basic_tokenizer.words(part, keep)
        return part.split()

    def _encode_one(self, text: Any, text_pair: Any, request: Request) -> BatchEncoding:
        row, encoded = self._encoded_row(text, text_pair, request)
        row = self._finished_row(row, request)
        self._add_offsets(row, encoded, request)
        padded = self._padded_encoding(encoded, row, request)
        return BatchEncoding(
            row,
            [padded],
            tensor_type=request.return_tensors,
            prepend_batch_axis=True,
            is_fast=False,
        )

    def _encode_batch(self, texts: Sequence[Any], request: Request) -> BatchEncoding:
        if not texts:
            return BatchEncoding({"input_ids": []}, tensor_type=request.return_tensors)
        rows: dict[str, list[Any]] = {}
        encodings: list[EncodedText] = []
        for index, item in enumerate(texts):
            try:
                row, encoded = self._encoded_row(*_text_and_pair(item, request), request)
            except InputError as error:
                if len(texts) == 1:
                    raise
                raise type(error)(f"Text {index}: {error}") from None
            if request.return_length:
                row["length"] = len(row["input_ids"])
            encodings.append(encoded)
            for name, values in row.items():
                rows.setdefault(name, []).append(values)
        mask = self._wants_mask(request.return_attention_mask)
        padded = self._padded_batch(rows, request.lengths, mask)
        per_row = [
            {name: values[index] for name, values in padded.items()} for index in range(len(texts))
        ]
        for row, encoded in zip(per_row, encodings, strict=True):
            self._add_offsets(row, encoded, request)
        if request.return_offsets_mapping:
            padded["offset_mapping"] = [row["offset_mapping"] for row in per_row]
        finished = [
            self._padded_encoding(encoded, row, request)
            for encoded, row in zip(encodings, per_row, strict=True)
        ]
        return BatchEncoding(padded, finished, tensor_type=request.return_tensors, is_fast=False)

    def _encoded_row(
        self, text: Any, text_pair: Any, request: Request
    ) -> tuple[dict[str, Any], EncodedText]:
        first = self._sequence(text, request)
        second = None if text_pair is None else self._sequence(text_pair, request)
        row, cut = self._row(first.ids, None if second is None else second.ids, request)
        return row, self._encoding(first, second, cut, row, request)

    def _encoding(
        self,
        first: TokenSequence,
        second: TokenSequence | None,
        cut: Cut,
        row: Mapping[str, Any],
        request: Request,
    ) -> EncodedText:
        """Lay out offsets and words as `_row` laid out the ids."""
        special = (self.cls_token, self.sep_token) if request.add_special_tokens else (None, None)
        sequences = [first[cut.first]]
        if second is not None:
            sequences.append(second[cut.second])
        return EncodedText.of(row["input_ids"], sequences, *special)

    def _add_offsets(self, row: dict[str, Any], encoded: EncodedText, request: Request) -> None:
        if request.return_offsets_mapping:
            missing = len(row["input_ids"]) - len(encoded)
            side = request.lengths.padding_side
            offsets = {"offset_mapping": encoded.offsets}
            row.update(pad_row(offsets, missing, side, {"offset_mapping": (0, 0)}))

    def _padded_encoding(
        self, encoded: EncodedText, row: Mapping[str, Any], request: Request
    ) -> EncodedText:
        missing = len(row["input_ids"]) - len(encoded)
        if missing <= 0 or self.pad_token is None:
            return encoded
        pad_id = self.pad_token_id or 0
        return encoded.padded(missing, request.lengths.padding_side, pad_id, self.pad_token)

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        """Look up one token or several; unknown ones get the unknown token's id."""
        if tokens is None:
            return None
        if not isinstance(tokens, str):
            return [self.convert_tokens_to_ids(token) for token in tokens]
        id_ = self._added_ids.get(tokens)
        if id_ is not None:
            return id_
        return self.vocab.get(tokens, self.vocab.get(str(self.unk_token)))

    def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any:
        """Look up one id or several; unknown ones become the unknown token."""
        if isinstance(ids := to_python(ids), int):
            if ids in self._added:
                return self._added[ids].content
            return self.ids_to_tokens.get(ids, self.unk_token)
        skipped = set(self.all_special_ids) if skip_special_tokens else ()
        return [self.convert_ids_to_tokens(int(id_)) for id_ in ids if int(id_) not in skipped]

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Join tokens with spaces and pieces without."""
        return " ".join(tokens).replace(" ##", "").strip()

    def _decode(
        self,
        ids: list[int],
        skip_special_tokens: bool,
        spaces_between_special_tokens: bool = True,
        **_ignored: Any,
    ) -> str:
        special = set(self.all_special_tokens)
        # Added tokens stand alone; special ones of the vocabulary are joined like words.
        alone = set(self._added_ids) - special
        alone |= {t for t in self.additional_special_tokens or () if self._is_beyond(t)}
        parts: list[str] = []
        words: list[str] = []
        for token in self.convert_ids_to_tokens(ids, skip_special_tokens):
            if skip_special_tokens and token in special:
                continue
            if token not in alone:
                words.append(token)
                continue
            if words and (text := self.convert_tokens_to_string(words)):
                parts.append(text)
            words = []
            parts.append(token)
        if words:
            parts.append(self.convert_tokens_to_string(words))
        return (" " if spaces_between_special_tokens else "").join(parts)

    def _is_beyond(self, token: str) -> bool:
        return bool(self.convert_tokens_to_ids(token) >= self.vocab_size)


def _text_and_pair(item: Any, request: Request) -> tuple[Any, Any]:
    """Tell a pair from a single text in one item of a batch."""
    if not isinstance(item, (list, tuple)):
        return item, None
    if request.is_split_into_words and not (item and isinstance(item[0], (list, tuple))):
        return item, None
    if len(item) != 2:
        raise InputError(f"A pair has two texts, not {len(item)}: {str(item)[:60]}.")
    return item[0], item[1]
