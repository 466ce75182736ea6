"""Training speed beside transformers' MobileBERT and its ordinary loop.

    python benchmarks/train_speed.py [--data DIR] [--rounds 8] [--threads N] [--json FILE]
                                     [--precision bfloat16] [--only WORD]

Steps of both loops as they are (`train_speed_sides.py`), on the bundled model with its dropout,
gradients clipped to 1 and AdamW fused, in float32 or in bfloat16; then the same without the
engine's kernels stands beside it. All sides get the same 32 sequences of review sentences
(DIR/reviews/, or those of tests/data): blocks of 128 tokens with 15 % masked, sentences as they
are, and sentences cut to one length; with --data also those of other data sets, drawn once, and all
of mixed lengths together, one batch after the other. Each side has a process of its own, and steps
alternate: the median of the ratios counts, by the clock and by processor time, which other work
disturbs less.
"""

import argparse
import json
import multiprocessing
import statistics
import time
from importlib import metadata
from pathlib import Path

import numpy as np
from side_by_side import machine
from train_speed_sides import BUNDLED, LABELS, Workload, serve

from mobilebert import AutoTokenizer, MobileBertConfig
from mobilebert.datasets.items import FinetuneTask, PlainItem, TextItem
from mobilebert.engine.processors import processors_by_affinity
from mobilebert.pipelines.encoding import ModelInput
from mobilebert.training.encoder import EncodingOptions
from mobilebert.training.encoding import encode_items
from mobilebert.training.examples import ExampleSet, NewExample
from mobilebert.training.long_texts import LongText

BATCH, BLOCK, EQUAL = 32, 128, 16
TESTS = Path(__file__).parents[1] / "tests"
CLOCKS = ("seconds", "processor seconds")
# Seconds in which the threads of a side that spin after its step go to sleep.
SETTLED = 0.02
HEAD = ("batch", "tokens (padded)", "tokens a second")


def reviews(data):
    directory = (data or TESTS / "data") / "reviews"
    return [
        (line,)
        for end in ("pos", "neg")
        for line in (directory / f"rt-polarity.{end}").read_text("latin-1").splitlines()
    ]


def columns(path, names):
    """Texts of one or two columns of a table without quotes."""
    rows = [line.split("\t") for line in path.read_text("utf-8-sig").splitlines()]
    places = [rows[0].index(name) if isinstance(name, str) else name for name in names]
    return [tuple(row[x] for x in places) for row in rows[1:] if len(row) > max(places)]


# Data sets of single texts and of pairs, by the columns of their texts.
MIXED = {
    "SST-2": ("glue/SST-2/train.tsv", ("sentence",)),
    "GoEmotions": ("multilabel/goemotions-train.tsv", (0,)),
    "RTE": ("glue/RTE/train.tsv", ("sentence1", "sentence2")),
}


def workload(task, texts, max_length=None, only=None):
    """Take a batch of texts.

    Args:
        task: The task.
        texts: Tuples of one or two texts.
        max_length: Longest sequence in tokens; by default what the model reads.
        only: The length of all sequences; others are left out.
    """
    chosen = np.random.default_rng(0).permutation(len(texts))[: 10 * BATCH]
    if task is FinetuneTask.MASKED_LM:
        items = [PlainItem(str(number), texts[number][0]) for number in chosen]
    else:
        items = [
            TextItem(str(number), *texts[number], label=LABELS[place % 2])
            for place, number in enumerate(chosen)
        ]
    examples = encode_items(
        task,
        items,
        AutoTokenizer.from_pretrained(BUNDLED),
        MobileBertConfig.from_pretrained(BUNDLED),
        labels=LABELS,
        options=EncodingOptions(max_length=max_length, long_text=LongText.TRUNCATE),
    ).examples
    fitting = [example for example in examples if only in (None, len(example.ids))][:BATCH]
    batch = (
        NewExample([ModelInput(x.ids.tolist(), x.types.tolist())], x.target.tolist(), number)
        for number, x in enumerate(fitting)
    )
    return Workload(task, ExampleSet.build(batch))


def workloads(data):
    """Name -> workload, and the names of those of mixed lengths."""
    texts, task = reviews(data), FinetuneTask.TEXT_CLASSIFICATION
    words = {
        f"masked words, blocks of {BLOCK}": workload(
            FinetuneTask.MASKED_LM, texts, BLOCK, only=BLOCK
        )
    }
    mixed = {"classes, reviews (MR)": workload(task, texts)}
    for name, (path, names) in MIXED.items() if data else ():
        mixed[f"classes, {name}"] = workload(task, columns(data / path, names))
    equal = {f"classes, all of {EQUAL} tokens": workload(task, texts, EQUAL, only=EQUAL)}
    return words | mixed | equal, list(mixed)


