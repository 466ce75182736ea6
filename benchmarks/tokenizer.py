"""Tokenizer speed: MobileBertTokenizerFast beside the raw `tokenizers` library, and long texts.

    python benchmarks/tokenizer.py [--texts FILE] [--count N] [--repeat R] [--check]

Prints texts/s of both for the same list (one row each: ids, type ids, attention mask as lists),
their ratio for several option sets, and the time of both tokenizers for one string of 0.25, 0.5
and 1 MB of different kinds. `--check` exits with status 1 when a ratio is below 0.9.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

from tokenizers import Tokenizer

from mobilebert.hub import BUNDLED_MODEL, BUNDLED_MODELS
from mobilebert.text import MobileBertTokenizer, MobileBertTokenizerFast

DIRECTORY = BUNDLED_MODELS[BUNDLED_MODEL]
SENTENCES = (
    "The quick brown fox jumps over the lazy dog.",
    "MobileBERT is a thin version of BERT_LARGE, equipped with bottleneck structures and a "
    "carefully designed balance between self-attentions and feed-forward networks.",
    "Who wrote it?",
    "Naïve façades, coöperation and 3,000 other oddities were discussed at length on Tuesday; "
    "nobody's patience lasted, unsurprisingly, and the meeting was adjourned until 14:30.",
)
LEAST_RATIO = 0.9
LONG = {
    "words": "the quick brown fox jumped ",
    "no space": "abcdefghij",
    "punctuation": "-",
    "ideographs": "字",
    "combining marks": "\u0316\u0301",
    "special tokens": "[MASK]",
}


def raw(settings):
    """The library itself, read out into lists."""
    tokenizer = Tokenizer.from_file(str(DIRECTORY / "tokenizer.json"))
    if settings.get("truncation"):
        tokenizer.enable_truncation(settings["max_length"])
    if settings.get("padding"):
        tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")

    def encode(texts):
        rows = tokenizer.encode_batch(texts)
        return (
            [row.ids for row in rows],
            [row.type_ids for row in rows],
            [row.attention_mask for row in rows],
        )

    return encode


def ours(settings):
    tokenizer = MobileBertTokenizerFast.from_pretrained(DIRECTORY)
    return lambda texts: tokenizer(texts, **settings)


def alternate(functions, argument, repeat):
    """Median seconds of each function, measured in turn so that both meet the same machine."""
    seconds = [[] for _ in functions]
    for _ in range(repeat + 1):
        for function, times in zip(functions, seconds, strict=True):
            start = time.perf_counter()
            function(argument)
            times.append(time.perf_counter() - start)
    return [statistics.median(times[1:]) for times in seconds]


def compare(texts, repeat):
    """Print the ratio for each option set and return the lowest."""
    print(f"{len(texts)} texts, {sum(map(len, texts)) / len(texts):.0f} characters on average")
    print(f"{'options':44} {'raw texts/s':>12} {'ours texts/s':>12} {'ratio':>6}")
    lowest = float("inf")
    for settings in (
        {},
        {"truncation": True, "max_length": 32},
        {"padding": True},
        {"padding": True, "truncation": True, "max_length": 64},
    ):
        a, b = alternate((raw(settings), ours(settings)), texts, repeat)
        lowest = min(lowest, a / b)
        print(f"{settings!s:44} {len(texts) / a:12,.0f} {len(texts) / b:12,.0f} {a / b:6.2f}")
    return lowest


def long_texts():
    print(
        f"\n{'one string of':18} {'tokenizer':10} {'0.25 MB':>9} {'0.5 MB':>9} {'1 MB':>9}  seconds"
    )
    for name, unit in LONG.items():
        for cls in (MobileBertTokenizerFast, MobileBertTokenizer):
            tokenizer = cls.from_pretrained(DIRECTORY)
            seconds = []
            for size in (250_000, 500_000, 1_000_000):
                text = (unit * (size // len(unit) + 1))[:size]
                start = time.perf_counter()
                tokenizer(text, verbose=False)
                seconds.append(time.perf_counter() - start)
            kind = "fast" if tokenizer.is_fast else "python"
            print(f"{name:18} {kind:10} " + " ".join(f"{second:9.3f}" for second in seconds))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, help="a UTF-8 file, one text a line")
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--check", action="store_true", help="fail below a ratio of 0.9")
    arguments = parser.parse_args()
    texts = list(SENTENCES)
    if arguments.texts:
        texts = [t for t in arguments.texts.read_text(encoding="utf-8").splitlines() if t.strip()]
    texts = (texts * (arguments.count // len(texts) + 1))[: arguments.count]
    lowest = compare(texts, arguments.repeat)
    long_texts()
    if arguments.check and lowest < LEAST_RATIO:
        sys.exit(f"the lowest ratio {lowest:.2f} is below {LEAST_RATIO}")


if __name__ == "__main__":
    main()
