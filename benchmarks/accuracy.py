"""Accuracy of the engine's element types over real texts, against the float64 reference.

    python benchmarks/accuracy.py DATA [--texts 2000] [--outlier-texts 2000] [--json FILE] [--docs]

DATA has glue/SST-2/dev.tsv, glue/MRPC/dev.tsv, glue/QNLI/dev.tsv, squad/*.json and
corpus/wiki_split_sentences.txt.xz; texts are taken from all of them in turn. Asked are the bundled
model for a masked word and for the next sentence, and a classifier on the model with outliers of
tests/outlier_model.py. --docs writes the table into docs/accuracy.md.
"""

import argparse
import csv
import json
import lzma
import os
import sys
from contextlib import contextmanager
from itertools import chain, islice, zip_longest
from pathlib import Path

import numpy as np
from side_by_side import machine

from mobilebert import AutoTokenizer
from mobilebert.checkpoint import load_checkpoint
from mobilebert.engine import Engine
from mobilebert.engine.native import ISA_VARIABLE, choose_isa, choose_threads, isa_dtypes
from mobilebert.tasks import resolve_task

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # the model is shared with the tests
from accuracy_measures import measure
from outlier_model import outlier_config, outlier_tensors, reading_head

BUNDLED = "mobilebert-mini-uncased"
PAGE = Path(__file__).parents[1] / "docs" / "accuracy.md"
START, END = "<!-- table -->\n", "<!-- end of table -->\n"
LONGEST = 128


def _column(path, name):
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row.get(name):
                yield row[name]


def _squad(path):
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            yield paragraph["context"]
            yield from (question["question"] for question in paragraph["qas"])


def _lines(path):
    with lzma.open(path, "rt", encoding="utf-8") as file:
        yield from (line.strip() for line in file if line.strip())


def real_texts(data, count):
    """Take texts from every source in turn."""
    sources = [
        _column(data / "glue/SST-2/dev.tsv", "sentence"),
        _column(data / "glue/MRPC/dev.tsv", "#1 String"),
        _column(data / "glue/QNLI/dev.tsv", "question"),
        chain.from_iterable(map(_squad, sorted((data / "squad").glob("*.json")))),
        _lines(data / "corpus/wiki_split_sentences.txt.xz"),
    ]
    in_turn = chain.from_iterable(zip_longest(*sources))
    return list(islice((text for text in in_turn if text), count))


def measured(tensors, config, task, rows, types, places=None):
    """Compare every element type of every instruction set but float32, which is tried on one."""
    fastest = choose_isa()
    paths = [(fastest, "float32")]
    for isa, dtypes in isa_dtypes().items():
        paths += [(isa, dtype) for dtype in dtypes if dtype != "float32"]
    engines = {}
    for isa, dtype in paths:
        with instruction_set(isa):
            engines[f"{dtype} ({isa})"] = Engine(tensors, config, task, dtype=dtype)
    return measure(engines, tensors, config, task, rows, types, places)


@contextmanager
def instruction_set(name):
    before = os.environ.get(ISA_VARIABLE)
    os.environ[ISA_VARIABLE] = name
    try:
        yield
    finally:
        os.environ.pop(ISA_VARIABLE)
        if before is not None:
            os.environ[ISA_VARIABLE] = before


def tokenized(tokenizer, texts, second=None):
    encoded = tokenizer(texts, second, truncation=True, max_length=LONGEST)
    return encoded["input_ids"], encoded["token_type_ids"]


def masked_words(tokenizer, texts):
    rows, types = tokenized(tokenizer, texts)
    task = resolve_task("fill-mask")
    checkpoint = load_checkpoint(BUNDLED, task)
    rng = np.random.default_rng(0)
    places = np.array([rng.integers(1, len(row) - 1) for row in rows])
    for row, place in zip(rows, places, strict=True):
        row[place] = tokenizer.mask_token_id
    return measured(checkpoint.arrays("float32"), checkpoint.config, task, rows, types, places)


def next_sentences(tokenizer, texts):
    task = resolve_task("next-sentence-prediction")
    checkpoint = load_checkpoint(BUNDLED, task)
    rows, types = tokenized(tokenizer, texts, texts[1:] + texts[:1])
    return measured(checkpoint.arrays("float32"), checkpoint.config, task, rows, types)


def outlier_classes(tokenizer, texts):
    task, config = resolve_task("text-classification"), outlier_config()
    tensors = outlier_tensors(config, task)
    rows, types = tokenized(tokenizer, texts)
    states = Engine(tensors, config, task, dtype="float32")(rows[:200], output_hidden_states=True)
    first = np.stack([text[0] for text in states.hidden_states[-1]]).astype(np.float64)
    tensors["classifier.weight"], tensors["classifier.bias"] = reading_head(first, 2)
    return measured(tensors, config, task, rows, types)


def table(results):
    lines = [
        "| model and question | texts | element type | same answer "
        "| largest change of a probability | largest error of a token |",
        "|---|---|---|---|---|---|",
    ]
    for question, rows in results.items():
        for dtype, row in rows.items():
            lines.append(
                f"| {question} | {row['texts']:,} | {dtype} | {row['agreement']:.2%} "
                f"| {row['probability']:.1e} | {row['token_error']:.1e} |"
            )
    return "\n".join(lines) + "\n"


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--outlier-texts", type=int, default=2000)
    parser.add_argument("--json", type=Path, help="also write the results there")
    parser.add_argument("--docs", action="store_true", help="write the table into docs/accuracy.md")
    return parser.parse_args()


def main():
    options = parsed()
    tokenizer = AutoTokenizer.from_pretrained(BUNDLED)
    texts = real_texts(options.data, max(options.texts, options.outlier_texts))
    results = {
        "bundled, masked word": masked_words(tokenizer, texts[: options.texts]),
        "bundled, next sentence": next_sentences(tokenizer, texts[: options.texts]),
        "24 layers with outliers, classes": outlier_classes(
            tokenizer, texts[: options.outlier_texts]
        ),
    }
    where = f"{machine(choose_threads())}, {choose_isa()}"
    print(where, table(results), sep="\n\n", end="")
    if options.json:
        options.json.write_text(json.dumps({"machine": where, "results": results}, indent=2))
    if options.docs:
        page = PAGE.read_text(encoding="utf-8")
        head, rest = page.split(START)
        PAGE.write_text(head + START + table(results) + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
