"""What each task does beyond, or unlike, transformers' pipeline."""

import logging
import shutil

import numpy as np
import pytest
import torch

from assertions import assert_close
from mobilebert.config import MobileBertConfig
from mobilebert.errors import ArgumentError, ConfigError, InputError
from mobilebert.hub import BUNDLED_MODEL
from mobilebert.pipelines import PIPELINES, pipeline, pipeline_class
from mobilebert.pipelines.null_answers import store_null_threshold
from mobilebert.tasks import PIPELINE_TASKS
from mobilebert.text import MobileBertTokenizer
from pipelines.random_checkpoints import recorded, scaled, write_checkpoint
from tolerances import FLOAT32


def test_every_task_has_a_pipeline():
    assert set(PIPELINES) == set(PIPELINE_TASKS)
    for task in PIPELINES:
        assert pipeline_class(task).task == task


@pytest.mark.parametrize("task", ["text-classification", "zero-shot-classification"])
def test_huge_logits_give_finite_scores(task, checkpoints):
    labels = {"candidate_labels": ["a", "b"]} if task.startswith("zero") else {"top_k": None}
    with np.errstate(all="raise", under="ignore"):
        for extra in (
            {},
            {"multi_label": True} if task.startswith("zero") else {"function_to_apply": "sigmoid"},
        ):
            answerer, _ = recorded(pipeline(task, checkpoints[task]), scaled(np.float32(1e8)))
            answer = answerer.answer_all(["some text"], **labels, **extra)[0]
            scores = answer["scores"] if isinstance(answer, dict) else [e["score"] for e in answer]
            assert np.isfinite(scores).all()


def test_multiple_choice(checkpoints):
    answerer = pipeline("multiple-choice", checkpoints["multiple-choice"])
    item = {"text": "He opened", "choices": ["the door", "a very big unbelievable window", "rain"]}
    answer = answerer(item)
    assert sorted(e["choice"] for e in answer) == [0, 1, 2]
    assert all(e["label"] == item["choices"][e["choice"]] for e in answer)
    assert_close(sum(e["score"] for e in answer), 1.0, FLOAT32)
    assert answerer(item, top_k=1) == answer[:1]
    # The model itself, with all choices in one padded batch.
    encoded = answerer.tokenizer(
        [item["text"]] * 3, item["choices"], padding=True, return_tensors="np"
    )
    from mobilebert.backend import TokenBatch

    batch = TokenBatch(
        *(
            encoded[k][None].astype(np.int64)
            for k in ("input_ids", "attention_mask", "token_type_ids")
        )
    )
    logits = answerer.model.run(batch)["logits"][0].astype(np.float64)
    wanted = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    assert_close([e["score"] for e in sorted(answer, key=lambda e: e["choice"])], wanted, FLOAT32)


def test_next_sentence(checkpoints):
    answerer = pipeline("next-sentence-prediction", checkpoints["next-sentence-prediction"])
    answer = answerer(("A text.", "Its continuation."))
    assert {e["label"] for e in answer} == {"IS_NEXT", "NOT_NEXT"}
    assert answer[0]["score"] >= answer[1]["score"]
    assert answerer({"text": "A text.", "text_pair": "Its continuation."}) == answer
    encoded = answerer.tokenizer("A text.", "Its continuation.", return_tensors="np")
    from mobilebert.backend import TokenBatch

    batch = TokenBatch(encoded["input_ids"], encoded["attention_mask"], encoded["token_type_ids"])
    logits = answerer.model.run(batch)["logits"][0]
    assert answer[0]["label"] == ("IS_NEXT", "NOT_NEXT")[int(logits.argmax())]


def test_pooling_and_normalize(checkpoints):
    extract = pipeline("feature-extraction", checkpoints["feature-extraction"])
    tokens = np.asarray(extract("some words here"))[0]
    assert tokens.shape == (5, 32)
    assert_close(extract("some words here", pooling="mean"), tokens.mean(axis=0), FLOAT32)
    assert_close(extract("some words here", pooling="cls"), tokens[0], FLOAT32)
    unit = np.asarray(extract("some words here", pooling="mean", normalize=True))
    assert_close(np.linalg.norm(unit), 1.0, FLOAT32)
    lengths = np.linalg.norm(np.asarray(extract("some words here", normalize=True))[0], axis=-1)
    assert_close(lengths, np.ones(5), FLOAT32)


