import json
import sys

import pytest

import mobilebert
from mobilebert.errors import ArgumentError, ConfigError, InputError, MissingExtraError
from mobilebert.hub import BUNDLED_MODEL
from mobilebert.tasks import TASKS
from models import small_config

AUTO_NAMES = [row.auto_name for row in TASKS.values()]


@pytest.mark.parametrize("task", TASKS)
def test_auto_models_are_the_documented_classes(tmp_path, task):
    row = TASKS[task]
    auto = getattr(mobilebert, row.auto_name)
    cls = getattr(mobilebert, row.class_name)
    model = auto.from_config(small_config(), dtype="float16")
    assert type(model) is cls
    assert str(model.dtype) == "torch.float16"
    model.save_pretrained(tmp_path)
    loaded, info = auto.from_pretrained(tmp_path, output_loading_info=True)
    assert type(loaded) is cls
    assert not any(info.values())


def test_the_older_name_of_the_masked_language_model(tmp_path):
    with pytest.warns(FutureWarning, match="use AutoModelForMaskedLM") as said:
        model = mobilebert.AutoModelWithLMHead.from_config(small_config())
    assert said[0].filename == __file__
    model.save_pretrained(tmp_path)
    with pytest.warns(FutureWarning, match="AutoModelWithLMHead is deprecated"):
        loaded = mobilebert.AutoModelWithLMHead.from_pretrained(tmp_path)
    assert type(loaded) is type(model) is mobilebert.MobileBertForMaskedLM


@pytest.mark.parametrize("name", [*AUTO_NAMES, "AutoConfig", "AutoTokenizer"])
def test_auto_names_make_no_objects(name):
    with pytest.raises(ArgumentError, match=rf"{name}\.from_pretrained"):
        getattr(mobilebert, name)()


@pytest.fixture
def bert(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "vocab_size": 9}))
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
    return tmp_path


@pytest.mark.parametrize("name", [*AUTO_NAMES, "AutoConfig", "AutoTokenizer"])
def test_another_model_is_refused(bert, name):
    with pytest.raises(ConfigError, match=r"'bert'.*for MobileBERT only"):
        getattr(mobilebert, name).from_pretrained(bert)


@pytest.mark.parametrize("name", [*AUTO_NAMES, "AutoConfig", "AutoTokenizer"])
def test_code_of_a_checkpoint_is_never_run(name):
    with pytest.raises(InputError, match="never runs code"):
        getattr(mobilebert, name).from_pretrained(BUNDLED_MODEL, trust_remote_code=True)


def test_auto_config():
    config = mobilebert.AutoConfig.from_pretrained(BUNDLED_MODEL, num_labels=4)
    assert isinstance(config, mobilebert.MobileBertConfig)
    assert config.num_labels == 4
    _, unused = mobilebert.AutoConfig.from_pretrained(
        BUNDLED_MODEL, return_unused_kwargs=True, colour="red", trust_remote_code=False
    )
    assert unused == {"colour": "red"}
    assert mobilebert.AutoConfig.for_model("mobilebert", vocab_size=50).vocab_size == 50
    with pytest.raises(ConfigError, match="albert"):
        mobilebert.AutoConfig.for_model("albert")


def test_auto_tokenizer(tmp_path):
    fast = mobilebert.AutoTokenizer.from_pretrained(BUNDLED_MODEL)
    slow = mobilebert.AutoTokenizer.from_pretrained(BUNDLED_MODEL, use_fast=False)
    assert type(fast) is mobilebert.MobileBertTokenizerFast
    assert type(slow) is mobilebert.MobileBertTokenizer
    assert fast("a small text")["input_ids"] == slow("a small text")["input_ids"]
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
    alone = mobilebert.AutoTokenizer.from_pretrained(tmp_path, do_lower_case=False)
    assert alone("a")["input_ids"] == [2, 5, 3]
    with pytest.raises(ConfigError, match="albert"):
        mobilebert.AutoTokenizer.from_pretrained(BUNDLED_MODEL, tokenizer_type="albert")


def test_a_configuration_of_another_model_is_refused():
    other = type("BertConfig", (), {"model_type": "bert"})()
    for name in AUTO_NAMES:
        auto = getattr(mobilebert, name)
        with pytest.raises(ConfigError, match="bert"):
            auto.from_config(other)
        with pytest.raises(ConfigError, match="bert"):
            auto.from_pretrained(BUNDLED_MODEL, config=other)


def test_without_pytorch_the_error_has_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mobilebert\[torch\]'"):
        mobilebert.AutoModelForMaskedLM.from_pretrained(BUNDLED_MODEL)
