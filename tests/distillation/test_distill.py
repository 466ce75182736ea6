import json
from functools import partial

import pytest
import torch
from safetensors.torch import load_file

from distillation import small_pair
from distillation.small_pair import distilled
from mobilebert import MobileBertConfig, MobileBertForPreTraining
from mobilebert.distillation.presets import distillation_preset
from mobilebert.distillation.settings import DistillSettings
from mobilebert.errors import CheckpointError, InputError
from mobilebert.pretraining.pretrain import pretrain
from pretraining.small_fixtures import prepared, tokenizer, tokenizer_dir
from pretraining.small_text import (
    WORDS,
    killed_at,
    small_tokenizer,
    write_config,
)

__all__ = ["distilled", "prepared", "tokenizer", "tokenizer_dir"]

LAYERS = {"num_hidden_layers": 2}


@pytest.fixture(scope="session")
def student(tmp_path_factory, tokenizer):
    return write_config(tmp_path_factory.mktemp("student"), len(tokenizer), **LAYERS)


@pytest.fixture(scope="session")
def teacher(tmp_path_factory, prepared, tokenizer_dir, tokenizer):
    root = tmp_path_factory.mktemp("teachers")
    config = write_config(root, len(tokenizer), variant="teacher", num_hidden_layers=4)
    settings = {"steps": 200, "batch_size": 16, "learning_rate": 5e-3}
    pretrain(config, data=prepared, output=root / "t", tokenizer=tokenizer_dir, **settings)
    return root / "t"


SETTINGS = small_pair.SETTINGS | {"learning_rate": 3e-3}


@pytest.fixture
def run(distilled):
    return partial(distilled, **SETTINGS)


def weights(directory):
    return load_file(directory / "model.safetensors")


def same(one, other):
    return all(torch.equal(x, other[name]) for name, x in one.items())


STAGES = {
    "progressive": ["layer-00", "layer-01", "distillation"],
    "joint": ["joint", "distillation"],
    "auxiliary": ["auxiliary"],
    "distillation": ["distillation"],
}


@pytest.mark.parametrize("strategy", STAGES)
def test_every_strategy_makes_a_model(run, tmp_path, strategy):
    steps = {"transfer_steps": None} if strategy == "distillation" else {}
    result = run(strategy=strategy, **steps)
    assert result.metrics.keys() >= {"masked_lm_accuracy", "next_sentence_accuracy"}
    assert list(dict.fromkeys(entry["stage"] for entry in result.history)) == STAGES[strategy]
    report = json.loads((tmp_path / "model/report.json").read_text())
    assert report["strategy"] == strategy
    assert report["teacher"] == "t"
    spent = {x["stage"]: x["seconds"] for x in result.history if "seconds" in x}
    assert list(spent) == STAGES[strategy]
    assert min(spent.values()) > 0
    assert report["seconds"] == pytest.approx(sum(spent.values()))
    parts = {name for entry in result.history for name in entry.get("parts", {})}
    assert parts == {"masked words", "next sentence"} | (
        set() if strategy == "distillation" else {"transfer"}
    )


@pytest.mark.parametrize("optimizer", ["adamw", "lamb"])
def test_layers_come_near_the_teachers(run, optimizer):
    result = run(transfer_steps=300, distillation_steps=1, optimizer=optimizer)
    for stage in ("layer-00", "layer-01"):
        told = [
            x["parts"]["transfer"] for x in result.history if x["stage"] == stage and "loss" in x
        ]
        assert told[-1] < 0.6 * told[0], stage


def test_a_taught_student_knows_more_after_as_many_steps_of_words(run):
    taught = run("taught", transfer_steps=200, distillation_steps=150)
    nothing = {"strategy": "distillation", "hard_share": 1.0, "no_copies": True}
    alone = run("alone", transfer_steps=None, distillation_steps=150, **nothing)
    assert taught.metrics["masked_lm_loss"] < alone.metrics["masked_lm_loss"]


