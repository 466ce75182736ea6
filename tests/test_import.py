"""`import mobilebert` is light, lazy and complete."""

import ast
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mobilebert
from mobilebert.errors import MissingExtraError

PACKAGE = Path(mobilebert.__file__).parent
HEAVY = ("torch", "tensorflow", "keras", "transformers", "huggingface_hub", "h5py")


def run_python(code: str, **environment: str) -> str:
    process = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    return process.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import mobilebert",
        "import mobilebert; mobilebert.MobileBertConfig()",
        "from mobilebert import MobileBertTokenizer, MobileBertTokenizerFast, pipeline",
        "import mobilebert; mobilebert.pipeline('fill-mask')('A [MASK] day.')",
        "from mobilebert import AutoConfig; AutoConfig.from_pretrained('mobilebert-mini-uncased')",
        "import mobilebert.commands.main",
        "from mobilebert import evaluate",
        "import mobilebert.training.comparing",
        "from mobilebert import TFAutoModelForMaskedLM",
    ],
)
def test_no_framework_is_imported(code):
    report = (
        f"{code}\nimport json, sys; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    )
    assert json.loads(run_python(report)) == []


def test_asking_for_a_torch_class_imports_torch():
    """The twin of the test above: the same report does see a framework."""
    code = "import mobilebert, sys; mobilebert.MobileBertModel; print('torch' in sys.modules)"
    assert run_python(code).strip() == "True"


def test_every_public_name_exists_where_the_table_says():
    for module, names in mobilebert._PUBLIC.items():
        for name in names:
            value = getattr(mobilebert, name)
            assert value is getattr(importlib.import_module(module), name)
            assert name in dir(mobilebert)


def test_the_stub_lists_the_same_names():
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text())
    listed = {
        node.module: tuple(sorted(alias.name for alias in node.names))
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
    }
    assert listed == {m: tuple(sorted(names)) for m, names in mobilebert._PUBLIC.items()}


def test_without_torch_the_error_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(vars(mobilebert), "MobileBertModel", raising=False)
    with pytest.raises(MissingExtraError, match=r"python -m pip install 'mobilebert\[torch\]'"):
        _ = mobilebert.MobileBertModel


@pytest.mark.parametrize("name", ["TFMobileBertModel", "modeling_tf_outputs"])
def test_without_tensorflow_the_error_names_the_command(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.delitem(vars(mobilebert), name, raising=False)
    monkeypatch.delitem(sys.modules, f"mobilebert.{name}", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'mobilebert\[tensorflow\]'"):
        getattr(mobilebert, name)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'BertModel'"):
        _ = mobilebert.BertModel


def test_version_is_the_installed_one():
    from importlib.metadata import version

    assert mobilebert.__version__ == version("mobilebert")
