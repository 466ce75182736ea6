import itertools
import re

import pytest
from hypothesis import given, strategies as st

from mobilebert.datasets.items import Answer, FinetuneTask, QuestionItem
from mobilebert.errors import InputError
from mobilebert.training.encoder import EncodingOptions, Noted
from mobilebert.training.encoding import encode_items
from mobilebert.training.encoding_questions import covering_tokens
from models import small_config
from training.encoded import encode, fed, rows_of

TASK = FinetuneTask.QUESTION_ANSWERING
WORDS = st.sampled_from(["a", "unbelievable", "$500m", "(1066)", "naïve", "東京", "it's"])
# Every window is there once, because words have numbers.
CONTEXTS = st.lists(WORDS, min_size=1, max_size=50).map(
    lambda words: " ".join(f"{word} {number}" for number, word in enumerate(words))
)


def asked(context, *answers, question="what is it?"):
    return QuestionItem("f.json, line 1", "q1", question, context, answers)


def told(context, example, tokenizer):
    """The part of the context that an example's target is about."""
    first, last = example.target
    offsets = tokenizer(context, add_special_tokens=False, return_offsets_mapping=True)
    start = example.ids.tolist().index(102) + 1
    # The place of the window: its tokens, found in the context's.
    window, whole = example.ids[start:-1].tolist(), offsets["input_ids"]
    stride = next(n for n in range(len(whole)) if whole[n : n + len(window)] == window)
    places = offsets["offset_mapping"]
    return context[places[first - start + stride][0] : places[last - start + stride][1]]


@given(context=CONTEXTS, data=st.data())
def test_the_target_is_the_answer_or_what_covers_it(tokenizer, context, data):
    start = data.draw(st.integers(0, len(context) - 1))
    end = data.draw(st.integers(start + 1, min(len(context), start + 20)))
    answer = Answer(context[start:end], start)
    found = encode(TASK, [asked(context, answer)], tokenizer)
    if not answer.text.strip():
        assert "no characters" in found.summary.problems.kept[0].reason
        return
    parts = [told(context, example, tokenizer) for example in found.examples if example.target[1]]
    # It lies in one window as a whole, because windows share more than it has tokens.
    assert parts
    for part in parts:
        assert answer.text.strip() in part
        assert found.summary.noted[Noted.WIDENED_ANSWERS] == (part != answer.text.strip())


def test_a_target_that_is_moved_is_not_the_answer(tokenizer):
    context = "The battle was in 1066 near Hastings"
    (example,) = encode(TASK, [asked(context, Answer("1066", 18))], tokenizer).examples
    assert told(context, example, tokenizer) == "1066"
    example.target.flags.writeable = True
    example.target[:] += 1
    assert told(context, example, tokenizer) != "1066"


def test_windows_without_the_whole_answer_point_at_cls(tokenizer):
    words = [f"w{number}" for number in range(60)]
    context = " ".join(words)
    item = asked(context, Answer("w50 w51", context.index("w50")))
    found = encode(TASK, [item, asked(context)], tokenizer)
    targets = [example.target.tolist() for example in found.examples if example.item == 0]
    inside = [target for target in targets if target != [0, 0]]
    assert len(targets) > 2
    assert 1 <= len(inside) < len(targets)
    assert [e.window for e in found.examples if e.item == 0] == list(range(len(targets)))
    assert all(e.target.tolist() == [0, 0] for e in found.examples if e.item == 1)
    for example in found.examples:
        if example.target[1]:
            assert told(context, example, tokenizer) == "w50 w51"


def test_each_window_has_the_first_answer_that_lies_whole_in_it(tokenizer):
    context = " ".join(f"w{number}" for number in range(60))
    first, second = (Answer(text, context.index(text)) for text in ("w2", "w57"))
    alone = encode(TASK, [asked(context, second)], tokenizer).examples
    found = encode(TASK, [asked(context, first, second)], tokenizer).examples
    assert told(context, found[0], tokenizer) == "w2"
    assert len(found) > 2
    assert told(context, found[-1], tokenizer) == "w57"
    for example, of_second in zip(found[1:], alone[1:], strict=True):
        assert example.target.tolist() == of_second.target.tolist()
    # Where one window has both, their order decides.
    near = Answer("w5", context.index("w5"))
    (example, *_) = encode(TASK, [asked(context, near, first)], tokenizer).examples
    assert told(context, example, tokenizer) == "w5"


def test_an_answer_without_tokens_leaves_the_others(tokenizer):
    item = asked("a \u200b b", Answer("\u200b", 2), Answer("b", 4))
    found = encode(TASK, [item], tokenizer)
    assert not found.summary.problems.bad
    assert told(item.context, found.examples[0], tokenizer) == "b"


