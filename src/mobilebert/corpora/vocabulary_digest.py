"""Whether two tokenizers give the same ids."""

import hashlib
import json
from typing import Any

__all__ = ["vocabulary_digest"]


def vocabulary_digest(tokenizer: Any) -> str:
    """Return a digest of all that decides which ids a text gets.

    That is the id of each token, how text is normalised before it is looked up, and the special
    tokens. The tokenizer in Rust and the one in Python have the same digest.

    Args:
        tokenizer: A `MobileBertTokenizer` or `MobileBertTokenizerFast`.

    Returns:
        64 hexadecimal digits.
    """
    given = tokenizer.init_kwargs
    lower_case = bool(tokenizer.do_lower_case)
    accents = given.get("strip_accents")
    facts = {
        "vocabulary": sorted(tokenizer.get_vocab().items(), key=lambda entry: (entry[1], entry[0])),
        "special": [
            getattr(tokenizer, f"{name}_token_id") for name in ("pad", "unk", "cls", "sep", "mask")
        ],
        "do_lower_case": lower_case,
        "strip_accents": lower_case if accents is None else bool(accents),
        "tokenize_chinese_chars": bool(given.get("tokenize_chinese_chars", True)),
        "clean_text": given.get("clean_text") is not False,
        "never_split": sorted(given.get("never_split") or ()),
    }
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
