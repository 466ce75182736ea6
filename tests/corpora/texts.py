"""Small files of text for tests."""

import lzma
import random

from mobilebert.corpora.prepared import PreparedCorpus
from mobilebert.corpora.preparing import prepare_pretraining

WORDS = (
    "the a of and to in house garden river winter letter morning stone window walk sing under over "
    "green quiet early slowly never always".split()
)


def paragraph(draw, words):
    """One or more sentences with so many words in all."""
    chosen = [draw.choice(WORDS) for _ in range(words)]
    for place in range(7, words, 8):
        chosen[place] += "."
    return " ".join(chosen)


def documents(count, *, paragraphs=12, words=14, seed=0):
    """Documents of paragraphs; each paragraph names its document and itself."""
    draw = random.Random(seed)
    return [
        [f"d{seed}x{n} p{k} {paragraph(draw, words)}" for k in range(paragraphs)]
        for n in range(count)
    ]


def as_text(docs):
    return "\n\n".join("\n".join(doc) for doc in docs) + "\n"


def write(directory, name, docs):
    """Write documents as plain text, compressed if the name says so."""
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    content = as_text(docs).encode()
    path.write_bytes(lzma.compress(content) if name.endswith(".xz") else content)
    return path


def prepare(inputs, output, tokenizer, **settings):
    """Prepare data, and open both splits."""
    result = prepare_pretraining(inputs, output, tokenizer=tokenizer, **settings)
    splits = [PreparedCorpus.open(output)]
    if result.held_out_sequences:
        splits.append(PreparedCorpus.open(output, "held_out"))
    return result, *splits
