import re
from collections import Counter

import pytest
from hypothesis import given, strategies as st

from mobilebert.datasets.items import FinetuneTask, TextItem
from mobilebert.datasets.problems import ProblemKind
from mobilebert.errors import InputError
from mobilebert.pipelines.encoding import head_and_tail
from mobilebert.training.encoder import EncodingOptions, Noted
from mobilebert.training.labels import collect_labels
from mobilebert.training.long_texts import LongText
from training.encoded import CONFIG, encode, fed, rows_of

CLASSES = FinetuneTask.TEXT_CLASSIFICATION
LONG = " ".join(f"word{number}" for number in range(60))  # two or three tokens each
TEXTS = ["a short text", LONG, "Größe and naïveté", "x " * 62, "x " * 63]
PAIRS = [("is it short?", "yes"), (LONG, "what?"), ("what?", LONG), ("x " * 30, "y " * 31)]


def items_of(inputs, label="yes"):
    for number, given_ in enumerate(inputs):
        text, pair = given_ if isinstance(given_, tuple) else (given_, None)
        yield TextItem(f"f.csv, line {number + 2}", text, pair, label)


@pytest.mark.parametrize("texts", [TEXTS, PAIRS])
def test_lengths_are_those_of_items_uncut(tokenizer, texts):
    found = encode(CLASSES, items_of(texts), tokenizer, labels=("yes",))
    pairs = [text if isinstance(text, tuple) else (text,) for text in texts]
    assert found.summary.lengths == Counter(len(tokenizer(*row)["input_ids"]) for row in pairs)
    assert len(found.examples) > len(texts)


@pytest.mark.parametrize(
    ("inputs", "options", "parameters"),
    [
        (TEXTS + PAIRS, {}, {}),
        (TEXTS + PAIRS, {"long_text": "truncate"}, {"truncation": True}),
        (TEXTS, {"max_length": 20}, {"max_length": 20, "truncation": False}),
        (TEXTS, {"stride": 3}, {"stride": 3}),
        ([*TEXTS, (LONG, LONG)], {"long_text": "truncate", "max_length": 17}, {"max_length": 17}),
    ],
)
def test_sequences_are_those_of_the_pipeline(tokenizer, checkpoints, inputs, options, parameters):
    found = encode(
        CLASSES, items_of(inputs), tokenizer, labels=("yes",), options=EncodingOptions(**options)
    )
    wanted = fed(
        "text-classification",
        checkpoints["text-classification"],
        [{"text": i.text, "text_pair": i.pair} for i in items_of(inputs)],
        **parameters,
    )
    assert rows_of(found.examples) == wanted


@pytest.mark.parametrize("other", [{"stride": 4}, {"max_length": 63}, {"long_text": "head_tail"}])
def test_other_options_give_other_sequences_than_the_pipeline(tokenizer, checkpoints, other):
    options = EncodingOptions(**other)
    found = encode(CLASSES, items_of([LONG]), tokenizer, labels=("yes",), options=options)
    checkpoint = checkpoints["text-classification"]
    assert rows_of(found.examples) != fed("text-classification", checkpoint, [LONG])


def test_windows_have_the_label_of_their_text(tokenizer):
    items = [TextItem("a", "short", None, "no"), TextItem("b", LONG, None, "yes")]
    found = encode(CLASSES, items, tokenizer, labels=("no", "yes"))
    assert len(found.examples) > 3
    assert [example.target.tolist() for example in found.examples] == [
        [example.item] for example in found.examples
    ]
    assert found.summary.noted[Noted.LONG] == 1
    assert found.summary.items == 2
    assert found.summary.examples == len(found.examples)
    assert "1 are longer than what is read at once (window)." in found.summary.sentences(
        LongText.WINDOW
    )


def test_head_and_tail_of_a_text(tokenizer):
    options = EncodingOptions(long_text=LongText.HEAD_TAIL, max_length=22)
    found = encode(CLASSES, items_of([LONG]), tokenizer, labels=("yes",), options=options)
    whole = tokenizer(LONG, add_special_tokens=False)["input_ids"]
    ids = found.examples[0].ids.tolist()
    assert ids == [101, *whole[:5], *whole[-15:], 102]
    assert found.summary.noted[Noted.LONG] == 1


def test_head_and_tail_of_a_pair_cut_the_longer_text(tokenizer):
    options = EncodingOptions(long_text=LongText.HEAD_TAIL, max_length=23)
    found = encode(
        CLASSES, items_of([("why not", LONG)]), tokenizer, labels=("yes",), options=options
    )
    ids, whole = (
        found.examples[0].ids.tolist(),
        tokenizer(LONG, add_special_tokens=False)["input_ids"],
    )
    question = tokenizer("why not", add_special_tokens=False)["input_ids"]
    assert ids == [101, *question, 102, *whole[:4], *whole[-14:], 102]


@given(st.integers(0, 300), st.integers(1, 100))
def test_head_and_tail_are_in_order_and_fill_the_room(length, room):
    places = head_and_tail(length, room)
    assert len(places) == min(length, room)
    assert places == sorted(set(places))
    assert all(0 <= place < length for place in places)


@pytest.mark.parametrize("long_text", LongText)
@given(words=st.lists(st.sampled_from(["a", "unbelievable", "!", "été"]), min_size=1, max_size=200))
def test_no_example_is_longer_than_allowed(tokenizer, long_text, words):
    options = EncodingOptions(long_text=long_text, max_length=16)
    items = items_of([" ".join(words), (" ".join(words), "short")])
    found = encode(CLASSES, items, tokenizer, labels=("yes",), options=options)
    assert found.examples.lengths.max() <= 16
    assert not found.summary.problems.bad
    assert set(found.examples.items) == {0, 1}