def test_return_tensors(checkpoints):
    directory = checkpoints["feature-extraction"]
    assert isinstance(
        pipeline("feature-extraction", directory)("a", return_tensors=True), np.ndarray
    )
    on_torch = pipeline("feature-extraction", directory, backend="torch")
    assert isinstance(on_torch("a", return_tensors=True), torch.Tensor)
    assert isinstance(on_torch("a", return_tensors="np"), np.ndarray)


def test_a_long_text_names_the_way_out(checkpoints):
    extract = pipeline("feature-extraction", checkpoints["feature-extraction"])
    with pytest.raises(InputError, match=r"80 tokens, but 62 fit.*truncation=True"):
        extract("word " * 80)
    assert len(extract("word " * 80, truncation=True)[0]) == 64
    assert len(extract("word " * 80, truncate=True, max_length=10)[0]) == 10


def test_a_mask_behind_the_cut_is_an_error(checkpoints):
    fill = pipeline("fill-mask", checkpoints["fill-mask"])
    with pytest.raises(InputError, match="behind the part"):
        fill("word " * 80 + "[MASK]", truncation=True)


def test_targets_without_tokens(checkpoints, caplog):
    fill = pipeline("fill-mask", checkpoints["fill-mask"])
    with caplog.at_level(logging.WARNING, logger="mobilebert"):
        assert [e["token_str"] for e in fill("a [MASK]", targets=["\u200b", "cat", "cat"])] == [
            "cat"
        ]
    assert "is left out" in caplog.text
    with pytest.raises(InputError, match="None of the targets"):
        fill("a [MASK]", targets="\u200b")


def test_targets_are_looked_up_once_and_before_the_model_runs(checkpoints, caplog):
    fill, backend = recorded(pipeline("fill-mask", checkpoints["fill-mask"]))
    with pytest.raises(InputError, match="^None of the targets"):
        fill(["a [MASK]"] * 3, targets="\u200b")
    assert backend.batches == []
    with caplog.at_level(logging.WARNING, logger="mobilebert"):
        fill(["a [MASK]"] * 3, targets=["unbelievablexyz", "cat"])
    assert caplog.text.count("is no token") == 1


def test_zero_shot_takes_the_name_of_transformers_for_its_texts(checkpoints):
    task = "zero-shot-classification"
    classify = pipeline(task, checkpoints[task], candidate_labels=["x", "a longer label"])
    wanted = classify(["a text", "another"])
    assert classify(sequences=["a text", "another"]) == wanted
    assert classify(sequences="a text", candidate_labels="x") == classify("a text", "x")
    with pytest.raises(InputError, match="Give the texts once"):
        classify("a text", sequences="another")


def test_a_dictionary_of_lists_is_several_questions(checkpoints):
    answerer = pipeline("question-answering", checkpoints["question-answering"])
    questions, context = ["Who?", "Where?"], "Bob slept in Paris."
    answers = answerer({"question": questions, "context": [context, context]})
    assert answers == answerer(question=questions, context=context)
    assert len(answers) == 2


def test_the_question_is_cut_to_its_own_maximum(checkpoints):
    answerer, backend = recorded(pipeline("question-answering", checkpoints["question-answering"]))
    answerer(question="why " * 100, context="Because.", max_question_len=7)
    ids = backend.batches[0].input_ids[0].tolist()
    assert ids.index(102) == 8


def test_answers_never_come_from_the_question(checkpoints):
    answerer = pipeline("question-answering", checkpoints["question-answering"])
    context = "Zoë went home. " * 12
    answers = answerer(question="Who went home?", context=context, top_k=200)
    for answer in answers:
        assert 0 <= answer["start"] < answer["end"] <= len(context)
        assert context[answer["start"] : answer["end"]] == answer["answer"]


