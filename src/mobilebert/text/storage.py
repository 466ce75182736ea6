"""Tokenizer files: what a directory or Hub repository says, and what is written back.

The files are those of transformers: vocab.txt, tokenizer.json, tokenizer_config.json,
special_tokens_map.json and added_tokens.json. Nothing in them is executed.
"""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken

from mobilebert.errors import ArgumentError, CheckpointError
from mobilebert.files import read_json
from mobilebert.hub import HubOptions, resolve_file
from mobilebert.text.special_tokens import SPECIAL_TOKENS_ATTRIBUTES
from mobilebert.text.tokenizer_json import generic_arguments
from mobilebert.text.vocabulary import TOKENIZER_FILE, TOKENIZER_FILES, VOCAB_FILE

__all__ = ["TokenizerFiles", "constructor_arguments", "json_text", "prefixed", "token_as_json"]

logger = logging.getLogger(__name__)

# Classes whose files mean the same WordPiece tokenizer (each also with "Fast" at the end).
_SAME_TOKENIZER = {
    "BertTokenizer",
    "DistilBertTokenizer",
    "ElectraTokenizer",
    "MobileBertTokenizer",
    "PreTrainedTokenizer",
}

# Classes without options of BERT: what they do is in tokenizer.json.
_GENERIC = ("PreTrainedTokenizer", "PreTrainedTokenizerFast")

# Keys of tokenizer_config.json that name code or files: not arguments here.
_NOT_ARGUMENTS = ("tokenizer_class", "auto_map", "init_inputs", "vocab_file", "tokenizer_file")


_TOKEN_FIELDS = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")


@dataclass(frozen=True, slots=True)
class TokenizerFiles:
    """Paths of a tokenizer's files, as `TOKENIZER_FILES`; None for those that do not exist."""

    vocab: Path | None = None
    tokenizer: Path | None = None
    config: Path | None = None
    special_tokens_map: Path | None = None
    added_tokens: Path | None = None

    @classmethod
    def find(cls, name_or_path: str | os.PathLike[str], options: HubOptions) -> "TokenizerFiles":
        """Look for all files in a directory, the bundled model or a Hub repository.

        Args:
            name_or_path: A name, a directory, or one vocab.txt or tokenizer.json file.
            options: Where and how to look.

        Raises:
            CheckpointError: There is neither a vocab.txt nor a tokenizer.json.
        """
        if Path(name_or_path).is_file():
            path = Path(name_or_path)
            return cls(tokenizer=path) if path.suffix == ".json" else cls(vocab=path)
        files = cls(
            *(resolve_file(name_or_path, name, options, required=False) for name in TOKENIZER_FILES)
        )
        if files.vocab is None and files.tokenizer is None:
            raise CheckpointError(
                f"{str(name_or_path)!r} has neither {VOCAB_FILE} nor {TOKENIZER_FILE}; a tokenizer "
                "needs one of them."
            )
        return files