def test_several_labels_and_numbers(tokenizer):
    items = [TextItem("a", "x", None, ("c", "a")), TextItem("b", "y", None, ())]
    found = encode(FinetuneTask.MULTI_LABEL, items, tokenizer, labels=("a", "b", "c"))
    assert [example.target.tolist() for example in found.examples] == [[1, 0, 1], [0, 0, 0]]
    items = [TextItem("a", "x", "y", 2.5), TextItem("b", "y", "z", -1)]
    found = encode(FinetuneTask.REGRESSION, items, tokenizer)
    assert [example.target.tolist() for example in found.examples] == [[2.5], [-1]]


@pytest.mark.parametrize(
    ("task", "item", "reason"),
    [
        (CLASSES, TextItem("f, line 7", "x"), "no label"),
        (CLASSES, TextItem("f, line 7", "x", None, "no"), r"label 'no' is not one .*'yes'"),
        (CLASSES, TextItem("f, line 7", " ", None, "yes"), "text is empty"),
        (CLASSES, TextItem("f, line 7", "\u200b", None, "yes"), "no characters that the tok"),
        (CLASSES, TextItem("f, line 7", "x", "\u200b", "yes"), "second text has no characters"),
        (CLASSES, TextItem("f, line 7", "\ud800", None, "yes"), r"surrogate U\+D800"),
        (CLASSES, TextItem("f, line 7", LONG, LONG, "yes"), "choose --long-text truncate"),
        (FinetuneTask.MULTI_LABEL, TextItem("f, line 7", "x", None, "yes"), "no labels"),
        (FinetuneTask.REGRESSION, TextItem("f, line 7", "x", None, float("nan")), "no number"),
        (FinetuneTask.REGRESSION, TextItem("f, line 7", "x", None, "yes"), "no number"),
    ],
)
def test_what_cannot_be_used_is_a_problem_with_its_place(tokenizer, task, item, reason):
    good = {FinetuneTask.MULTI_LABEL: ("yes",), FinetuneTask.REGRESSION: 1.0}.get(task, "yes")
    items = [TextItem("f, line 6", "x", None, good), item, TextItem("f, line 8", "y", None, good)]
    found = encode(task, items, tokenizer, labels=("yes",))
    assert found.examples.items.tolist() == [0, 2]
    (problem,) = found.summary.problems.kept
    assert problem.place == "f, line 7"
    assert re.search(reason, problem.reason)


def test_progress_is_told_and_items_are_read_once(tokenizer):
    told = []
    items = items_of(["x"] * 1030)
    found = encode(CLASSES, items, tokenizer, labels=("yes",), on_progress=told.append)
    assert told == [512, 1024, 1030]
    assert len(found.examples) == 1030


def test_examples_larger_than_memory_are_mapped(tokenizer, tmp_path):
    settings = {"labels": ("yes",), "directory": tmp_path}
    mapped = encode(CLASSES, items_of(TEXTS * 9), tokenizer, memory_limit=0, **settings)
    kept = encode(CLASSES, items_of(TEXTS * 9), tokenizer, labels=("yes",))
    assert (tmp_path / "ids.npy").exists()
    assert rows_of(mapped.examples) == rows_of(kept.examples)


@pytest.mark.parametrize(
    "options", [{"long_text": "middle"}, {"max_length": 3}, {"max_length": "9"}, {"stride": -1}]
)
def test_impossible_options_are_refused(options):
    with pytest.raises(InputError, match=str(next(iter(options)))):
        EncodingOptions(**options)


def test_labels_are_in_a_fixed_order():
    assert collect_labels(CLASSES, ["pos", "neg", "pos"]) == ("neg", "pos")
    assert collect_labels(CLASSES, ["10", "9", "0"]) == ("0", "9", "10")
    assert collect_labels(CLASSES, ["10", "9", "x"]) == ("10", "9", "x")
    assert collect_labels(FinetuneTask.MULTI_LABEL, {"b": 2, "a": 1}) == ("a", "b")
    tags = collect_labels(FinetuneTask.TOKEN_CLASSIFICATION, ["I-PER", "B-LOC", "O", "B-PER"])
    assert tags == ("O", "B-LOC", "B-PER", "I-PER")
    assert collect_labels(FinetuneTask.REGRESSION, ["a"]) == ()


def test_the_limits_are_those_of_the_model(tokenizer):
    found = encode(CLASSES, items_of([LONG]), tokenizer, labels=("yes",))
    assert found.examples.lengths.max() == CONFIG.max_position_embeddings


def test_problems_are_counted_by_kind(tokenizer):
    items = [
        TextItem("f, line 1", "x"),
        TextItem("f, line 2", "x", None, "no"),
        TextItem("f, line 3", "\u200b", None, "yes"),
        TextItem("f, line 4", LONG, LONG, "yes"),
        TextItem("f, line 5", "\u200b", None, "yes"),
    ]
    problems = encode(CLASSES, items, tokenizer, labels=("yes",)).summary.problems
    assert problems.counts == {
        ProblemKind.MISSING_LABEL: 1,
        ProblemKind.UNSEEN_LABEL: 1,
        ProblemKind.NO_TOKENS: 2,
        ProblemKind.TOO_LONG: 1,
    }
    with pytest.raises(InputError, match=r"f.csv has 5 bad rows of 5 .*--skip-bad-rows"):
        problems.refuse("f.csv", 5)
