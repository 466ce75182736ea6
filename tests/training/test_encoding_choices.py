import re
from collections import Counter

import pytest

from mobilebert.datasets.items import ChoiceItem, FinetuneTask
from mobilebert.training.encoder import EncodingOptions, Noted
from training.encoded import CONFIG, encode, fed, rows_of

TASK = FinetuneTask.MULTIPLE_CHOICE
LONG = " ".join(f"w{number}" for number in range(70))
ITEMS = [
    ChoiceItem("f, line 2", "It rained.", ("He got wet.", "He stayed dry"), 0),
    ChoiceItem("f, line 3", LONG, ("one", "two " * 40, "three"), 2),
]


def test_an_example_has_a_sequence_for_each_choice(tokenizer):
    found = encode(TASK, ITEMS, tokenizer)
    assert [len(example.sequences) for example in found.examples] == [2, 3]
    assert [example.target.tolist() for example in found.examples] == [[0], [2]]
    assert found.examples.lengths[0] == found.examples[0].sequences.sum()
    assert found.summary.noted[Noted.LONG] == 1


def test_the_length_of_an_item_is_that_of_its_longest_choice_uncut(tokenizer):
    found = encode(TASK, ITEMS, tokenizer)
    pairs = [[(item.prompt, choice) for choice in item.choices] for item in ITEMS]
    longest = [max(len(tokenizer(*pair)["input_ids"]) for pair in row) for row in pairs]
    assert found.summary.lengths == Counter(longest)
    assert max(longest) > CONFIG.max_position_embeddings


def test_sequences_are_those_of_the_pipeline(tokenizer, checkpoints):
    inputs = [{"text": item.prompt, "choices": list(item.choices)} for item in ITEMS]
    checkpoint = checkpoints["multiple-choice"]
    wanted = fed("multiple-choice", checkpoint, inputs, truncation=True)
    assert rows_of(encode(TASK, ITEMS, tokenizer).examples) == wanted
    options = EncodingOptions(long_text="head_tail")
    assert rows_of(encode(TASK, ITEMS, tokenizer, options=options).examples) != wanted


@pytest.mark.parametrize("long_text", ["window", "truncate", "head_tail"])
def test_no_sequence_is_too_long(tokenizer, long_text):
    options = EncodingOptions(long_text=long_text)
    for example in encode(TASK, ITEMS, tokenizer, options=options).examples:
        assert example.sequences.max() <= CONFIG.max_position_embeddings


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (ChoiceItem("f", "a", ("b", "c")), "not said which choice"),
        (ChoiceItem("f", "a", ("b", "c"), 2), "choice 2 is right, but there are 2"),
        (ChoiceItem("f", "a", ("b", " "), 0), "choice is empty"),
        (ChoiceItem("f", "a", ("b", "\u200b"), 0), "choice has no characters"),
    ],
)
def test_what_cannot_be_used_is_a_problem(tokenizer, item, reason):
    found = encode(TASK, [item, ITEMS[0]], tokenizer)
    assert found.examples.items.tolist() == [1]
    assert re.search(reason, found.summary.problems.kept[0].reason)