def test_windowed_question_answering_sees_the_end_of_the_context(checkpoints):
    """A model that prefers one word finds it wherever it stands."""
    answerer, backend = recorded(pipeline("question-answering", checkpoints["question-answering"]))
    wanted = answerer.tokenizer.convert_tokens_to_ids("reykjavik")

    def prefer(outputs):
        hits = (backend.batches[-1].input_ids == wanted) * 50.0
        return {name: np.asarray(x) * 0 + hits for name, x in outputs.items()}

    backend.change = prefer
    for place in (0, 60, 130, 199):
        words = ["word"] * 200
        words[place] = "Reykjavik"
        context = " ".join(words)
        answer = answerer(question="Where?", context=context)
        assert answer["answer"] == "Reykjavik"
        assert answer["start"] == context.index("Reykjavik")


def test_whole_words_even_across_windows(checkpoints):
    answerer = pipeline("question-answering", checkpoints["question-answering"])
    context = "unbelievabilities " * 30
    for answer in answerer(question="What?", context=context, top_k=50, doc_stride=3):
        assert set(answer["answer"].split()) == {"unbelievabilities"}


def test_the_threshold_of_no_answer_is_a_difference_of_logarithms(checkpoints):
    answerer = pipeline("question-answering", checkpoints["question-answering"])
    asked = {"question": "Who went home?", "context": "Bob went home and Ann went to Paris."}
    best = answerer(**asked, return_null_score=True)
    assert best.keys() == {"score", "start", "end", "answer", "null_score"}
    assert answerer(**asked) == {k: best[k] for k in best if k != "null_score"}
    border = float(np.log(best["null_score"]) - np.log(best["score"]))
    told = {}
    for threshold in (border - 1e-3, border + 1e-3, -1e9, 1e9):
        options = {"handle_impossible_answer": True, "null_score_diff_threshold": threshold}
        told[threshold] = answerer(**asked, **options, return_null_score=True)
    empty, span, never, always = told.values()
    assert (
        empty == never == best | {"score": best["null_score"], "start": 0, "end": 0, "answer": ""}
    )
    assert span == always == best
    assert answerer(**asked, null_score_diff_threshold=-1e9, return_null_score=True) == best


def test_the_configuration_may_hold_the_threshold_of_no_answer(checkpoints, tmp_path):
    directory = shutil.copytree(checkpoints["question-answering"], tmp_path / "model")
    asked = {"question": "Who?", "context": "Bob went home.", "handle_impossible_answer": True}
    answers = {}
    for threshold in (-1e3, 1e3):
        config = MobileBertConfig.from_pretrained(directory)
        store_null_threshold(config, threshold)
        config.save_pretrained(directory)
        answerer = pipeline("question-answering", str(directory))
        answers[threshold] = answerer(**asked)["answer"]
        assert (
            answerer(**asked, null_score_diff_threshold=-threshold)["answer"] != answers[threshold]
        )
    assert answers[-1e3] == ""
    assert answers[1e3]
    text = (directory / "config.json").read_text()
    (directory / "config.json").write_text(text.replace("1000.0", '"much"'))
    answerer = pipeline("question-answering", str(directory))
    with pytest.raises(ConfigError, match="null_score_diff_threshold must be a finite number"):
        answerer(**asked)


def test_a_slow_tokenizer_tags_without_offsets_and_cannot_answer_questions(checkpoints):
    slow = MobileBertTokenizer.from_pretrained(BUNDLED_MODEL)
    fast = pipeline("ner", checkpoints["token-classification"], ignore_labels=[])
    without = pipeline("ner", checkpoints["token-classification"], slow, ignore_labels=[])
    text = "George went to unbelievable Reykjavik."
    for strategy in ("none", "simple", "first", "average", "max"):
        found = without(text, aggregation_strategy=strategy)
        wanted = fast(text, aggregation_strategy=strategy)
        assert all(e["start"] is None for e in found)
        key = "entity" if strategy == "none" else "entity_group"
        assert [e[key] for e in found] == [e[key] for e in wanted]
    with pytest.raises(InputError, match="MobileBertTokenizerFast"):
        without("word " * 80)
    with pytest.raises(InputError, match="MobileBertTokenizerFast"):
        pipeline("question-answering", checkpoints["question-answering"], slow)


