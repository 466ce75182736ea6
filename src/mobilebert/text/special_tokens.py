"""The special tokens of a tokenizer and the attributes that reach them."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import AddedToken

from mobilebert.errors import ArgumentError, InputError

__all__ = ["SPECIAL_TOKENS_ATTRIBUTES", "SpecialTokens"]

SPECIAL_TOKENS_ATTRIBUTES = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
    "additional_special_tokens",
]

_LIST = "additional_special_tokens"

logger = logging.getLogger(__name__)


def _token_attribute(name: str) -> str:
    """Return the attribute that an id attribute belongs to: ``sep_token_id`` → ``sep_token``."""
    if name.endswith("_ids"):
        return name[:-4]
    return name.removesuffix("_id")


def as_special(token: str | AddedToken) -> AddedToken:
    """Make a special token that is matched as written and takes no space around it."""
    if isinstance(token, AddedToken):
        return token
    return AddedToken(
        token, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True
    )


class SpecialTokens:
    """Special tokens as attributes: ``mask_token``, ``mask_token_id`` and so on, read and write.

    A name set here is a name only; it enters the vocabulary through `add_special_tokens`.
    """

    SPECIAL_TOKENS_ATTRIBUTES = SPECIAL_TOKENS_ATTRIBUTES

    bos_token: str | None
    eos_token: str | None
    unk_token: str | None
    sep_token: str | None
    pad_token: str | None
    cls_token: str | None
    mask_token: str | None
    additional_special_tokens: list[str] | None
    bos_token_id: int | None
    eos_token_id: int | None
    unk_token_id: int | None
    sep_token_id: int | None
    pad_token_id: int | None
    cls_token_id: int | None
    mask_token_id: int | None
    additional_special_tokens_ids: list[int] | None

    _special_tokens_map: dict[str, Any]

    def _set_special_tokens(self, given: Mapping[str, Any]) -> None:
        """Take the special tokens out of a constructor's keywords."""
        self._special_tokens_map = dict.fromkeys(SPECIAL_TOKENS_ATTRIBUTES)
        self._special_tokens_map[_LIST] = []
        for name in SPECIAL_TOKENS_ATTRIBUTES:
            if given.get(name) is not None:
                setattr(self, name, given[name])
        extra = given.get("extra_special_tokens") or {}
        if not isinstance(extra, Mapping):
            raise ArgumentError(
                f"extra_special_tokens must map attribute names to tokens, not {extra!r}."
            )
        for name, token in extra.items():
            self._special_tokens_map[name] = _checked(name, token)
        self.extra_special_tokens = dict(extra)

    def __getattr__(self, name: str) -> Any:
        tokens = self.__dict__.get("_special_tokens_map", {})
        if name in tokens:
            value = tokens[name]
            if value is None:
                return None
            return [str(token) for token in value] if name == _LIST else str(value)
        attribute = _token_attribute(name)
        if attribute != name and attribute in tokens:
            value = getattr(self, attribute)
            return None if value is None else self.convert_tokens_to_ids(value)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")

    def __setattr__(self, name: str, value: Any) -> None:
        tokens = self.__dict__.get("_special_tokens_map", {})
        attribute = _token_attribute(name)
        if attribute != name and attribute in tokens:
            name, value = attribute, None if value is None else self.convert_ids_to_tokens(value)
        if name in tokens:
            tokens[name] = _checked(name, value)
        else:
            super().__setattr__(name, value)

    @property
    def special_tokens_map(self) -> dict[str, Any]:
        """Attribute name to token text, for the attributes that are set."""
        return {
            name: [str(token) for token in value] if isinstance(value, list) else str(value)
            for name, value in self.special_tokens_map_extended.items()
        }

    @property
    def special_tokens_map_extended(self) -> dict[str, Any]:
        """Attribute name to token as it was given (text or AddedToken)."""
        return {name: value for name, value in self._special_tokens_map.items() if value}

    @property
    def all_special_tokens_extended(self) -> list[str | AddedToken]:
        """All special tokens as they were given, each once, in the order of the attributes."""
        tokens: dict[str, str | AddedToken] = {}
        for value in self.special_tokens_map_extended.values():
            for token in value if isinstance(value, list) else [value]:
                tokens.setdefault(str(token), token)
        return list(tokens.values())

    @property
    def all_special_tokens(self) -> list[str]:
        """The texts of all special tokens, each once."""
        return [str(token) for token in self.all_special_tokens_extended]

    @property
    def all_special_ids(self) -> list[int]:
        """The ids of all special tokens."""
        ids: list[int] = self.convert_tokens_to_ids(self.all_special_tokens)
        return ids

    def add_special_tokens(
        self,
        special_tokens_dict: Mapping[str, str | AddedToken | Sequence[str | AddedToken]],
        replace_additional_special_tokens: bool = True,
    ) -> int:
        """Set special tokens and add those to the vocabulary that it does not have.

        After growing the vocabulary, resize the model's embeddings to ``len(tokenizer)``.

        Args:
            special_tokens_dict: Attribute (``cls_token``, ``additional_special_tokens``, …) to
                token or list of tokens.
            replace_additional_special_tokens: Whether a given list replaces the list so far, or
                extends it.

        Returns:
            How many tokens were new.

        Raises:
            InputError: A key is no special token attribute, or a value is no token.
        """
        added: list[str | AddedToken] = []
        for name, value in special_tokens_dict.items():
            if name not in SPECIAL_TOKENS_ATTRIBUTES:
                raise InputError(
                    f"{name!r} is not a special token attribute; choose from "
                    f"{', '.join(SPECIAL_TOKENS_ATTRIBUTES)}."
                )
            if value is None:
                raise InputError(f"{name} has no token; leave it out or give one.")
            checked = _checked(name, value)
            if name != _LIST:
                token = as_special(checked)
                setattr(self, name, token)
                if token not in added:
                    added.append(token)
                continue
            present = self.additional_special_tokens or []
            if replace_additional_special_tokens:
                present = []
            new = [as_special(token) for token in checked if str(token) not in present]
            if replace_additional_special_tokens and new:
                setattr(self, name, new)
            else:
                self._special_tokens_map[name] = [*(self._special_tokens_map[name] or ()), *new]
            added += new
        return self.add_tokens(added, special_tokens=True)

    def add_tokens(
        self,
        new_tokens: str | AddedToken | Sequence[str | AddedToken],
        special_tokens: bool = False,
    ) -> int:
        """Add tokens that are matched in a text before it is split into words.

        After growing the vocabulary, resize the model's embeddings to ``len(tokenizer)``.

        Args:
            new_tokens: One token or several.
            special_tokens: Whether they are special: matched as written, skipped by
                ``decode(..., skip_special_tokens=True)``.

        Returns:
            How many tokens were new to the vocabulary.

        Raises:
            ArgumentError: A token is neither a string nor an AddedToken.
        """
        if not new_tokens:
            return 0
        tokens = list(new_tokens) if isinstance(new_tokens, (list, tuple)) else [new_tokens]
        for token in tokens:
            if not isinstance(token, (str, AddedToken)):
                raise ArgumentError(
                    f"A token must be a string or an AddedToken, not {token!r} "
                    f"({type(token).__name__})."
                )
        return self._add_tokens(tokens, special_tokens=special_tokens)

    def _add_tokens(self, new_tokens: list[str | AddedToken], *, special_tokens: bool) -> int:
        raise NotImplementedError

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        """Look up one token or several (see the tokenizer classes)."""
        raise NotImplementedError

    def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any:
        """Look up one id or several (see the tokenizer classes)."""
        raise NotImplementedError


def _checked(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == _LIST:
        if isinstance(value, (list, tuple)) and all(
            isinstance(token, (str, AddedToken)) for token in value
        ):
            return list(value)
        raise InputError(f"{name} must be a list of strings or AddedTokens, not {value!r}.")
    if isinstance(value, (str, AddedToken)):
        return value
    raise InputError(f"{name} must be a string or an AddedToken, not {value!r}.")
