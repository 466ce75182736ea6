import json

import pytest
import torch
import transformers

from mobilebert.training.finetune import finetune
from pipelines.random_checkpoints import write_checkpoint
from tolerances import FOLDED_LOGITS


def article(number):
    context = f"Article {number} says that the film of {number} minutes is fine ."
    answer = {"text": "film", "answer_start": context.index("film")}
    question = {"id": str(number), "question": "What is it ?", "answers": [answer]}
    return {"title": str(number), "paragraphs": [{"context": context, "qas": [question]}]}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    directory = tmp_path_factory.mktemp("questions")
    data = directory / "squad.json"
    data.write_text(json.dumps({"version": "1.1", "data": [article(n) for n in range(10)]}))
    # Its configuration has three labels, as that of a model for another task.
    model = write_checkpoint(directory / "start", "text-classification")
    assert len(json.loads((model / "config.json").read_text())["id2label"]) == 3
    limits = {"max_steps": 2, "batch_size": 4, "max_length": 16}
    output = directory / "tuned"
    return finetune("question-answering", train=data, model=model, output=output, **limits)


def test_transformers_loads_it_with_equal_logits(result):
    loaded = transformers.AutoModelForQuestionAnswering.from_pretrained(result.output_dir)
    assert loaded.config.num_labels == 2
    inputs = result.tokenizer("What is it ?", "The film is fine .", return_tensors="pt")
    with torch.no_grad():
        ours, theirs = result.model(**inputs), loaded(**inputs)
    span = ours.start_logits.max() - ours.start_logits.min()
    for name in ("start_logits", "end_logits"):
        assert (ours[name] - theirs[name]).abs().max() < FOLDED_LOGITS * span
    assert (ours.start_logits - theirs.end_logits).abs().max() > FOLDED_LOGITS * span


def test_it_is_said_what_became_of_long_contexts(result):
    assert result.report.data.long_items > 0
    assert result.report.data.long_text == "window"
    for name in ("README.md", "report.html"):
        assert "they are read in windows" in (result.output_dir / name).read_text()


def test_it_is_said_how_many_answers_are_not_seen(result, tmp_path):
    assert not any("no answer that lies whole" in one for one in warnings_of(result))
    data = tmp_path / "squad.json"
    start = article(0)["paragraphs"][0]["context"].index("fine")
    behind = [{"text": "fine", "answer_start": start}]
    articles = [article(number) for number in range(10)]
    for one in articles:
        one["paragraphs"][0]["qas"][0]["answers"] = behind
    data.write_text(json.dumps({"version": "1.1", "data": articles}))
    cut = finetune(
        "question-answering",
        train=data,
        model=result.output_dir,
        output=tmp_path / "tuned",
        **{"max_steps": 1, "batch_size": 4, "max_length": 16, "long_text": "truncate"},
    )
    assert any("9 questions have no answer that lies whole" in one for one in warnings_of(cut))


def warnings_of(result):
    return result.report.evaluation.warnings