@pytest.mark.parametrize(
    "task", ["text-classification", "token-classification", "zero-shot-classification"]
)
def test_labels_with_other_numbers_are_refused_in_one_sentence(task, tmp_path):
    """They load, as in transformers: features have no labels."""
    names = {1: "entailment", 2: "neutral", 3: "contradiction"}
    directory = write_checkpoint(tmp_path, task, id2label=names)
    assert pipeline("feature-extraction", directory)("a")
    labels = {"candidate_labels": "x,y"} if task.startswith("zero") else {}
    with pytest.raises(ConfigError, match=r"id2label has the numbers \[1, 2, 3\].* from 0 to 2"):
        pipeline(task, directory)("some text", **labels)


def test_entailment_needs_a_label_of_that_name(tmp_path, caplog):
    directory = write_checkpoint(tmp_path / "nli", "sequence_classification", num_labels=3)
    with caplog.at_level(logging.WARNING, logger="mobilebert"):
        pipeline("zero-shot-classification", directory)
    assert "starts with 'entail'" in caplog.text
    directory = write_checkpoint(tmp_path / "one", "sequence_classification", num_labels=1)
    with pytest.raises(InputError, match="trained for entailment"):
        pipeline("zero-shot-classification", directory)


@pytest.mark.parametrize(
    ("problem", "labels", "total"),
    [
        ("regression", 1, None),
        ("multi_label_classification", 3, None),
        ("single_label_classification", 3, 1.0),
        (None, 1, None),
        (None, 3, 1.0),
    ],
)
def test_scores_follow_the_problem_type(problem, labels, total, tmp_path):
    directory = write_checkpoint(
        tmp_path, "sequence_classification", num_labels=labels, problem_type=problem
    )
    answerer, _ = recorded(
        pipeline("text-classification", directory), lambda o: {"logits": o["logits"] * 0 + 2.0}
    )
    scores = [entry["score"] for entry in answerer("text", top_k=None)]
    each = {"regression": 2.0, None: 1 / (1 + np.exp(-2)) if labels == 1 else 1 / 3}.get(
        problem, 1 / (1 + np.exp(-2)) if problem == "multi_label_classification" else 1 / 3
    )
    assert_close(scores, [each] * labels, FLOAT32)
    if total:
        assert_close(sum(scores), total, FLOAT32)


BAD_INPUTS = [
    ("fill-mask", "no mask here", r"no \[MASK\]"),
    ("fill-mask", "", "empty"),
    ("fill-mask", " \t\n", "empty"),
    ("fill-mask", "a \ud800 [MASK]", r"lone surrogate U\+D800 at character 2"),
    ("fill-mask", {"text": "x"}, "must be a string, not dict"),
    ("text-classification", None, "must be a string, not NoneType"),
    ("text-classification", {"txt": "x"}, "keys text and text_pair, not txt"),
    ("text-classification", ("a", "b", "c"), "A pair has two texts, not 3"),
    ("text-classification", {"text": "a", "text_pair": ""}, "text_pair is empty"),
    ("token-classification", b"bytes", "must be a string, not bytes"),
    ("zero-shot-classification", "text", "needs labels"),
    ("question-answering", {"question": "x"}, '"question" and "context", not question'),
    ("question-answering", {"question": "x", "context": ""}, "context is empty"),
    ("next-sentence-prediction", "only one", "needs pairs"),
    ("multiple-choice", {"text": "a", "choices": []}, "list of texts"),
    ("multiple-choice", "a", '"choices"'),
]


@pytest.mark.parametrize(("task", "item", "message"), BAD_INPUTS)
def test_bad_inputs(task, item, message, checkpoints):
    answerer = pipeline(task, checkpoints[task])
    with pytest.raises(InputError, match=message):
        answerer(item)
    with pytest.raises(InputError, match=message):
        answerer([item, item])


