import itertools

import pytest
from hypothesis import given, strategies as st

from mobilebert.errors import InputError
from mobilebert.hub import BUNDLED_MODEL
from mobilebert.pipelines import pipeline
from mobilebert.pipelines.encoding import SequenceBuilder
from mobilebert.pipelines.question_windows import question_windows
from mobilebert.pipelines.windows import default_overlap, window_ranges
from mobilebert.text import MobileBertTokenizerFast
from tolerances import PIPELINE_SCORES

TOKENIZER = MobileBertTokenizerFast.from_pretrained(BUNDLED_MODEL)
LENGTHS = st.integers(0, 400)


@given(LENGTHS, st.integers(1, 60), st.data())
def test_windows_reconstruct_the_text(length, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    windows = window_ranges(length, size, overlap)
    assert all(0 < len(window) <= size for window in windows) or length == 0
    rebuilt = list(windows[0])
    for before, window in itertools.pairwise(windows):
        assert before.stop - window.start == overlap
        rebuilt.extend(range(before.stop, window.stop))
    assert rebuilt == list(range(length))


@given(st.integers(1, 300), st.integers(8, 40))
def test_windows_are_those_of_the_tokenizer(length, size):
    overlap = default_overlap(size)
    parts = TOKENIZER(
        "a " * length,
        truncation=True,
        max_length=size + 2,
        stride=overlap,
        return_overflowing_tokens=True,
    )["input_ids"]
    ours = [len(window) + 2 for window in window_ranges(length, size, overlap)]
    assert ours == [len(part) for part in parts]


def test_an_overlap_without_a_step_is_refused():
    with pytest.raises(InputError, match=r"doc_stride=10 .* windows of 10 tokens.* 0 to 9"):
        window_ranges(11, 10, 10, "doc_stride")


def test_every_token_of_a_long_text_gets_one_label(checkpoints):
    tag = pipeline("token-classification", checkpoints["token-classification"], ignore_labels=[])
    text = "George met unbelievable people. " * 40
    answer = tag(text)
    tokens = tag.tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    assert [(e["start"], e["end"]) for e in answer] == tokens["offset_mapping"]
    assert [e["index"] for e in answer] == list(range(1, len(answer) + 1))


def test_classification_is_the_mean_over_windows(checkpoints):
    classify = pipeline("text-classification", checkpoints["text-classification"], top_k=None)
    words = [f"w{number % 7}" for number in range(100)]  # two tokens each
    text = " ".join(words)
    windowed = {e["label"]: e["score"] for e in classify(text, stride=0)[0]}
    ids = classify.tokenizer(text, add_special_tokens=False)["input_ids"]
    parts = [ids[start : start + 62] for start in range(0, len(ids), 62)]
    assert len(parts) == 4
    texts = [classify.tokenizer.decode(part) for part in parts]
    single = [{e["label"]: e["score"] for e in answer} for answer in classify(texts)]
    for label, score in windowed.items():
        assert score == pytest.approx(sum(part[label] for part in single) / 4, rel=PIPELINE_SCORES)


def test_a_long_pair_windows_its_longer_text(checkpoints):
    classify = pipeline("text-classification", checkpoints["text-classification"])
    for pair in (("short", "long " * 200), ("long " * 200, "short")):
        request = classify.prepare(pair, classify.builder.tokenize(list(pair)), classify.parameters)
        assert len(request.inputs) > 3
        short = classify.builder.tokenize(["short"])[0].ids[0]
        assert all(row.ids.count(short) == 1 for row in request.inputs)
        assert all(len(row.ids) <= 64 and 1 in row.types for row in request.inputs)
    with pytest.raises(InputError, match="Both texts are too long"):
        classify({"text": "a " * 90, "text_pair": "b " * 90})


@pytest.mark.parametrize("words", [18, 19, 28, 29, 45, 60])
def test_windows_go_forward_whatever_the_question_leaves(words):
    builder = SequenceBuilder(TOKENIZER, 64)
    context = list(range(1000, 1400))
    found = question_windows(builder, [2129] * words, context)
    room = 64 - 3 - words
    assert [len(window) for window in found.windows[:-1]] == [room] * (len(found.rows) - 1)
    steps = {after.start - before.start for before, after in itertools.pairwise(found.windows)}
    # As in transformers, where that leaves a step of a quarter of the window.
    assert steps == {room - 32 if words <= 18 else room - room * 3 // 4}
    assert set().union(*found.windows) == set(range(len(context)))
