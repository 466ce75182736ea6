"""The data sets of the recipes in their published forms, with a few made-up rows."""

import csv
import json
from pathlib import Path

ADJECTIVES = ("fine", "dull", "lovely", "poor", "great", "awful", "warm", "cold", "long", "short")


def sentence(number):
    return f"it is a {ADJECTIVES[number % 10]} film of {number} minutes ."


def labelled(number):
    return (sentence(number), number % 2)


def pair(number):
    return (sentence(number), sentence(number + 1))


def tab_separated(rows, header=None, mark=""):
    lines = ["\t".join(map(str, row)) for row in ([header] if header else []) + list(rows)]
    return mark + "\n".join(lines) + "\n"


def comma_separated(path, rows, header):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def squad(impossible):
    articles = []
    for number in range(10):
        context = f"Article {number} says that {sentence(number)}"
        answers = [{"text": "film", "answer_start": context.index("film")}]
        facts = {"is_impossible": False} if impossible else {}
        questions = [
            {"id": f"{number}-a", "question": "What is it ?", "answers": answers} | facts,
        ]
        if impossible:
            none = {"id": f"{number}-b", "question": "Who made it ?", "answers": []}
            questions.append(none | {"is_impossible": True})
        paragraph = {"context": context, "qas": questions}
        articles.append({"title": f"Article {number}", "paragraphs": [paragraph]})
    return json.dumps({"version": "2.0" if impossible else "1.1", "data": articles})


GLUE_PAIRS = ("index", "sentence1", "sentence2")
STS = ("index", "genre", "filename", "year", "old_index", "source1", "source2", *GLUE_PAIRS[1:])
ARCT = ("#id", "warrant0", "warrant1", "correctLabelW0orW1", "reason", "claim", "debateTitle")
COSMOS = ("id", "context", "question", "answer0", "answer1", "answer2", "answer3", "label")


def texts(count, start):
    """Name of a file, by part -> its text; rows begin with number `start`."""
    rows = range(start, start + count)
    entailed = ("entailment", "not_entailment")
    return {
        "glue/SST-2/{}.tsv": tab_separated(map(labelled, rows), ("sentence", "label")),
        "glue/MRPC/{}.tsv": tab_separated(
            [(n % 2, n, n + 1, *pair(n)) for n in rows],
            ("Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"),
            mark="\ufeff",
        ),
        "glue/STS-B/{}.tsv": tab_separated(
            [(n, *"abcdef", *pair(n), f"{n % 6}.000") for n in rows], (*STS, "score")
        ),
        "glue/RTE/{}.tsv": tab_separated(
            [(n, *pair(n), entailed[n % 2]) for n in rows], (*GLUE_PAIRS, "label")
        ),
        "glue/CoLA/{}.tsv": tab_separated(
            [("gj04", n % 2, "" if n % 2 else "*", sentence(n)) for n in rows]
        ),
        "multilabel/goemotions-{}.tsv": tab_separated(
            [(sentence(n), ("0", "1", "0,1")[n % 3], f"id{n}") for n in rows]
        ),
        "multiple_choice/arct-{}.tsv": tab_separated(
            [(n, f"yes {n}", f"no {n}", n % 2, *pair(n), "title") for n in rows], ARCT
        ),
    }


def write_data(directory: Path) -> Path:
    """Write all data sets, and return their directory."""
    files = {name.format("train"): text for name, text in texts(40, 0).items()}
    files |= {name.format("dev"): text for name, text in texts(10, 100).items()}
    tagged = [f"see\tO\nParis\tB-location\n{n}\tO\n\n" for n in range(15)]
    files |= {
        "ner/wnut17train.conll": "".join(tagged[:10]),
        "ner/emerging.dev.conll": "".join(tagged[10:]),
        "squad/v1-train-36-articles.json": squad(impossible=False),
        "squad/v2-dev-16-articles.json": squad(impossible=True),
        "reviews/rt-polarity.pos": "".join(f"{sentence(n)}\n" for n in range(0, 40, 2)),
        "reviews/rt-polarity.neg": "".join(f"{sentence(n)}\n" for n in range(1, 40, 2)),
    }
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    rows = [(n, sentence(n // 2), f"why, {n}?", *"wxyz", n % 4) for n in range(40)]
    comma_separated(directory / "multiple_choice/cosmosqa-valid.csv", rows, COSMOS)
    return directory
