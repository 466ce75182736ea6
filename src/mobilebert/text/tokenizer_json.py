"""What tokenizer.json says of a tokenizer whose other files leave it open.

`PreTrainedTokenizerFast` of transformers has no options of BERT: all is in tokenizer.json.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mobilebert.errors import CheckpointError
from mobilebert.files import read_json

__all__ = ["NORMALIZER_ARGUMENTS", "generic_arguments"]

# Option of the Rust library's BERT normalizer -> argument of a tokenizer.
NORMALIZER_ARGUMENTS = {
    "lowercase": "do_lower_case",
    "strip_accents": "strip_accents",
    "handle_chinese_chars": "tokenize_chinese_chars",
}

_SPECIAL_TOKENS = {
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}


def generic_arguments(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the arguments of a tokenizer of no particular class.

    Args:
        path: tokenizer.json.

    Returns:
        How a text is normalized, and the special tokens where nothing else says which there are:
        the usual ones that the file has, None for the others.

    Raises:
        CheckpointError: The file is damaged.
    """
    stored = read_json(path)
    try:
        model = stored["model"]
        words = model["vocab"]
        if not isinstance(words, Mapping):
            words = ()  # pairs, of a model that is refused by its kind where it is read
        known = {*words, *(token["content"] for token in stored.get("added_tokens") or ())}
        usual = {"unk_token": model.get("unk_token", "[UNK]"), **_SPECIAL_TOKENS}
        special = {name: token if token in known else None for name, token in usual.items()}
        return _normalization(stored.get("normalizer")), special
    except (AttributeError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is no valid tokenizer.json: {error!r}.") from None


def _normalization(normalizer: Mapping[str, Any] | None) -> dict[str, Any]:
    steps = {step["type"]: step for step in _steps(normalizer)}
    bert = steps.get("BertNormalizer")
    if bert is not None:
        return {ours: bert.get(name) for name, ours in NORMALIZER_ARGUMENTS.items()}
    settings: dict[str, Any] = {
        "do_lower_case": "Lowercase" in steps,
        "strip_accents": "StripAccents" in steps,
        "tokenize_chinese_chars": False,
    }
    return settings if steps else {**settings, "clean_text": False}


def _steps(normalizer: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    if normalizer is None:
        return
    if normalizer["type"] != "Sequence":
        yield normalizer
        return
    for step in normalizer["normalizers"]:
        yield from _steps(step)
