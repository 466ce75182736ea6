"""Whether a stride leaves room in every truncated text.

The Rust library aborts with a panic, printed on standard error, where a part of an overflowing
text would be all stride. Texts for which that may happen are therefore measured first.
"""

from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer

from mobilebert.errors import InputError
from mobilebert.text.options import TruncationStrategy
from mobilebert.text.request import Request

__all__ = ["check_stride"]


def check_stride(tokenizer: Tokenizer, texts: Sequence[Any], request: Request) -> None:
    """Raise an error where the stride takes all the room of a truncated text.

    Pairs cut by "longest_first" are not looked at.

    Args:
        tokenizer: The tokenizer without truncation and padding.
        texts: Texts, pairs, lists of words or pairs of such lists.
        request: The options of the call.

    Raises:
        InputError: A text would be truncated to `stride` tokens or fewer.
    """
    lengths = request.lengths
    if not lengths.truncates or not lengths.stride or lengths.max_length is None:
        return
    pair = _is_pair(texts[0], request)
    special = tokenizer.num_special_tokens_to_add(pair) if request.add_special_tokens else 0
    rooms = [lengths.max_length - special] * len(texts)
    if pair and lengths.truncation is TruncationStrategy.LONGEST_FIRST:
        return
    if pair:
        kept = 0 if lengths.truncation is TruncationStrategy.ONLY_SECOND else 1
        others = _sizes(tokenizer, [item[kept] for item in texts], request, special=False)
        rooms = [room - other for room, other in zip(rooms, others, strict=True)]
    # Without any room the library answers or raises by itself.
    tight = [index for index, room in enumerate(rooms) if 0 < room <= lengths.stride]
    if not tight:
        return
    sizes = _sizes(tokenizer, [texts[index] for index in tight], request, special=True)
    for index, size in zip(tight, sizes, strict=True):
        if size > lengths.max_length:
            raise InputError(
                f"Text {index} has {size} tokens and max_length={lengths.max_length} leaves room "
                f"for {rooms[index]}, which must be more than stride={lengths.stride}. "
                "Use a larger max_length or a smaller stride."
            )


def _is_pair(item: Any, request: Request) -> bool:
    if request.is_split_into_words:
        return bool(item) and isinstance(item[0], (list, tuple))
    return isinstance(item, (list, tuple))


def _sizes(tokenizer: Tokenizer, texts: list[Any], request: Request, *, special: bool) -> list[int]:
    encodings = tokenizer.encode_batch_fast(
        texts,
        is_pretokenized=request.is_split_into_words,
        add_special_tokens=special and request.add_special_tokens,
    )
    return [len(encoding) for encoding in encodings]