@pytest.mark.parametrize("tokens", [30, 31])
def test_answers_longer_than_the_model_will_give_are_counted(tokenizer, tokens):
    context = " ".join(["a"] * 40)
    answer = Answer(" ".join(["a"] * tokens), 4)
    found = encode(TASK, [asked(context, answer), asked(context)], tokenizer)
    first, last = found.examples[0].target
    assert last - first + 1 == tokens
    assert found.summary.noted[Noted.LONG_ANSWERS] == (tokens > 30)


@pytest.mark.parametrize(
    ("long_text", "unseen"), [("window", 1), ("head_tail", 2), ("truncate", 3)]
)
def test_answers_that_are_not_read_whole_are_counted(tokenizer, long_text, unseen):
    context = " ".join(f"w{number}" for number in range(60))
    middle = context[context.index("w5 ") : context.index("w55")]  # of no window
    answers = [Answer(text, context.index(text)) for text in ("w2", "w30", "w57", middle)]
    items = [asked(context), *(asked(context, answer) for answer in answers)]
    options = EncodingOptions(long_text=long_text)
    summary = encode(TASK, items, tokenizer, options=options).summary
    assert summary.noted[Noted.UNSEEN_ANSWERS] == unseen
    assert summary.unanswered == 1
    (warning,) = summary.warnings()
    assert warning.startswith(f"In the data to learn from {unseen} questions have no answer that")


def test_questions_that_are_cut_are_counted(tokenizer):
    config = small_config(vocab_size=30522, max_position_embeddings=128)
    items = [asked("It is so.", question=" ".join(["why"] * count)) for count in (64, 65, 99)]
    found = encode_items(TASK, items, tokenizer, config)
    assert found.summary.noted[Noted.CUT_QUESTIONS] == 2
    assert "2 questions are longer than 64 tokens" in found.summary.warnings()[0]


def test_no_window_has_a_part_of_the_answer(tokenizer):
    words = [f"w{number}" for number in range(60)]
    context = " ".join(words)
    for pair in itertools.pairwise(words):
        answer = " ".join(pair)
        found = encode(TASK, [asked(context, Answer(answer, context.index(answer)))], tokenizer)
        inside = [example for example in found.examples if example.target[1]]
        assert inside
        for example in inside:
            assert example.target[1] < len(example.ids) - 1
            assert told(context, example, tokenizer) == answer


@pytest.mark.parametrize("parameters", [{}, {"max_seq_len": 30, "doc_stride": 5}])
def test_sequences_are_those_of_the_pipeline(tokenizer, checkpoints, parameters):
    items = [asked("short context"), asked("long " * 150), asked("x " * 90, question="why " * 80)]
    items = items[: 2 if parameters else 3]
    options = EncodingOptions(
        max_length=parameters.get("max_seq_len"), stride=parameters.get("doc_stride")
    )
    found = encode(TASK, items, tokenizer, options=options)
    inputs = [{"question": item.question, "context": item.context} for item in items]
    checkpoint = checkpoints["question-answering"]
    if not parameters:  # a question of 64 tokens leaves no room in this model: told the same way
        with pytest.raises(InputError, match="a question of 64 tokens") as refused:
            fed("question-answering", checkpoint, inputs)
        assert found.summary.problems.kept[0].reason in str(refused.value)
        inputs = inputs[:2]
    wanted = fed("question-answering", checkpoint, inputs, **parameters)
    assert rows_of(found.examples) == wanted
    assert rows_of(found.examples)[1:] != wanted
    assert found.summary.noted[Noted.LONG] == 1
    assert found.summary.lengths.total() == found.summary.items - found.summary.problems.bad


def test_long_contexts_may_be_cut(tokenizer):
    context = " ".join(f"w{number}" for number in range(60))
    whole = encode(TASK, [asked(context)], tokenizer).examples
    for long_text, kept in (("truncate", [0]), ("head_tail", [0, len(whole) - 1])):
        options = EncodingOptions(long_text=long_text)
        found = encode(TASK, [asked(context)], tokenizer, options=options)
        assert [example.window for example in found.examples] == kept
        assert found.summary.noted[Noted.LONG] == 1


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (asked("  "), "context is empty"),
        (asked("\u200b"), "context has no characters"),
        (asked("a", question="\u200b"), "question has no characters"),
        (asked("a \u200b b", Answer("\u200b", 2)), "answer has no characters"),
    ],
)
def test_what_cannot_be_used_is_a_problem(tokenizer, item, reason):
    found = encode(TASK, [asked("fine"), item], tokenizer)
    assert len(found.examples) == 1
    assert re.search(reason, found.summary.problems.kept[0].reason)


def test_covering_tokens_at_every_border():
    offsets = [(0, 2), (2, 5), (6, 9)]
    wanted = {(0, 2): (0, 0), (1, 3): (0, 1), (2, 5): (1, 1), (4, 7): (1, 2), (5, 9): (2, 2)}
    for (start, end), places in wanted.items():
        assert covering_tokens(offsets, start, end) == places
    with pytest.raises(InputError):
        covering_tokens(offsets, 5, 6)
