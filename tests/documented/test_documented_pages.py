"""The code blocks of the documented pages, with `mobilebert` in the place of `transformers`."""

import importlib
import json
import subprocess
import sys

import pytest
import torch
import transformers

import mobilebert
from assertions import assert_close
from documented.blocks import ANY_CHECKPOINT, CAPITAL, DOG, HEADS, NEW_HEADS
from mobilebert.hub import BUNDLED_MODEL, BUNDLED_MODELS
from mobilebert.tasks import TASKS
from tolerances import BUNDLED_LOGITS, FLOAT16_SCORE, PRINTED_SCORE

DIRECTORY = str(BUNDLED_MODELS[BUNDLED_MODEL])


def assert_same_results(found, wanted):
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            assert_close(found[name].detach(), value.detach(), BUNDLED_LOGITS, name)
        elif isinstance(value, torch.Tensor):
            assert torch.equal(found[name], value), name
        elif isinstance(value, float):  # printed with two digits
            assert found[name] == pytest.approx(value, abs=PRINTED_SCORE), name
        else:
            assert found[name] == value, name


@pytest.mark.parametrize("block", ANY_CHECKPOINT, ids=lambda block: block.__name__)
def test_blocks_give_the_same_numbers(block):
    wanted = block(transformers, DIRECTORY)
    assert_same_results(block(mobilebert, BUNDLED_MODEL), wanted)
    assert_same_results(block(mobilebert, DIRECTORY), wanted)


@pytest.mark.parametrize("block", HEADS, ids=lambda block: block.__name__)
def test_blocks_with_fine_tuned_heads_give_the_same_numbers(block, checkpoint_for):
    name = checkpoint_for(*HEADS[block])
    assert_same_results(block(mobilebert, name), block(transformers, name))


def test_a_different_head_is_seen(checkpoint_for):
    # The twin of the tests above.
    (block, (task, labels)), *_ = HEADS.items()
    wanted = block(transformers, checkpoint_for(task, labels))
    with pytest.raises(AssertionError):
        assert_same_results(block(mobilebert, checkpoint_for(task, labels + 1)), wanted)


@pytest.mark.parametrize("class_name", NEW_HEADS)
def test_new_heads_on_the_pretrained_checkpoint(class_name, caplog):
    with caplog.at_level("WARNING", logger="mobilebert"):
        ours = getattr(mobilebert, class_name).from_pretrained(BUNDLED_MODEL, num_labels=2)
    (warning,) = [r.getMessage() for r in caplog.records if "initiali" in r.getMessage()]
    head = "qa_outputs" if "Question" in class_name else "classifier"
    assert f"{head}.weight" in warning
    assert f"{head}.bias" in warning
    peer = getattr(transformers, class_name).from_pretrained(DIRECTORY, num_labels=2)
    peer.load_state_dict(ours.state_dict())
    tokenizer = mobilebert.AutoTokenizer.from_pretrained(BUNDLED_MODEL)
    inputs = tokenizer([DOG, CAPITAL], return_tensors="pt", padding=True)
    if "Choice" in class_name:
        inputs = {name: x[None] for name, x in inputs.items()}
    with torch.no_grad():
        found, wanted = ours(**inputs), peer(**inputs)
    assert_same_results(dict(found), dict(wanted))


def test_configuration_block():
    configuration = mobilebert.MobileBertConfig()
    model = mobilebert.MobileBertModel(configuration)
    configuration = model.config
    assert model.num_parameters() == 24_844_544
    peer = transformers.MobileBertConfig()
    theirs = peer.to_dict()
    ours = configuration.to_dict()
    shared = [name for name in theirs if name in ours and name != "transformers_version"]
    assert {name: ours[name] for name in shared} == {name: theirs[name] for name in shared}
    assert set(peer.to_diff_dict()) - {"transformers_version"} <= set(ours)


@pytest.fixture
def wanted(monkeypatch):
    """What the peer's pipeline answers; without this it stops at TensorFlow's Keras 3."""
    monkeypatch.setattr(transformers.utils.import_utils, "_tf_available", False)
    return transformers.pipeline("fill-mask", model=DIRECTORY, device=-1, dtype="float32")(CAPITAL)


def test_pipeline_block(wanted):
    found = mobilebert.pipeline(task="fill-mask", model=BUNDLED_MODEL, dtype="float32")(CAPITAL)
    assert_same_answers(found, wanted)


def test_pipeline_block_with_a_device_that_is_not_there(wanted, caplog, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with caplog.at_level("WARNING", logger="mobilebert"):
        answers = mobilebert.pipeline(
            task="fill-mask", model=BUNDLED_MODEL, dtype=torch.float16, device=0
        )(CAPITAL)
    assert "CPU" in caplog.text
    assert [a["token_str"] for a in answers] == [a["token_str"] for a in wanted]
    for ours, theirs in zip(answers, wanted, strict=True):
        assert ours["score"] == pytest.approx(theirs["score"], rel=FLOAT16_SCORE)


def assert_same_answers(found, wanted):
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.keys() == theirs.keys()
        score = theirs.pop("score")
        assert ours.pop("score") == pytest.approx(score, rel=BUNDLED_LOGITS * 10)
        assert ours == theirs


def test_command_line_block(wanted):
    # echo -e "The capital of France is [MASK]." | ... run --task fill-mask --model NAME --device 0
    start = "from mobilebert.commands.main import main; main()"
    command = [sys.executable, "-c", start, "run", "--task", "fill-mask"]
    options = ["--model", BUNDLED_MODEL, "--format", "json", "--dtype", "float32"]
    done = subprocess.run(
        command + options, input=f"{CAPITAL}\n", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (answers,) = json.loads(done.stdout)
    assert_same_answers(answers, wanted)


DOCUMENTED_NAMES = (
    *(row.class_name for row in TASKS.values()),
    *(row.auto_name for row in TASKS.values()),
    "AutoConfig",
    "AutoTokenizer",
    "MobileBertConfig",
    "MobileBertPreTrainedModel",
    "MobileBertTokenizer",
    "MobileBertTokenizerFast",
    "pipeline",
)

QUALIFIED_NAMES = (
    "modeling_outputs.BaseModelOutputWithPooling",
    "modeling_outputs.MaskedLMOutput",
    "modeling_outputs.MultipleChoiceModelOutput",
    "modeling_outputs.NextSentencePredictorOutput",
    "modeling_outputs.QuestionAnsweringModelOutput",
    "modeling_outputs.SequenceClassifierOutput",
    "modeling_outputs.TokenClassifierOutput",
    "models.mobilebert.modeling_mobilebert.MobileBertForPreTrainingOutput",
    *(f"models.mobilebert.modeling_mobilebert.{row.class_name}" for row in TASKS.values()),
    "models.mobilebert.configuration_mobilebert.MobileBertConfig",
    "models.mobilebert.tokenization_mobilebert.MobileBertTokenizer",
    "models.mobilebert.tokenization_mobilebert_fast.MobileBertTokenizerFast",
)


@pytest.mark.parametrize("name", DOCUMENTED_NAMES)
def test_documented_names_are_at_the_top(name):
    assert getattr(mobilebert, name).__name__ == getattr(transformers, name).__name__ == name


@pytest.mark.parametrize("name", QUALIFIED_NAMES)
def test_documented_names_have_their_qualified_place(name):
    module, _, last = name.rpartition(".")
    for package in ("transformers", "mobilebert"):
        assert hasattr(importlib.import_module(f"{package}.{module}"), last)
