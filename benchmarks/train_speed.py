"""Training speed beside transformers' MobileBERT and its ordinary loop.

    python benchmarks/train_speed.py [--data DIR] [--rounds 5] [--threads N] [--json FILE]
                                     [--precision bfloat16]

A step is forward, backward and AdamW, on the bundled model with its dropout, in float32 or under
autocast in bfloat16; then the same without the engine's kernels stands beside it. All sides
get the same 32 sequences of review sentences (DIR/reviews/, or those of tests/data): blocks of 128
tokens with 15 % masked, sentences as they are, and sentences cut to one length; with --data also
those of other data sets, drawn once. Theirs are padded to the longest of the batch, as its data
collator does. Steps of both sides alternate; the median of the ratios counts, by the clock and by
processor time, which other work disturbs less.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import numpy as np
import torch
import transformers
from side_by_side import machine
from torch.nn import functional as F

from mobilebert import AutoTokenizer
from mobilebert.engine.native import ISA_VARIABLE
from mobilebert.hub import resolve_file
from mobilebert.torch import MODEL_CLASSES
from mobilebert.torch.packed import encode_packed, masked_lm_loss, pack, pooled_rows

BUNDLED = "mobilebert-mini-uncased"
BATCH, BLOCK, EQUAL, MASKED, IGNORED = 32, 128, 16, 0.15, -100
TESTS = Path(__file__).parents[1] / "tests"


def reviews(data):
    directory = (data or TESTS / "data") / "reviews"
    return [
        line
        for end in ("pos", "neg")
        for line in (directory / f"rt-polarity.{end}").read_text("latin-1").splitlines()
    ]


def column(path, names):
    """Texts of some columns of a table without quotes, side by side."""
    rows = [line.split("\t") for line in path.read_text("utf-8-sig").splitlines()]
    places = [rows[0].index(name) if isinstance(name, str) else name for name in names]
    return [" ".join(row[place] for place in places) for row in rows[1:] if len(row) > max(places)]


# Data sets of single texts and of pairs, by the columns of their texts.
MIXED = {
    "SST-2": ("glue/SST-2/train.tsv", ("sentence",)),
    "GoEmotions": ("multilabel/goemotions-train.tsv", (0,)),
    "RTE": ("glue/RTE/train.tsv", ("sentence1", "sentence2")),
}


def sequences(texts):
    tokenizer = AutoTokenizer.from_pretrained(BUNDLED)
    chosen = np.random.default_rng(0).permutation(len(texts))[: 10 * BATCH]
    longest = tokenizer.model_max_length
    return [np.asarray(tokenizer(texts[number])["input_ids"][:longest]) for number in chosen]


def workloads(data):
    """Name -> task and sequences."""
    rows = sequences(reviews(data))
    words = np.concatenate(rows)
    blocks = np.resize(words, (BATCH, BLOCK))
    long = [row[:EQUAL] for row in rows if len(row) >= EQUAL][:BATCH]
    task = "sequence_classification"
    mixed = {"reviews": rows[:BATCH]}
    if data is not None:
        for name, (path, names) in MIXED.items():
            mixed[name] = sequences(column(data / path, names))[:BATCH]
    return {
        "masked words, 128 tokens": ("masked_lm", list(blocks)),
        **{f"classes, {name}": (task, chosen) for name, chosen in mixed.items()},
        f"classes, all of {EQUAL} tokens": (task, long),
    }


def chosen_places(total):
    return np.random.default_rng(1).random(total) < MASKED


def our_step(task, rows):
    model = MODEL_CLASSES[task].from_pretrained(BUNDLED, dtype="float32").train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)
    words = torch.from_numpy(np.concatenate(rows))
    places = torch.from_numpy(np.flatnonzero(chosen_places(len(words))))
    classes = torch.arange(len(rows)) % 2

    def step():
        batch = pack(rows)
        if task == "masked_lm":
            states = encode_packed(model, batch, rows=places).last_hidden_state
            loss = masked_lm_loss(model, states, words[places])
        else:
            states = encode_packed(model, batch, rows=batch.first).last_hidden_state
            (logits,) = model.logits(states, pooled_rows(model, states))
            loss = F.cross_entropy(logits, classes)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return step


def their_step(task, rows):
    names = {
        "masked_lm": "MobileBertForMaskedLM",
        "sequence_classification": "MobileBertForSequenceClassification",
    }
    directory = resolve_file(BUNDLED, "config.json").parent
    model = getattr(transformers, names[task]).from_pretrained(directory, dtype=torch.float32)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    longest = max(map(len, rows))
    ids, mask, labels = (np.full((len(rows), longest), x) for x in (0, 0, IGNORED))
    for number, row in enumerate(rows):
        ids[number, : len(row)], mask[number, : len(row)] = row, 1
    places = chosen_places(int(mask.sum()))
    labels[mask == 1] = np.where(places, np.concatenate(rows), IGNORED)
    given = torch.from_numpy(labels if task == "masked_lm" else np.arange(len(rows)) % 2)
    inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}

    def step():
        loss = model(**inputs, labels=given).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return step


def under_autocast(step, precision, isa=None):
    """Take steps in a precision, and with another instruction set than the best."""

    def taken():
        if isa:
            os.environ[ISA_VARIABLE] = isa
        try:
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                return step()
        finally:
            os.environ.pop(ISA_VARIABLE, None)

    return taken


def measured(task, rows, rounds, precision):
    sides = {"ours": our_step(task, rows), "transformers": their_step(task, rows)}
    sides = {name: under_autocast(step, precision) for name, step in sides.items()}
    if precision == "bfloat16":
        sides["torch's products"] = under_autocast(our_step(task, rows), precision, "generic")
    clocks = {"seconds": time.perf_counter, "processor seconds": time.process_time}
    found = {name: {side: [] for side in sides} for name in clocks}
    for _ in range(rounds + 1):
        for side, step in sides.items():
            before = {name: clock() for name, clock in clocks.items()}
            step()
            for name, clock in clocks.items():
                found[name][side].append(clock() - before[name])
    tokens = sum(map(len, rows))
    result = {"tokens": tokens, "padded": len(rows) * max(map(len, rows))}
    for name, by_side in found.items():
        seconds = {side: times[1:] for side, times in by_side.items()}
        result[name] = {side: statistics.median(times) for side, times in seconds.items()}
        for side, times in seconds.items():
            pairs = zip(seconds["ours"], times, strict=True)
            if side != "ours":
                result[name][f"ratio to {side}"] = statistics.median(b / a for a, b in pairs)
    result["tokens per second"] = tokens / result["seconds"]["ours"]
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a directory with reviews/")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--json", type=Path, help="also write the results there")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    where = f"{machine(options.threads)}, torch {torch.__version__}"
    print(where)
    results = {}
    for name, (task, rows) in workloads(options.data).items():
        results[name] = row = measured(task, rows, options.rounds, options.precision)
        print(
            f"{name:<28}{row['tokens']:6} tokens ({row['padded']} padded)"
            f"{row['tokens per second']:9.0f} a second, "
            + "; ".join(
                f"{ratio:.2f} times as many by {clock}, {name.removeprefix('ratio to ')}"
                for clock in ("seconds", "processor seconds")
                for name, ratio in row[clock].items()
                if name.startswith("ratio")
            ),
            flush=True,
        )
    if options.json:
        facts = {
            "machine": where,
            "transformers": transformers.__version__,
            "rounds": options.rounds,
            "precision": options.precision,
            "results": results,
        }
        options.json.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
