"""Lists, generators, batches and threads: none of them changes an answer."""

import itertools
import pickle
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from mobilebert.backend import BACKENDS
from mobilebert.errors import InputError
from mobilebert.pipelines import ItemError, pipeline
from pipelines.random_checkpoints import recorded
from tolerances import PIPELINE_SCORES

TEXTS = [
    "I [MASK] it",
    "[MASK]",
    "an unbelievable [MASK] in " + "very " * 20 + "long words",
    "a [MASK]",
]

# Task -> inputs of different lengths, and parameters.
INPUTS = {
    "fill-mask": (TEXTS, {}),
    "text-classification": ([*TEXTS, "word " * 150], {"top_k": None}),
    "token-classification": ([*TEXTS, "word " * 150], {"ignore_labels": []}),
    "feature-extraction": (TEXTS, {}),
    "zero-shot-classification": (TEXTS, {"candidate_labels": ["x", "a longer label"]}),
    "question-answering": (
        [{"question": "Who is it?", "context": text} for text in [*TEXTS, "word " * 150]],
        {},
    ),
    "next-sentence-prediction": ([(a, b) for a in TEXTS for b in TEXTS[:2]], {}),
    "multiple-choice": ([{"text": text, "choices": TEXTS[:3]} for text in TEXTS], {}),
}


def flat(answer):
    """Return the numbers of an answer, and everything else."""
    if isinstance(answer, float):
        return [answer], []
    parts = answer.values() if isinstance(answer, dict) else answer
    if not isinstance(answer, (list, dict)):
        return [], [answer]
    numbers, others = [], list(answer) if isinstance(answer, dict) else []
    for part in parts:
        more_numbers, more_others = flat(part)
        numbers += more_numbers
        others += more_others
    return numbers, others


def assert_same(found, wanted):
    found, wanted = flat(found), flat(wanted)
    assert found[1] == wanted[1]
    np.testing.assert_allclose(found[0], wanted[0], rtol=PIPELINE_SCORES, atol=PIPELINE_SCORES)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("task", INPUTS)
def test_answers_do_not_depend_on_the_batch(task, backend, checkpoints):
    inputs, options = INPUTS[task]
    answerer = pipeline(task, checkpoints[task], backend=backend)
    alone = [answerer.answer_all([item], **options)[0] for item in inputs]
    for size in (None, 1, 2, 3, 50):
        assert_same(answerer(inputs, batch_size=size, **options), alone)
    assert_same(list(answerer(iter(inputs), batch_size=3, **options)), alone)
    assert_same(answerer(inputs[::-1], **options), alone[::-1])


def test_the_comparison_sees_a_difference():
    with pytest.raises(AssertionError):
        assert_same([{"score": 0.5}], [{"score": 0.5001}])
    with pytest.raises(AssertionError):
        assert_same([{"word": "a"}], [{"word": "b"}])


@settings(max_examples=15)
@given(order=st.permutations(range(len(TEXTS))), size=st.integers(1, 6))
def test_any_order_and_batch_size(order, size, checkpoints):
    answerer = pipeline("feature-extraction", checkpoints["feature-extraction"], pooling="mean")
    wanted = answerer(TEXTS)
    assert_same(answerer([TEXTS[n] for n in order], batch_size=size), [wanted[n] for n in order])


def test_batches_are_sorted_by_length_and_hold_the_batch_size(checkpoints):
    answerer, backend = recorded(pipeline("fill-mask", checkpoints["fill-mask"]))
    answerer([TEXTS[n % 4] for n in range(10)], batch_size=4)
    shapes = [batch.input_ids.shape for batch in backend.batches]
    assert [rows for rows, _ in shapes] == [4, 4, 2]
    assert [length for _, length in shapes] == sorted(length for _, length in shapes)