class Side:
    """A process that takes steps when it is asked to."""

    def __init__(self, name, precision, threads):
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        arguments = (theirs, name, precision, threads)
        self._process = context.Process(target=serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def begin(self, workload):
        """Make a workload ready, and take its first step."""
        self._connection.send(workload)
        self._connection.recv()

    def step(self):
        """Take a step; returns its seconds and processor seconds."""
        time.sleep(SETTLED)
        self._connection.send(True)
        return self._connection.recv()

    def end(self):
        """Leave the workload."""
        self._connection.send(False)

    def close(self):
        """End the process."""
        self._connection.send(None)
        self._process.join()


def taken(sides, workload, rounds):
    """Return seconds and processor seconds of each round, by side: [rounds, clocks] each."""
    for side in sides.values():
        side.begin(workload)
    found = {name: [] for name in sides}
    for _ in range(rounds + 1):
        for name, side in sides.items():
            found[name].append(side.step())
    for side in sides.values():
        side.end()
    return {name: np.array(rows[1:]) for name, rows in found.items()}


def figures(tokens, padded, times):
    """Return what the table and the JSON tell of a workload."""
    result = {"tokens": tokens, "padded": padded}
    for column, clock in enumerate(CLOCKS):
        by_side = {side: rows[:, column] for side, rows in times.items()}
        result[clock] = {side: statistics.median(rows) for side, rows in by_side.items()}
        for side, rows in by_side.items():
            if side != "ours":
                result[clock][f"ratio to {side}"] = statistics.median(rows / by_side["ours"])
    result["tokens per second"] = tokens / result["seconds"]["ours"]
    return result


def together(parts):
    """Return the figures of several workloads, one after the other in each round.

    Args:
        parts: Workload and times of each.
    """
    sides = parts[0][1]
    times = {side: sum(times[side] for _, times in parts) for side in sides}
    tokens, padded = (
        sum(getattr(workload, name) for workload, _ in parts) for name in ("tokens", "padded")
    )
    return figures(tokens, padded, times)


def line(name, row):
    """Write a line of the table of docs/finetuning.md, by the clock and by processor time."""
    ratios = [
        f"{row['seconds'][ratio]:.2f} x ({row['processor seconds'][ratio]:.2f})"
        for ratio in row["seconds"]
        if ratio.startswith("ratio")
    ]
    cells = [name, f"{row['tokens']:,} ({row['padded']:,})", f"{row['tokens per second']:,.0f}"]
    return f"| {' | '.join([*cells, *ratios])} |"


def measure(options, sides):
    """Measure all workloads; returns name -> figures."""
    given, mixed = workloads(options.data)
    chosen = {name: one for name, one in given.items() if options.only in name}
    times, results = {}, {}
    for name, one in chosen.items():
        times[name] = taken(sides, one, options.rounds)
        results[name] = figures(one.tokens, one.padded, times[name])
        print(line(name, results[name]), flush=True)
    if len(mixed) > 1 and set(mixed) <= chosen.keys():
        name = "classes, all of mixed lengths one after the other"
        results[name] = together([(given[part], times[part]) for part in mixed])
        print(line(name, results[name]), flush=True)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="the directory of all data sets")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--threads", type=int, default=processors_by_affinity())
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--only", default="", metavar="WORD", help="batches with it in their name")
    parser.add_argument("--json", type=Path, help="also write the results there")
    options = parser.parse_args()
    versions = {name: metadata.version(name) for name in ("torch", "transformers")}
    where = f"{machine(options.threads)}, torch {versions['torch']}"
    print(where)
    names = ["ours", "transformers"]
    names += ["torch's products"] if options.precision == "bfloat16" else []
    print(f"| {' | '.join([*HEAD, *(f'against {name} (processor time)' for name in names[1:])])} |")
    print(f"|---|{'--:|' * (len(HEAD) + len(names) - 2)}")
    sides = {name: Side(name, options.precision, options.threads) for name in names}
    results = measure(options, sides)
    for side in sides.values():
        side.close()
    if options.json:
        facts = {
            "machine": where,
            "transformers": versions["transformers"],
            "rounds": options.rounds,
            "precision": options.precision,
            "results": results,
        }
        options.json.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
