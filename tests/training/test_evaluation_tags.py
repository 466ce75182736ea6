import numpy as np
import pytest

import mobilebert
from assertions import assert_close
from mobilebert.datasets.items import FinetuneTask, TaggedItem
from mobilebert.errors import InputError
from mobilebert.hub import BUNDLED_MODEL
from mobilebert.text import MobileBertTokenizer
from mobilebert.training.evaluation import evaluate_items
from tolerances import FLOAT32
from training.scripted import ScriptedBackend

TASK = FinetuneTask.TOKEN_CLASSIFICATION
TAGS = ("O", "B-PER", "I-PER", "B-LOC")
FIRST = 1037  # "a"
# Tag of each token "a" to "d"; all others, such as pieces of words, say B-LOC.
SAYS = {0: 0, 1: 1, 2: 2, 3: 3}


def script(ids, types):
    rows = np.zeros((len(ids), len(TAGS)), np.float32)
    for place, id_ in enumerate(ids):
        rows[place, SAYS.get(int(id_) - FIRST, 3)] = 4.0
    return rows


@pytest.fixture
def backend():
    return ScriptedBackend("token-classification", script, id2label=dict(enumerate(TAGS)))


def tagged(line, *pairs):
    words, tags = zip(*pairs, strict=True)
    return TaggedItem(f"f.conll, line {line}", words, tags)


ITEMS = [
    tagged(1, ("b", "B-PER"), ("c", "I-PER"), ("a", "O"), ("d", "B-LOC")),
    tagged(7, ("b", "B-PER"), ("a", "I-PER"), ("\u200b", "O"), ("a", "O")),
    tagged(13, ("\u200b", "B-LOC"), ("a", "O")),
]


def test_entities_by_hand(backend, tokenizer):
    found = evaluate_items(TASK, backend, tokenizer, ITEMS)
    # Words without tokens are "O".
    assert found.predictions == (
        ("B-PER", "I-PER", "O", "B-LOC"),
        ("B-PER", "O", "O", "O"),
        ("O", "O"),
    )
    # Told: b c, d, b. Right: b c, d. Wanted: b c, d, b a, and the word that is dropped.
    assert_close(found.metrics["precision"], 2 / 3, FLOAT32)
    assert_close(found.metrics["recall"], 2 / 4, FLOAT32)
    assert_close(found.metrics["f1"], 4 / 7, FLOAT32)
    assert_close(found.metrics["macro_f1"], (2 / 4 + 2 / 3) / 2, FLOAT32)
    assert_close(found.metrics["accuracy"], 8 / 10, FLOAT32)
    assert found.headline == "f1"
    assert found.baseline["f1"] == 0
    assert_close(found.baseline["accuracy"], 4 / 10, FLOAT32)
    assert [(row.label, row.support, row.predicted) for row in found.summary.per_class] == [
        ("LOC", 2, 1),
        ("PER", 2, 2),
    ]
    assert found.summary.confusion.labels == list(TAGS)
    assert np.sum(found.summary.confusion.counts) == 10
    first = found.summary.worst[0]
    assert (first.place, first.wanted, first.told) == ("f.conll, line 7", "a: I-PER", "a: O")
    # Two words have no probability.
    assert sum(bin_.count for bin_ in found.summary.calibration) == 8


def test_another_tag_gives_other_metrics(backend, tokenizer):
    changed = [tagged(1, ("b", "B-LOC"), ("c", "I-PER"), ("a", "O"), ("d", "B-LOC")), *ITEMS[1:]]
    one, other = (
        evaluate_items(TASK, backend, tokenizer, items).metrics for items in (ITEMS, changed)
    )
    assert all(one[name] != other[name] for name in one)


def test_a_word_has_the_tag_of_its_first_token(tokenizer):
    """Of "embeddings", em ##bed ##ding ##s, the first piece says B-PER and the others B-LOC."""
    piece = tokenizer("embeddings")["input_ids"][1]

    def first_is_a_person(ids, types):
        rows = script(ids, types)
        rows[ids == piece] = [0, 9, 0, 0]
        return rows

    backend = ScriptedBackend(
        "token-classification", first_is_a_person, id2label=dict(enumerate(TAGS))
    )
    items = [tagged(1, ("a", "O"), ("embeddings", "B-PER"), ("d", "B-LOC"))]
    assert evaluate_items(TASK, backend, tokenizer, items).predictions == (("O", "B-PER", "B-LOC"),)


@pytest.mark.parametrize("before", [0, 80], ids=["one window", "several windows"])
def test_a_syllable_has_the_tag_of_its_first_jamo(tokenizer, before):
    """The pieces of a syllable all have its place; the later ones are more certain here."""
    ids = tokenizer("\ud55c")["input_ids"][1:-1]
    assert len(ids) == 3

    def first_is_a_person(found, types):
        rows = script(found, types)
        rows[found == ids[0]] = [0, 2, 0, 0]
        rows[np.isin(found, ids[1:])] = [0, 0, 0, 9]
        return rows

    backend = ScriptedBackend(
        "token-classification", first_is_a_person, id2label=dict(enumerate(TAGS))
    )
    item = tagged(1, *[("a", "O")] * before, ("\ud55c", "B-PER"), ("a", "O"))
    (tags,) = evaluate_items(TASK, backend, tokenizer, [item]).predictions
    assert tags == item.tags


def test_words_agree_with_the_pipeline(checkpoints):
    """Long texts too: what overlapping windows say is united as in the pipeline."""
    directory = checkpoints["token-classification"]
    words = tuple("George met unbelievable embeddings in U.S. Zürich . \u200b".split(" ")) * 9
    items = [TaggedItem("f", words, ("O",) * len(words)), TaggedItem("f", words[:5], ("O",) * 5)]
    found = evaluate_items(TASK, directory, None, items, backend="numpy")
    ask = mobilebert.pipeline("token-classification", directory, backend="numpy")
    tokenizer = ask.tokenizer
    for item, told in zip(items, found.predictions, strict=True):
        (answer,) = ask(list(item.words), is_split_into_words=True, ignore_labels=[])
        entries = iter(answer)
        for word, tag in zip(item.words, told, strict=True):
            pieces = tokenizer(word, add_special_tokens=False)["input_ids"]
            labels = [next(entries)["entity"] for _ in pieces]
            assert tag == (labels[0] if labels else "O")
    assert len(set(found.predictions[0])) > 1


def test_one_tag_only_is_told(tokenizer):
    backend = ScriptedBackend(
        "token-classification",
        lambda ids, types: np.tile([5.0, 0, 0, 0], (len(ids), 1)),
        id2label=dict(enumerate(TAGS)),
    )
    found = evaluate_items(TASK, backend, tokenizer, ITEMS)
    assert found.summary.only_class == "O"
    assert found.metrics == found.baseline


def test_tags_the_model_does_not_know_are_never_right(backend, tokenizer):
    found = evaluate_items(TASK, backend, tokenizer, [tagged(1, ("a", "B-X"), ("b", "B-PER"))])
    assert found.summary.confusion.labels == [*TAGS, "B-X"]
    assert_close(found.metrics["accuracy"], 0.5, FLOAT32)


def test_what_cannot_be_judged_is_told(backend, tokenizer):
    with pytest.raises(InputError, match="line 3: 1 words and 0 tags"):
        evaluate_items(TASK, backend, tokenizer, [TaggedItem("f, line 3", ("a",))])
    slow = MobileBertTokenizer.from_pretrained(BUNDLED_MODEL)
    with pytest.raises(InputError, match="offsets"):
        evaluate_items(TASK, backend, slow, ITEMS)