def test_without_a_batch_size_tokens_are_counted(checkpoints):
    answerer, backend = recorded(
        pipeline("text-classification", checkpoints["text-classification"])
    )
    answerer(["a"] * 40 + ["word " * 58] * 20)
    shapes = [batch.input_ids.shape for batch in backend.batches]
    assert sum(rows for rows, _ in shapes) == 60
    assert shapes[0] == (32, 3)
    assert all(rows * length <= 512 and rows <= 32 for rows, length in shapes)
    assert (8, 60) in shapes


def test_vocabulary_logits_are_computed_at_masks_only(checkpoints):
    answerer, backend = recorded(pipeline("fill-mask", checkpoints["fill-mask"]))
    answerer(["I [MASK] [MASK] it", "a [MASK]"])
    ((batch, positions),) = zip(backend.batches, backend.positions, strict=True)
    assert [int(batch.input_ids[row, place]) for row, place in positions] == [103, 103, 103]


def test_a_generator_is_read_as_answers_are_taken(checkpoints):
    answerer = pipeline("text-classification", checkpoints["text-classification"])
    read = []

    def endless():
        for number in itertools.count():
            read.append(number)
            yield f"text {number}"

    answers = answerer(endless())
    assert read == []
    next(answers)
    next(answers)
    assert read == [0, 1]
    assert len(list(itertools.islice(answerer(endless(), batch_size=4), 5))) == 5


class Texts:
    """Texts as a data set of PyTorch has them: a length, items, and nothing else."""

    def __init__(self, texts):
        self.texts = texts

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, number):
        if not 0 <= number < len(self.texts):
            raise KeyError(number)
        return self.texts[number]


def test_a_data_set_is_a_stream(checkpoints):
    task = "text-classification"
    answerer = pipeline(task, checkpoints[task])
    wanted = answerer(["one", "two words"])
    for texts in (Texts(["one", "two words"]), deque(["one", "two words"])):
        answers = answerer(texts)
        assert isinstance(answers, Iterator)
        assert_same(list(answers), wanted)
    for other in (np.array(["one", "two"]), b"bytes"):
        with pytest.raises(InputError, match="must be a string, not"):
            answerer(other)


def test_what_has_keys_is_no_stream(checkpoints):
    class Table(Texts):
        def keys(self):
            return ["text"]

    answerer = pipeline("feature-extraction", checkpoints["feature-extraction"])
    with pytest.raises(InputError, match="must be a string, not Table"):
        answerer(Table(["one"]))


def test_an_empty_list_and_generator(checkpoints):
    answerer = pipeline("text-classification", checkpoints["text-classification"])
    assert answerer([]) == []
    assert list(answerer(iter([]))) == []


def test_one_pipeline_serves_many_threads(checkpoints):
    for task, (inputs, options) in INPUTS.items():
        answerer = pipeline(task, checkpoints[task])
        wanted = answerer(inputs, **options)

        def ask(_, answerer=answerer, inputs=inputs, options=options):
            return answerer(inputs, **options)

        with ThreadPoolExecutor(6) as pool:
            for found in pool.map(ask, range(12)):
                assert_same(found, wanted)


def test_parameters_of_one_call_do_not_stay(checkpoints):
    answerer = pipeline("fill-mask", checkpoints["fill-mask"], top_k=2)
    assert len(answerer("a [MASK]")) == 2
    assert len(answerer("a [MASK]", top_k=7)) == 7
    assert len(answerer("a [MASK]")) == 2


def test_an_error_says_which_input(checkpoints):
    answerer = pipeline("fill-mask", checkpoints["fill-mask"])
    inputs = ["a [MASK]"] * 300 + ["no mask"]
    for call in (answerer, answerer.check):
        with pytest.raises(ItemError, match=r"^Input 301: There is no \[MASK\]") as caught:
            call(inputs)
        assert caught.value.position == 300
        again = pickle.loads(pickle.dumps(caught.value))
        assert (again.position, again.reason) == (300, caught.value.reason)
        assert str(again) == str(caught.value)
    with pytest.raises(ItemError, match=r"^Input 2: The text must be a string, not int"):
        list(answerer(iter(["a [MASK]", 5])))
