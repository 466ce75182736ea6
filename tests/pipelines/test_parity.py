"""Answers equal those of transformers' pipelines, in shape and in number.

transformers pads the last window of a text, and lets the padding leak into its neighbour; the
padding row of the random models is zero, which makes both readings one.
"""

import numbers

import pytest
import torch
import transformers

from mobilebert.backend import BACKENDS
from mobilebert.pipelines import pipeline
from pipelines.random_checkpoints import NER_LABELS, recorded
from tolerances import PIPELINE_SCORES, SMALL_MISTAKE

# transformers' question answering converts tensors in a way numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SENTENCE = (
    "George Washington went to New York City, and Angela Merkel met Zinédine Zidane in "
    "unbelievable Reykjavík 😀."
)
LONG = " ".join([SENTENCE] * 4)  # three windows of the 64 positions
STRATEGIES = ("none", "simple", "first", "average", "max")


def fill_mask_cases():
    one, two = "The capital of [MASK] is Paris.", "I [MASK] [MASK] you"
    yield (one,), {}
    yield ([one],), {}
    yield ([one, two],), {"top_k": 3}
    yield (one,), {"targets": ["france", "italy", "unbelievablexyz"]}
    yield (one,), {"targets": "france", "top_k": 2}
    yield (two,), {"targets": ["france", "italy"]}
    yield ("The [MASK] " + "x " * 100,), {"tokenizer_kwargs": {"truncation": True}}


def text_classification_cases():
    pair = {"text": "I like it", "text_pair": "No!"}
    for inputs in ("I like it", ["I like it"], ["I like it", "No!"], pair, [pair]):
        yield (inputs,), {}
        yield (inputs,), {"top_k": None}
        yield (inputs,), {"top_k": 1}
    for function in ("sigmoid", "softmax", "none"):
        yield (["I like it", "No!"],), {"top_k": 2, "function_to_apply": function}
    yield ([[["I like it", "No!"]]],), {}
    yield (LONG,), {"truncation": True}
    yield (LONG,), {"truncation": True, "max_length": 20}
    yield ({"text": LONG, "text_pair": LONG[:200]},), {"truncation": True}
    yield ({"text": LONG, "text_pair": "No!"},), {"truncation": "only_first"}


def feature_extraction_cases():
    yield ("I like it",), {}
    yield (["I like it", "unbelievable"],), {}
    yield (["I like it"],), {}
    yield (LONG,), {"truncation": True}


def zero_shot_cases():
    yield ("I like it", ["sports", "art", "politics and so on"]), {}
    yield ("I like it", "sports, art,politics"), {"multi_label": True}
    yield (["I like it", "No!"], "sports, art"), {"hypothesis_template": "It is {}!"}
    yield (["I like it"], ["sports"]), {}
    yield (LONG, ["sports", "art"]), {}


def token_classification_cases():
    words = [["George", "Washingtonia", "went"], ["an", "unbelievable", "city"]]
    for strategy in STRATEGIES:
        options = {"aggregation_strategy": strategy}
        yield (SENTENCE,), options
        yield ([SENTENCE, "Hi Bob"],), options | {"ignore_labels": []}
        yield ([SENTENCE],), options | {"ignore_labels": ["O", "PER", "B-PER"]}
        yield (words[0],), options | {"is_split_into_words": True, "ignore_labels": []}
        yield (words,), options | {"is_split_into_words": True, "delimiter": "--"}
        if strategy != "none":
            for stride in (0, 5, 30):
                yield (LONG,), options | {"stride": stride}


def question_answering_cases():
    for options in (
        {},
        {"top_k": 3},
        {"handle_impossible_answer": True, "top_k": 4},
        {"max_answer_len": 2, "top_k": 3},
        {"align_to_words": False, "top_k": 5},
        {"max_seq_len": 30, "doc_stride": 5, "top_k": 4},
        {"doc_stride": 7},
    ):
        asked = {"question": "Who met Zidane?", "context": LONG}
        yield (), asked | options
        yield (), {"question": ["Who met Zidane?", "Where?"], "context": SENTENCE} | options
        yield (), {"question": ["Who met Zidane?"], "context": [SENTENCE]} | options


CASES = {
    "fill-mask": fill_mask_cases,
    "text-classification": text_classification_cases,
    "feature-extraction": feature_extraction_cases,
    "zero-shot-classification": zero_shot_cases,
    "token-classification": token_classification_cases,
    "question-answering": question_answering_cases,
}


def difference(found, wanted, place="answer"):
    """Return the first difference between two answers, or None."""
    if isinstance(wanted, numbers.Real) and not isinstance(wanted, numbers.Integral):
        close = abs(found - float(wanted)) <= PIPELINE_SCORES * max(1.0, abs(float(wanted)))
        return None if close and type(found) is float else f"{place}: {found!r}, wanted {wanted!r}"
    if type(found) is not type(wanted):
        return f"{place}: {found!r}, wanted {wanted!r}"
    if isinstance(wanted, dict):
        if list(found) != list(wanted):
            return f"{place}: keys {list(found)}, wanted {list(wanted)}"
        pairs = [(found[key], wanted[key], f"{place}[{key!r}]") for key in wanted]
    elif isinstance(wanted, list):
        if len(found) != len(wanted):
            return f"{place}: {len(found)} elements, wanted {len(wanted)}"
        pairs = [
            (f, w, f"{place}[{n}]") for n, (f, w) in enumerate(zip(found, wanted, strict=True))
        ]
    else:
        return None if found == wanted else f"{place}: {found!r}, wanted {wanted!r}"
    return next((text for pair in pairs if (text := difference(*pair))), None)


@pytest.fixture(scope="module", autouse=True)
def _quiet_peer():
    threads, verbosity = torch.get_num_threads(), transformers.logging.get_verbosity()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    yield
    torch.set_num_threads(threads)
    transformers.logging.set_verbosity(verbosity)


@pytest.fixture(scope="module")
def peers(checkpoints):
    return {
        task: transformers.pipeline(task, str(checkpoints[task]), framework="pt", device="cpu")
        for task in CASES
    }


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("task", CASES)
def test_answers_equal_the_peers(task, backend, checkpoints, peers):
    ours = pipeline(task, checkpoints[task], backend=backend, dtype="float32")
    for arguments, options in CASES[task]():
        found, wanted = ours(*arguments, **options), peers[task](*arguments, **options)
        assert difference(found, wanted) is None, (arguments, options)


@pytest.mark.parametrize("task", CASES)
def test_a_small_mistake_is_seen(task, checkpoints, peers):
    """The twin: with logits moved by little, or by much where only a choice is made, it fails."""
    ours, _ = recorded(
        pipeline(task, checkpoints[task], dtype="float32"),
        lambda outputs: {
            name: x * (1 + 100 * SMALL_MISTAKE) + x[..., :1] * 0.01 for name, x in outputs.items()
        },
    )
    arguments, options = next(iter(CASES[task]()))
    found, wanted = ours(*arguments, **options), peers[task](*arguments, **options)
    assert difference(found, wanted) is not None


def test_entities_are_found_at_all(checkpoints):
    """The token-classification cases would hold for a model that labels everything O."""
    answer = pipeline("ner", checkpoints["token-classification"])(
        LONG, aggregation_strategy="first"
    )
    assert {entry["entity_group"] for entry in answer} == {"PER", "LOC"}
    assert set(NER_LABELS.values()) > {"O"}
