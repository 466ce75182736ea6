import numpy as np
import pytest

import mobilebert
from assertions import assert_close
from mobilebert.datasets.items import FinetuneTask, PlainItem
from mobilebert.errors import InputError
from mobilebert.training.evaluation import evaluate_items
from mobilebert.training.evaluation_results import JudgingOptions
from tolerances import FLOAT32, PIPELINE_SCORES
from training.scripted import ScriptedBackend

TASK = FinetuneTask.MASKED_LM
A, B = 1037, 1038
ITEMS = [PlainItem(f"f.txt, line {n}", "a a a b " * 20) for n in range(1, 9)]


def saying(probability):
    """A model that says "a" with a probability, else "b", everywhere."""

    def script(ids, types):
        logits = np.full((len(ids), 30522), -60.0)
        logits[:, A], logits[:, B] = np.log(probability), np.log(1 - probability)
        return logits

    return ScriptedBackend("fill-mask", script)


def test_masked_words_by_hand(tokenizer):
    found = evaluate_items(TASK, saying(0.6), tokenizer, ITEMS)
    assert set(found.predictions) == {"a"}
    assert found.summary.only_class == "a"
    share = found.metrics["accuracy"]
    assert 0.5 < share < 0.95
    loss = -share * np.log(0.6) - (1 - share) * np.log(0.4)
    assert_close(found.metrics["loss"], loss, FLOAT32)
    assert_close(found.metrics["perplexity"], np.exp(loss), FLOAT32)
    assert found.headline == "loss"
    # The most frequent word is "a" as well; a model that knows the share has the least loss.
    assert found.baseline["accuracy"] == share
    best = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert_close(found.baseline["loss"], best, FLOAT32)
    assert all((error.wanted, error.told) == ("b", "a") for error in found.summary.worst)
    other = evaluate_items(TASK, saying(0.7), tokenizer, ITEMS)
    assert other.metrics["loss"] != found.metrics["loss"]
    assert evaluate_items(TASK, saying(0.4), tokenizer, ITEMS).metrics["accuracy"] == 1 - share


def test_the_same_seed_asks_for_the_same_words(tokenizer):
    one, same, other = (
        evaluate_items(TASK, saying(0.6), tokenizer, ITEMS, options=JudgingOptions(seed=seed))
        for seed in (1, 1, 2)
    )
    assert one.metrics == same.metrics != other.metrics


def test_blocks_may_be_shorter(tokenizer):
    told = []
    backend = saying(0.6)
    options = JudgingOptions(max_length=12)
    evaluate_items(TASK, backend, tokenizer, ITEMS, options=options, on_progress=told.append)
    assert backend.sequences > 60
    assert told == sorted(told)
    assert told[-1] == len(ITEMS)


def test_a_model_object_says_what_its_checkpoint_says(checkpoints, tokenizer):
    directory = checkpoints["fill-mask"]
    model = mobilebert.MobileBertForMaskedLM.from_pretrained(directory)
    wanted = evaluate_items(TASK, directory, None, ITEMS, backend="numpy").metrics["loss"]
    for backend in ("auto", "torch"):
        found = evaluate_items(TASK, model, tokenizer, ITEMS, backend=backend).metrics["loss"]
        assert_close(found, wanted, PIPELINE_SCORES)


def test_paragraphs_without_words_are_told(tokenizer):
    nothing = PlainItem("/home/anna/f.txt, line 9", "\u200b")
    found = evaluate_items(TASK, saying(0.6), tokenizer, [*ITEMS, nothing])
    # Without the directory, since the card has it too.
    assert found.summary.warnings[0].startswith("f.txt, line 9: ")
    with pytest.raises(InputError, match="no words"):
        evaluate_items(TASK, saying(0.6), tokenizer, [nothing])


def test_the_digest_is_of_the_texts_in_any_order(tokenizer):
    one, turned, fewer = (
        evaluate_items(TASK, saying(0.6), tokenizer, items).summary.digest
        for items in (ITEMS, ITEMS[::-1], ITEMS[1:])
    )
    assert one == turned != fewer