def constructor_arguments(files: TokenizerFiles, given: Mapping[str, Any]) -> dict[str, Any]:
    """Read the files as arguments of a tokenizer class.

    Args:
        files: The files.
        given: Arguments of the caller, which go before those of the files.

    Returns:
        Keyword arguments. ``added_tokens_decoder`` maps ids to tokens.

    Raises:
        CheckpointError: A file is damaged or belongs to another kind of tokenizer.
    """
    arguments: dict[str, Any] = {}
    if files.config is not None:
        arguments = read_json(files.config)
        name_of_class = arguments.get("tokenizer_class")
        _check_class(name_of_class, files.config)
        for name in _NOT_ARGUMENTS:
            arguments.pop(name, None)
        if name_of_class in _GENERIC and files.tokenizer is not None:
            normalization, special = generic_arguments(files.tokenizer)
            arguments = {**special, **arguments, **normalization}
    arguments.update(given)
    try:
        if "added_tokens_decoder" in arguments:
            stored = arguments["added_tokens_decoder"]
            added = {int(id_): _as_token(token) for id_, token in stored.items()}
        else:
            _add_special_tokens_map(arguments, files.special_tokens_map, given)
            added = _added_tokens(files, arguments)
        arguments = {name: _revived(value) for name, value in arguments.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        where = files.config or files.special_tokens_map or files.tokenizer
        raise CheckpointError(f"The tokens described in {where} are damaged: {error}") from None
    by_content = {token.content: token for token in added.values()}
    for name in SPECIAL_TOKENS_ATTRIBUTES[:-1]:
        if arguments.get(name) is not None:
            arguments[name] = by_content.get(str(arguments[name]), arguments[name])
    arguments["added_tokens_decoder"] = added
    return arguments


def _check_class(name: Any, path: Path) -> None:
    if name is None or str(name).removesuffix("Fast") in _SAME_TOKENIZER:
        return
    raise CheckpointError(
        f"{path} is for a {name}; this library reads MobileBERT and BERT tokenizers "
        "(MobileBertTokenizer, BertTokenizer and their Fast forms)."
    )


def _as_token(value: Any) -> AddedToken:
    if isinstance(value, AddedToken):
        return value
    if not isinstance(value["content"], str):
        raise TypeError(f"the content {value['content']!r} of a token is no string")
    return AddedToken(**{name: value[name] for name in _TOKEN_FIELDS if name in value})


def _revived(value: Any) -> Any:
    """Turn tokens stored as JSON objects back into tokens."""
    if isinstance(value, dict) and value.get("__type") == "AddedToken":
        return _as_token(value)
    if isinstance(value, list):
        return [_revived(item) for item in value]
    if isinstance(value, dict):
        return {name: _revived(item) for name, item in value.items()}
    return value


def _add_special_tokens_map(
    arguments: dict[str, Any], path: Path | None, given: Mapping[str, Any]
) -> None:
    if path is None:
        return
    for name, value in read_json(path).items():
        if given.get(name):
            continue
        if isinstance(value, dict):
            arguments[name] = _as_token({**value, "special": True})
        elif isinstance(value, list):
            present = list(arguments.get(name) or [])
            tokens = [
                _as_token({**item, "special": True}) if isinstance(item, dict) else item
                for item in value
            ]
            arguments[name] = present + [token for token in tokens if token not in present]
        else:
            arguments[name] = value


def _added_tokens(files: TokenizerFiles, arguments: Mapping[str, Any]) -> dict[int, AddedToken]:
    added: dict[int, AddedToken] = {}
    if files.added_tokens is not None:
        special = {str(arguments[name]) for name in SPECIAL_TOKENS_ATTRIBUTES if name in arguments}
        special |= {str(token) for token in arguments.get("additional_special_tokens") or ()}
        for content, id_ in read_json(files.added_tokens).items():
            is_special = content in special
            added[int(id_)] = AddedToken(content, normalized=not is_special, special=is_special)
    if files.tokenizer is not None:
        for token in read_json(files.tokenizer).get("added_tokens") or ():
            added[int(token["id"])] = _as_token(token)
    return added


def token_as_json(value: Any, *, typed: bool) -> Any:
    """Turn tokens inside a value into JSON objects.

    Args:
        value: A token, or lists and dictionaries that may hold tokens.
        typed: Whether the object says that it is a token and whether it is special
            (tokenizer_config.json) or neither (special_tokens_map.json).
    """
    if isinstance(value, AddedToken):
        fields: dict[str, Any] = {
            name: getattr(value, name) for name in _TOKEN_FIELDS if name != "special"
        }
        return {**fields, "special": value.special, "__type": "AddedToken"} if typed else fields
    if isinstance(value, (list, tuple)):
        return [token_as_json(item, typed=typed) for item in value]
    if isinstance(value, dict):
        return {name: token_as_json(item, typed=typed) for name, item in value.items()}
    return value


def json_text(content: Any, path: Path) -> str:
    """Write JSON as transformers does: sorted, indented, one line end.

    Raises:
        ArgumentError: A constructor argument cannot be written as JSON.
    """
    try:
        return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"Cannot write {path}: an argument is no JSON value: {error}") from None


def prefixed(directory: Path, filename: str, prefix: str | None) -> Path:
    """Return the path of a tokenizer file, its name after ``prefix-`` where one is given."""
    return directory / (f"{prefix}-{filename}" if prefix else filename)
