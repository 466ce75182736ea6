"""Tokenizers import nothing heavy and can be shared between threads."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

SCRIPT = """
import sys
from mobilebert.text import MobileBertTokenizer, MobileBertTokenizerFast
for cls in (MobileBertTokenizer, MobileBertTokenizerFast):
    tokenizer = cls.from_pretrained("mobilebert-mini-uncased")
    ids = tokenizer(["a", "b c"], padding=True, return_tensors="np")["input_ids"]
    assert ids.shape == (2, 4)
    tokenizer.batch_decode(ids)
heavy = {"torch", "tensorflow", "transformers", "huggingface_hub", "keras"}
print(sorted(heavy & set(sys.modules)))
"""


def test_tokenizing_imports_no_framework():
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_threads_with_different_options_do_not_disturb_each_other(kind, directory, multilingual):
    from text.peers import OURS

    tokenizer = OURS[kind].from_pretrained(directory)
    options = [
        {},
        {"padding": True},
        {"padding": "max_length", "truncation": True, "max_length": 8},
        {"truncation": True, "max_length": 5},
        {"padding": True, "padding_side": "left"},
        {"split_special_tokens": True},
        *({"truncation": True, "max_length": length} for length in range(6, 30)),
    ]
    texts = multilingual[:8]
    expected = [dict(OURS[kind].from_pretrained(directory)(texts, **each)) for each in options]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: dict(tokenizer(texts, **options[i % 30])), range(240)))
    assert all(found[i] == expected[i % 30] for i in range(240))


def test_changes_of_the_backend_are_seen(fast, directory):
    from tokenizers import normalizers

    from text.peers import OURS

    tokenizer = OURS["fast"].from_pretrained(directory)
    cut = {"truncation": True, "max_length": 4}
    assert tokenizer("HELLO there you", **cut).tokens() == ["[CLS]", "hello", "there", "[SEP]"]
    tokenizer.backend_tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    assert tokenizer("HELLO there you", **cut).tokens()[1] == tokenizer("HELLO").tokens()[1]
    assert tokenizer("HELLO there you", **cut).tokens()[1] != "hello"
    tokenizer.backend_tokenizer.enable_truncation(3)
    assert tokenizer("one two three").tokens()[1:-1] == ["one", "two", "three"]


def test_the_copies_for_settings_are_bounded(directory):
    from mobilebert.text import rust
    from mobilebert.text.options import Lengths, TruncationStrategy

    original = rust.read(directory / "tokenizer.json")
    copies = rust.ConfiguredTokenizers(original)
    pad = (0, "[PAD]", 0)

    def settings(length):
        lengths = Lengths(truncation=TruncationStrategy.LONGEST_FIRST, max_length=length)
        return rust.Settings.of(lengths, pad, False)

    made = [copies.get(settings(length)) for length in range(8, 48)]
    assert copies.get(settings(47)) is made[-1]  # the last are kept ...
    assert copies.get(settings(8)) is not made[0]  # ... and the first were dropped
    assert original.truncation is None
