import json

import pytest
import torch
from click.testing import CliRunner

from mobilebert import (
    MobileBertConfig,
    MobileBertForMaskedLM,
    MobileBertForPreTraining,
    MobileBertForSequenceClassification,
)
from mobilebert.commands.main import cli
from mobilebert.errors import InputError
from mobilebert.pretraining.judging import evaluate_pretraining, is_prepared
from pretraining.small_text import small_tokenizer, write_config, write_prepared


@pytest.fixture(scope="session")
def model(tmp_path_factory, tokenizer, config_file):
    directory = tmp_path_factory.mktemp("model")
    torch.manual_seed(1)
    made = MobileBertForPreTraining(MobileBertConfig.from_json_file(config_file))
    made.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def test_all_sources_are_judged(model, prepared):
    judged = evaluate_pretraining(model, prepared, words=None)
    assert set(judged.sources()) == {"a.txt", "b.txt"}
    words = [row["masked_words"] for row in judged.sources().values()]
    assert sum(words) == judged.scores.total().words > 40
    assert judged.metrics["masked_lm_loss"] == pytest.approx(3.2, abs=0.4)
    lines = judged.summary().splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["a.txt", "b.txt", "all"]
    assert f"{judged.metrics['masked_lm_accuracy']:.4f}" in lines[-1]


def test_the_command_says_the_same(model, prepared):
    found = CliRunner().invoke(
        cli, ["evaluate", "--model", str(model), "--data", str(prepared), "--words", "30", "--json"]
    )
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    judged = evaluate_pretraining(model, prepared, words=30)
    assert told == {"metrics": judged.metrics, "sources": judged.sources()}
    table = CliRunner().invoke(cli, ["evaluate", "--model", str(model), "--data", str(prepared)])
    assert "masked_lm_accuracy" in table.stdout


def test_what_cannot_be_judged_is_told(model, prepared, tokenizer, config_file, tmp_path):
    (tmp_path / "data").mkdir()
    write_prepared(tmp_path / "data", tokenizer, held_out=0)
    with pytest.raises(InputError, match="holds no text out"):
        evaluate_pretraining(model, tmp_path / "data")
    with pytest.raises(InputError, match="at least 1"):
        evaluate_pretraining(model, prepared, words=0)
    other = small_tokenizer(tmp_path, ["a", "b"])
    with pytest.raises(InputError, match="another vocabulary"):
        evaluate_pretraining(model, prepared, tokenizer=other)
    with pytest.raises(InputError, match="no such data|manifest|prepared"):
        evaluate_pretraining(model, tmp_path / "nowhere")
    classifier = MobileBertForSequenceClassification(MobileBertConfig.from_json_file(config_file))
    classifier.save_pretrained(tmp_path / "classifier")
    tokenizer.save_pretrained(tmp_path / "classifier")
    with pytest.raises(InputError, match="no head for masked words"):
        evaluate_pretraining(tmp_path / "classifier", prepared)
    said = CliRunner().invoke(
        cli, ["evaluate", "--model", str(model), "--data", str(prepared), "--data", str(prepared)]
    )
    assert said.exit_code == 2
    assert "one directory" in said.output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"max_position_embeddings": 10}, "held-out sequences of .* the model reads 10 "),
        ({"type_vocab_size": 1}, "the model knows a single one"),
    ],
)
def test_text_that_the_model_cannot_read_is_refused(prepared, tokenizer, tmp_path, change, said):
    config = MobileBertConfig.from_json_file(write_config(tmp_path, len(tokenizer), **change))
    MobileBertForPreTraining(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=said):
        evaluate_pretraining(tmp_path, prepared)


def test_next_sentences_are_not_judged_without_a_head_for_them(model, prepared, tmp_path, caplog):
    MobileBertForMaskedLM.from_pretrained(model).save_pretrained(tmp_path)
    small_tokenizer(tmp_path)
    whole = evaluate_pretraining(model, prepared)
    assert "next sentences" not in caplog.text
    judged = evaluate_pretraining(tmp_path, prepared)
    assert caplog.text.count("no head for next sentences") == 1
    words = {"masked_lm_accuracy", "masked_lm_loss"}
    assert judged.metrics == {name: whole.metrics[name] for name in words}
    assert judged.sources().keys() == whole.sources().keys()
    for row in judged.sources().values():
        assert row.keys() == {"masked_words", *words}
    assert [line.split()[-2:] for line in judged.summary().splitlines()[1:]] == [["-", "-"]] * 3


def test_prepared_data_are_known_by_their_manifest(prepared, tmp_path):
    assert is_prepared(prepared)
    assert not is_prepared(tmp_path)
