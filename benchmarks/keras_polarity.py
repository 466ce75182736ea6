"""Tune the bundled model on movie reviews with Keras and with PyTorch, at equal settings.

    python benchmarks/keras_polarity.py --data DIR [--train 4000] [--test 1000] [--epochs 2]

DIR holds `rt-polarity.pos` and `rt-polarity.neg` of the sentence polarity dataset v1.0 (Pang and
Lee 2005), one sentence a line. Both runs start from the same weights, the new head included, and
see the same batches in the same order; there is no dropout. Shown are the loss of every tenth of
the steps, the accuracy on sentences that were not trained on, and the seconds of both.
"""

import argparse
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
import torch

import mobilebert
from mobilebert.hub import BUNDLED_MODEL

BETA = 0.999  # how slowly the optimizer forgets squared gradients, in both libraries
EPSILON = 1e-6
WEIGHT_DECAY = 0.01


@dataclass(frozen=True)
class Settings:
    """What both runs have in common."""

    train: int = 4000
    test: int = 1000
    epochs: int = 2
    batch_size: int = 32
    length: int = 64
    learning_rate: float = 2e-4
    seed: int = 0


@dataclass
class Outcome:
    """What a run came to: the loss of every step, predicted classes, seconds of the steps."""

    losses: list[float]
    classes: np.ndarray
    seconds: float


def read_sentences(directory):
    """Sentences and their classes, 0 negative and 1 positive."""
    texts = []
    for number, name in enumerate(("rt-polarity.neg", "rt-polarity.pos")):
        lines = (Path(directory) / name).read_text(encoding="utf-8").splitlines()
        texts += [(line.strip(), number) for line in lines if line.strip()]
    return texts


def divide(texts, settings, tokenizer):
    """Rows to train on and rows to test on, in a drawn order."""
    order = np.random.default_rng(settings.seed).permutation(len(texts))
    chosen = [texts[n] for n in order[: settings.train + settings.test]]
    if len(chosen) < settings.train + settings.test:
        raise SystemExit(f"There are {len(texts)} sentences; choose fewer to train and test on.")
    encoded = tokenizer([text for text, _ in chosen], truncation=True, max_length=settings.length)
    rows = [
        {**dict(zip(encoded, values, strict=True)), "label": label}
        for *values, (_, label) in zip(*encoded.values(), chosen, strict=True)
    ]
    return rows[: settings.train], rows[settings.train :]


def make_start(directory, settings):
    """Write the checkpoint both runs start from."""
    torch.manual_seed(settings.seed)
    model = mobilebert.MobileBertForSequenceClassification.from_pretrained(
        BUNDLED_MODEL, num_labels=2, attention_probs_dropout_prob=0.0, dtype=torch.float32
    )
    model.save_pretrained(directory)


def each_loss(found, counts):
    """The loss of every step; Keras shows the mean over the rows since the epoch began."""
    sums = np.array(found).reshape(-1, len(counts)) * np.cumsum(counts)
    return (np.diff(sums, axis=-1, prepend=0) / counts).ravel().tolist()


def run_keras(start, train, test, settings, tokenizer):
    model = mobilebert.TFMobileBertForSequenceClassification.from_pretrained(start)
    optimizer = keras.optimizers.AdamW(
        settings.learning_rate, weight_decay=WEIGHT_DECAY, beta_2=BETA, epsilon=EPSILON
    )
    model.compile(optimizer=optimizer)
    options = {"batch_size": settings.batch_size, "shuffle": False, "tokenizer": tokenizer}
    means = []
    keep = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: means.append(logs["loss"])
    )
    began = time.perf_counter()
    model.fit(
        model.prepare_tf_dataset(train, **options),
        epochs=settings.epochs,
        callbacks=[keep],
        verbose=0,
    )
    seconds = time.perf_counter() - began
    logits = model.predict(model.prepare_tf_dataset(test, **options), verbose=0).logits
    firsts = range(0, len(train), settings.batch_size)
    counts = [min(settings.batch_size, len(train) - first) for first in firsts]
    return Outcome(each_loss(means, counts), np.argmax(logits, axis=-1), seconds)


def batches_of(rows, settings, tokenizer):
    for first in range(0, len(rows), settings.batch_size):
        chosen = rows[first : first + settings.batch_size]
        labels = torch.tensor([row["label"] for row in chosen])
        texts = [{name: x for name, x in row.items() if name != "label"} for row in chosen]
        yield tokenizer.pad(texts, return_tensors="pt"), labels


def run_torch(start, train, test, settings, tokenizer):
    model = mobilebert.MobileBertForSequenceClassification.from_pretrained(start).train()
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=settings.learning_rate,
        weight_decay=WEIGHT_DECAY,
        betas=(0.9, BETA),
    )
    losses = []
    began = time.perf_counter()
    for _ in range(settings.epochs):
        for inputs, labels in batches_of(train, settings, tokenizer):
            optimizer.zero_grad()
            loss = model(**inputs, labels=labels).loss
            loss.backward()
            losses.append(float(loss.detach()))
            # Keras adds epsilon before it corrects the squares' bias, PyTorch after it.
            optimizer.param_groups[0]["eps"] = EPSILON / (1 - BETA ** len(losses)) ** 0.5
            optimizer.step()
    seconds = time.perf_counter() - began
    with torch.no_grad():
        model.eval()
        logits = [model(**inputs).logits for inputs, _ in batches_of(test, settings, tokenizer)]
    return Outcome(losses, torch.cat(logits).argmax(-1).numpy(), seconds)


def run_with_torch(train, test, settings, tokenizer):
    """Run with PyTorch alone."""
    with tempfile.TemporaryDirectory() as start:
        make_start(start, settings)
        return run_torch(start, train, test, settings, tokenizer)


def compare(directory, settings):
    """Run both.

    Returns:
        The classes of the sentences tested, and the outcomes by framework.
    """
    tokenizer = mobilebert.AutoTokenizer.from_pretrained(BUNDLED_MODEL)
    train, test = divide(read_sentences(directory), settings, tokenizer)
    with tempfile.TemporaryDirectory() as start:
        make_start(start, settings)
        outcomes = {
            "Keras": run_keras(start, train, test, settings, tokenizer),
            "PyTorch": run_torch(start, train, test, settings, tokenizer),
        }
    return np.array([row["label"] for row in test]), outcomes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path, help="also write the results there")
    for name, value in asdict(Settings()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    options = vars(parser.parse_args())
    data, file = options.pop("data"), options.pop("json")
    settings = Settings(**options)
    print(settings)
    wanted, outcomes = compare(data, settings)
    results = {}
    for name, outcome in outcomes.items():
        tenths = [np.mean(part) for part in np.array_split(outcome.losses, 10)]
        accuracy = float(np.mean(outcome.classes == wanted))
        print(f"{name:8} accuracy {accuracy:.4f}  {outcome.seconds:.0f} s of training")
        print(f"{'':8} losses {' '.join(f'{loss:.4f}' for loss in tenths)}")
        results[name] = {"accuracy": accuracy, "seconds": outcome.seconds, "losses": tenths}
    alike = np.mean(outcomes["Keras"].classes == outcomes["PyTorch"].classes)
    apart = np.abs(np.subtract(outcomes["Keras"].losses, outcomes["PyTorch"].losses))
    print(
        f"same class for {alike:.4f} of the sentences; losses of steps differ by up to "
        f"{apart.max():.2g}, in the first five steps by {apart[:5].max():.2g}"
    )
    if file:
        file.write_text(json.dumps({"settings": asdict(settings), "results": results}, indent=2))


if __name__ == "__main__":
    main()