def test_no_steps_of_a_transfer_are_told_where_there_is_none():
    preset = distillation_preset(MobileBertConfig())
    words = DistillSettings(strategy="distillation").filled(preset)
    assert words.transfer_steps is None
    assert words.distillation_steps == 500_000
    assert DistillSettings().filled(preset).transfer_steps == 240_000


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, "same-kind"),
        ({"progressive_form": "model-garden"}, "copied"),
        ({"progressive_form": "model-garden", "embedding_norm": "same-kind"}, "same-kind"),
        ({"progressive_form": "model-garden", "strategy": "joint"}, "same-kind"),
        ({"embedding_norm": "copied"}, "copied"),
    ],
)
def test_the_norm_of_the_embeddings_is_copied_as_the_forms_code_does(given, wanted):
    settings = DistillSettings(**given).filled(distillation_preset(MobileBertConfig()))
    assert settings.embedding_norm == wanted


def test_a_warm_up_is_shortened_by_the_stage_that_has_it():
    steps = {"auxiliary": 700, "joint": 700, "distillation": None}
    settings = {"distillation_steps": 50, "warmup": 600.0}
    warmups = {
        name: DistillSettings(strategy=name, transfer_steps=transfer, **settings)
        .stages(2)[-1]
        .background.warmup
        for name, transfer in steps.items()
    }
    assert warmups == {"auxiliary": 600, "joint": 49, "distillation": 49}


@pytest.mark.parametrize(
    "given",
    [
        {"feature_map_factor": 0.0},
        {"mean_factor": 1.0},
        {"variance_factor": 1.0},
        {"statistics": "all-maps"},
    ],
)
def test_what_the_paper_does_not_have_is_refused_in_its_form(given):
    (name,) = given
    with pytest.raises(InputError, match=f"{name} is of the code's objectives"):
        DistillSettings(form="paper", **given)
    assert getattr(DistillSettings(**given), name) == given[name]
    assert DistillSettings(form="paper", attention_factor=0.0).attention_factor == 0


def test_steps_of_a_transfer_are_refused_where_there_is_none():
    with pytest.raises(InputError, match="transfer_steps is 200, and strategy 'distillation'"):
        DistillSettings(strategy="distillation", transfer_steps=200)
    assert DistillSettings(strategy="joint", transfer_steps=200).transfer_steps == 200


def test_a_student_of_another_vocabulary_is_refused(run, tmp_path):
    begun = run(transfer_steps=2, distillation_steps=1).output_dir
    small_tokenizer(begun, WORDS[::-1])  # as many, in another order
    with pytest.raises(InputError, match="vocabular"):
        run("other", student=None, init=begun)
    assert not (tmp_path / "other").exists()


def test_the_teacher_stays_as_it_is(run, teacher):
    before = weights(teacher)
    run()
    assert same(before, weights(teacher))


def test_embeddings_and_heads_are_the_teachers_until_they_learn(run, teacher):
    result = run(distillation_steps=0)
    table = "mobilebert.embeddings.word_embeddings.weight"
    assert torch.equal(weights(result.output_dir)[table], weights(teacher)[table])
    own = run("own", distillation_steps=0, no_copies=True)
    assert not torch.equal(weights(own.output_dir)[table], weights(teacher)[table])


def test_nothing_of_a_finished_model_is_frozen(run, tmp_path, tokenizer):
    # As wide between layers as words are: one of its tables is empty, and never learns.
    wide = write_config(tmp_path, len(tokenizer), embedding_size=32, **LAYERS)
    options = {"strategy": "joint", "transfer_steps": 2, "distillation_steps": 0}
    result = run(student=wide, no_copies=True, **options)
    learns = {name: x.requires_grad for name, x in result.model.named_parameters()}
    loaded = MobileBertForPreTraining.from_pretrained(result.output_dir)
    assert learns == {name: x.requires_grad for name, x in loaded.named_parameters()}
    assert set(learns.values()) == {True, False}