BAD_PARAMETERS = [
    ("fill-mask", {"top_k": 0}, InputError, "top_k must be a whole number of at least 1"),
    ("fill-mask", {"top_k": "five"}, InputError, "'five'"),
    ("fill-mask", {"targets": []}, InputError, "targets"),
    ("fill-mask", {"targets": 5}, InputError, "targets must be a list of words, or one word"),
    ("fill-mask", {"targets": ["a", 5]}, InputError, "targets must be a list of words"),
    ("fill-mask", {"tokenizer_kwargs": 5}, InputError, "a dictionary such as .*, not 5"),
    ("fill-mask", {"tokenizer_kwargs": "abc"}, InputError, "a dictionary such as .*, not 'abc'"),
    ("fill-mask", {"topk": 5}, ArgumentError, "no parameter 'topk'.*Did you mean 'top_k'"),
    ("fill-mask", {"tokenizer_kwargs": {"foo": 1}}, ArgumentError, "tokenizer option 'foo'"),
    ("text-classification", {"function_to_apply": "tanh"}, InputError, "softmax, sigmoid, none"),
    ("text-classification", {"truncation": "middle"}, InputError, "longest_first"),
    ("text-classification", {"return_all_scores": "False"}, InputError, "must be True or False"),
    ("token-classification", {"aggregation_strategy": "mean"}, InputError, "none, simple, first"),
    ("token-classification", {"ignore_labels": "O"}, InputError, "list of labels"),
    ("token-classification", {"ignore_labels": 5}, InputError, "list of labels, not 5"),
    ("token-classification", {"delimiter": 5}, InputError, "delimiter must be a text, not 5"),
    ("token-classification", {"is_split_into_words": "False"}, InputError, "True or False, not 'F"),
    ("token-classification", {"stride": -1}, InputError, "stride"),
    ("question-answering", {"max_answer_len": 0}, InputError, "max_answer_len"),
    ("question-answering", {"align_to_words": "False"}, InputError, "must be True or False"),
    ("question-answering", {"handle_impossible_answer": 0}, InputError, "True or False, not 0"),
    ("question-answering", {"return_null_score": "False"}, InputError, "must be True or False"),
    ("question-answering", {"null_score_diff_threshold": "1"}, InputError, "a finite number"),
    (
        "question-answering",
        {"null_score_diff_threshold": float("nan")},
        InputError,
        "a finite number, not nan",
    ),
    ("feature-extraction", {"pooling": "sum"}, InputError, "none, mean, cls"),
    ("feature-extraction", {"normalize": "False"}, InputError, "normalize must be True or False"),
    ("feature-extraction", {"return_tensors": 1}, InputError, "True, 'np', 'pt' or 'tf', not 1"),
    ("feature-extraction", {"truncation": True, "truncate": True}, InputError, "same"),
    ("zero-shot-classification", {"hypothesis_template": "no place"}, InputError, "must hold {}"),
    ("zero-shot-classification", {"hypothesis_template": "{} {}"}, InputError, "must hold {}"),
    ("zero-shot-classification", {"hypothesis_template": "On {{x}}."}, InputError, "must hold {}"),
    ("zero-shot-classification", {"candidate_labels": 5}, InputError, "a list of texts, not 5"),
    ("zero-shot-classification", {"multi_label": "False"}, InputError, "must be True or False"),
]


@pytest.mark.parametrize(("task", "parameters", "error", "message"), BAD_PARAMETERS)
def test_bad_parameters_are_refused_before_a_model_is_loaded(task, parameters, error, message):
    with pytest.raises(error, match=message):
        pipeline(task, "/nowhere", **parameters)


def test_too_long_for_question_answering(checkpoints):
    answerer = pipeline("question-answering", checkpoints["question-answering"])
    question, context = "why " * 20, "word " * 100
    with pytest.raises(InputError, match="max_seq_len=100 is more than the model reads: 64"):
        answerer(question=question, context=context, max_seq_len=100)
    with pytest.raises(InputError, match="doc_stride=60"):
        answerer(question=question, context=context, doc_stride=60)
    with pytest.raises(InputError, match="2 questions but 1 contexts"):
        answerer(question=["a", "b"], context=["c"])
