"""What parameters mean beside each other, and what None does."""

import pytest

from mobilebert.pipelines import pipeline, pipeline_class
from mobilebert.pipelines.parameters import merged
from pipelines.random_checkpoints import recorded


def test_none_leaves_what_is_on_or_off_as_it_is():
    defaults = pipeline_class("question-answering").defaults
    assert merged("qa", defaults, {"align_to_words": None}) == defaults
    switched = merged("qa", defaults, {"align_to_words": False, "top_k": 2})
    assert switched.align_to_words is False
    assert merged("qa", switched, {"align_to_words": None, "top_k": 2}) == switched


@pytest.mark.parametrize(
    ("padding", "cuts"),
    [(None, True), (False, True), (True, False), ("longest", False), ("max_length", False)],
)
def test_a_length_cuts_by_itself_only_without_padding(padding, cuts, checkpoints):
    """As the tokenizers take it: with padding it is what is padded to."""
    task = "text-classification"
    classify, backend = recorded(pipeline(task, checkpoints[task]))
    classify("word " * 50, max_length=20, padding=padding)
    assert (sum(len(batch.input_ids) for batch in backend.batches) == 1) == cuts
    assert max(batch.input_ids.shape[1] for batch in backend.batches) == 20
    cut = pipeline_class(task).defaults.__class__(max_length=20, padding=padding).lengths
    assert (cut.strategy is not None) == cuts
    both = pipeline_class(task).defaults.__class__(max_length=20, padding=padding, truncation=True)
    assert both.lengths.strategy == "longest_first"


def test_the_form_of_an_answer_follows_the_threshold_in_force(checkpoints):
    task = "text-classification"
    classify = pipeline(task, checkpoints[task])
    plain = classify("some text")
    assert isinstance(plain, list)
    assert classify("some text", threshold=None) == plain
    chooses = pipeline(task, checkpoints[task], threshold=0.0)
    assert chooses("some text") == classify("some text", threshold=0.0)
    assert len(chooses("some text")) == 3
    assert chooses("some text", threshold=None) == plain
