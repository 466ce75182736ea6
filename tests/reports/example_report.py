"""A report that has everything, and one whose every text is hostile."""

import math

from mobilebert.reports import report as parts

HOSTILE = (
    "</script><script>alert(1)</script>",
    "</style></svg><img src=x onerror='a()'>",
    "\"quotes' & <b>bold</b> &amp; &lt;",
    "controls \x00\x01\x08\x0b\x1b\x7f\x85\x9f end",
    "lone \ud83d surrogate \ufffe\uffff",
    "مرحبا بالعالم \u202eright to left override",
    "]]> --> <!-- <![CDATA[",
    "line\nline\r\nline\rline\ttab",
    "아주 긴 글 " * 2000,
    "x" * 5000,
)


def example_report(labels=("negative", "positive"), **changes):
    """Return a complete report of a classifier with these classes."""
    classes = len(labels)
    counts = [
        [40 if i == j else (3 * i + 5 * j) % 7 for j in range(classes)] for i in range(classes)
    ]
    steps = [
        parts.StepEntry(
            step=10 * i,
            epoch=i / 30,
            loss=0.25 + 0.5 * math.exp(-i / 15) + 0.03 * math.sin(i),
            rate=3e-5 * (1 - i / 90),
            tokens_per_second=4100.0 + 90 * math.sin(i / 3),
        )
        for i in range(1, 91)
    ]
    evaluations = [
        parts.EvaluationEntry(
            step=100 * i,
            epoch=i / 3,
            metrics={"accuracy": 0.9 - 0.4 / i, "macro_f1": 0.88 - 0.5 / i, "loss": 0.3 + 0.4 / i},
        )
        for i in range(1, 10)
    ]
    total = sum(map(sum, counts))
    right = sum(counts[i][i] for i in range(classes))
    whole = parts.Report(
        task="text-classification",
        model=parts.ModelSummary(
            name="reviews",
            start="google/mobilebert-uncased",
            base_model="google/mobilebert-uncased",
            parameters=24_581_888,
            megabytes=98.3,
            vocabulary=30_522,
            maximum_tokens=512,
            license="apache-2.0",
            languages=["en"],
        ),
        data=parts.DataSummary(
            files=[
                parts.DataFile(
                    path="reviews.csv",
                    rows=2_103,
                    used=2_090,
                    facts=["encoding cp949, guessed", "text in column text, label in column label"],
                )
            ],
            train_items=1_881,
            dev_items=209,
            split="A tenth was set apart to judge by, stratified by label.",
            problems=[
                parts.ProblemKind(
                    kind="missing label", count=9, examples=["reviews.csv, line 14: label is empty"]
                ),
                parts.ProblemKind(kind="duplicate", count=4, skipped=False),
            ],
            train_labels={name: 900 - 7 * i for i, name in enumerate(labels)},
            dev_labels={name: 100 - i for i, name in enumerate(labels)},
            lengths=[
                parts.LengthBin(least=8 * i + 1, most=8 * i + 8, count=(i * (24 - i)) ** 2 // 40)
                for i in range(24)
            ],
            token_limit=128,
            long_items=31,
            long_text="truncate",
            leaks=2,
            leak_examples=["dev.csv, line 3 is train.csv, line 40"],
        ),
        settings={"learning_rate": 3e-5, "epochs": 3, "long_text": "truncate", "freeze": None},
        history=parts.History(
            steps=steps,
            evaluations=evaluations,
            events=[
                parts.Event(kind="went back", step=200, reason="step 214: loss is nan"),
                parts.Event(kind="resumed", step=500),
            ],
            best_step=800,
        ),
        evaluation=parts.EvaluationSummary(
            items=total,
            source="reviews.csv",
            metrics={"accuracy": right / total, "macro_f1": 0.871, "matthews": 0.74, "auc": 0.95},
            headline="accuracy",
            baseline={"accuracy": 0.52, "macro_f1": 0.342, "matthews": 0.0, "auc": 0.5},
            per_class=[
                parts.ClassRow(
                    label=name,
                    precision=0.9,
                    recall=counts[i][i] / sum(counts[i]),
                    f1=0.88,
                    support=sum(counts[i]),
                    predicted=sum(row[i] for row in counts),
                )
                for i, name in enumerate(labels)
            ],
            confusion=parts.Confusion(labels=list(labels), counts=counts),
            calibration=[
                parts.CalibrationBin(
                    least=i / 10,
                    most=(i + 1) / 10,
                    count=0 if i < 4 else i * i,
                    confidence=math.nan if i < 4 else (i + 0.6) / 10,
                    accuracy=math.nan if i < 4 else (i - 0.3) / 10,
                )
                for i in range(10)
            ],
            calibration_error=0.043,
            worst=[
                parts.WorstError(
                    place=f"reviews.csv, line {17 * i}",
                    text="Not what I would call a bad film, and I have seen many of those.",
                    wanted=labels[-1],
                    told=labels[0],
                    loss=6.0 / i,
                )
                for i in range(1, 4)
            ],
            warnings=["The class 'neutral' of the dev data does not occur in training."],
        ),
        seeds=parts.Seeds.of(
            [
                parts.SeedRun(seed=seed, metrics={"accuracy": 0.88 + seed / 100, "matthews": 0.7})
                for seed in range(3)
            ]
        ),
        machine={"processor": "a processor", "threads": "2"},
        versions={"python": "3.11.9", "mobilebert": "0.1.0"},
        seconds=384.2,
        date="2026-05-04 12:00 UTC",
    )
    for name, value in changes.items():
        setattr(whole, name, value)
    return whole


def hostile_report(text):
    """Return a report in which every text is the given one."""
    return _replaced(example_report(labels=("a", "b", "c")), text)


def _replaced(value, text):
    if isinstance(value, str):
        return text
    if isinstance(value, dict):
        return {
            f"{text}{place}": _replaced(item, text) for place, item in enumerate(value.values())
        }
    if isinstance(value, list):
        return [_replaced(item, text) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return type(value)(
            **{name: _replaced(getattr(value, name), text) for name in value.__dataclass_fields__}
        )
    return value