def test_model_garden_copies_the_norm_of_the_embeddings(run, teacher):
    norm = "mobilebert.embeddings.LayerNorm.weight"
    options = {"progressive_form": "model-garden", "learning_rate": 1e-12}
    taken = weights(run(**options).output_dir)[norm]
    own = weights(run("own", embedding_norm="same-kind", **options).output_dir)[norm]
    wanted = weights(teacher)[norm]
    assert torch.allclose(taken, wanted, rtol=0, atol=1e-9)
    assert not torch.allclose(own, wanted, rtol=0, atol=1e-9)


def test_parts_of_a_batch_change_nothing(run):
    one, other = run("one"), run("other", micro_tokens=60)
    for name, tensor in weights(one.output_dir).items():
        torch.testing.assert_close(
            weights(other.output_dir)[name], tensor, rtol=1e-2, atol=1e-3, msg=name
        )


def test_killed_across_borders_of_stages_it_ends_with_the_same_weights(
    teacher, student, prepared, tmp_path
):
    common = ["distill", "--teacher", teacher, "--student", student, "--data", prepared]
    for name, value in SETTINGS.items():
        common += [f"--{name.replace('_', '-')}", value]
    whole, output = tmp_path / "whole", tmp_path / "killed"
    killed_at([*common, "--output", whole], whole, None, None)
    arguments = [*common, "--output", output]
    for stage, step in (("layer-00", 4), ("layer-01", 1), ("distillation", 2)):
        killed_at(arguments, output, stage, step)
        arguments = [*arguments, "--resume"] if "--resume" not in arguments else arguments
    killed_at(arguments, output, None, None)
    found, wanted = weights(output), weights(whole)
    assert [name for name in wanted if not torch.equal(found[name], wanted[name])] == []
    assert not (output / "training").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hidden_size": 16}, "hidden_size"),
        ({"num_hidden_layers": 3}, "3 groups"),
        ({"num_attention_heads": 2}, "attention heads"),
        ({"embedding_size": 8}, "embedding_size"),
    ],
)
def test_models_that_do_not_fit_are_refused(run, tmp_path, tokenizer, change, said):
    other = write_config(tmp_path, len(tokenizer), **(LAYERS | change))
    with pytest.raises(InputError, match=said):
        run(student=other)
    assert not (tmp_path / "model").exists()


def test_a_teacher_that_only_answers_questions_is_refused(run, tmp_path, teacher):
    from mobilebert import MobileBertForQuestionAnswering

    answering = tmp_path / "answering"
    MobileBertForQuestionAnswering.from_pretrained(teacher).save_pretrained(answering)
    for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json"):
        (answering / name).write_bytes((teacher / name).read_bytes())
    with pytest.raises(InputError, match="no scores of masked words"):
        run(teacher=answering)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"teacher": "nowhere/at-all/here"}, CheckpointError, "nowhere"),
        ({"student": "mobilebert-huge"}, InputError, "neither a preset"),
        ({"student": None}, InputError, "one of student"),
        ({"layer_mapping": "1"}, InputError, "needed is one for each"),
        ({"layer_mapping": "odd"}, InputError, "last-of-group"),
        ({"layer_mapping": "1,x3"}, InputError, "numbers with commas"),
        ({"strategy": "magic"}, InputError, "progressive"),
        ({"transfer_steps": 1}, InputError, "fewer than one for each"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_made(
    run, tmp_path, options, error, said
):
    with pytest.raises(error, match=said):
        run(**options)
    assert not (tmp_path / "model").exists()


def test_another_vocabulary_is_refused(run, tmp_path):
    other = small_tokenizer(tmp_path, ["a", "b"])
    with pytest.raises(InputError, match="vocabulary"):
        run(tokenizer=other)
