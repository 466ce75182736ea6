"""Optional libraries: found, or an error that says what to type."""

import json
import os
import sys
from pathlib import Path

import pytest

from mobilebert.errors import MissingExtraError
from mobilebert.extras import (
    is_installed,
    keras_backend,
    require,
    require_keras,
    require_training,
)


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """A Python that has not imported Keras, and a user without settings for it."""
    for name in ("keras", "tensorflow", "jax"):
        monkeypatch.setitem(sys.modules, name, None)  # so that what was there comes back
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return monkeypatch


def absent(monkeypatch, *names):
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


def test_a_library_that_is_there_is_returned():
    assert require("json", "nothing") is json
    assert is_installed("json")
    assert not is_installed("no_such_library_of_ours")


def test_what_a_library_itself_lacks_is_not_taken_for_its_absence(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import no_such_library_of_ours")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_library_of_ours") as caught:
        require("half_installed", "torch")
    assert not isinstance(caught.value, MissingExtraError)


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_what_keras_runs_on_is_asked_for_by_the_extra_of_its_name(fresh, backend):
    absent(fresh, "tensorflow", "jax")
    fresh.setenv("KERAS_BACKEND", backend)
    command = rf"^Here needs {backend}.*pip install 'mobilebert\[{backend}\]'$"
    with pytest.raises(MissingExtraError, match=command):
        require_keras("Here")


def test_without_settings_keras_runs_on_tensorflow(fresh):
    absent(fresh, "tensorflow", "jax")
    with pytest.raises(MissingExtraError, match=r"mobilebert\[tensorflow\]"):
        require_keras("Here")


def test_the_settings_of_keras_are_read(fresh, tmp_path):
    absent(fresh, "tensorflow", "jax")
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    with pytest.raises(MissingExtraError, match=r"mobilebert\[jax\]"):
        require_keras("Here")
    fresh.setenv("KERAS_BACKEND", "tensorflow")
    with pytest.raises(MissingExtraError, match=r"mobilebert\[tensorflow\]"):
        require_keras("Here")


def test_keras_runs_on_tensorflow_for_a_user_without_a_home(fresh):
    def homeless(path):
        raise RuntimeError("Could not determine home directory.")

    fresh.delenv("KERAS_HOME")
    fresh.setattr(Path, "expanduser", homeless)
    assert keras_backend() == "tensorflow"


@pytest.mark.parametrize(("missing", "there"), [("tensorflow", "jax"), ("jax", "tensorflow")])
def test_the_other_library_is_named_where_it_is_installed(fresh, missing, there, tmp_path):
    absent(fresh, missing)
    (tmp_path / f"{there}.py").write_text("")
    fresh.syspath_prepend(tmp_path)
    fresh.setenv("KERAS_BACKEND", missing)
    with pytest.raises(MissingExtraError, match=f"KERAS_BACKEND={there} before Python starts"):
        require_keras("Here")


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_keras_itself_may_be_missing(fresh, backend, tmp_path):
    absent(fresh, "keras")
    (tmp_path / f"{backend}.py").write_text("")
    fresh.syspath_prepend(tmp_path)
    fresh.setenv("KERAS_BACKEND", backend)
    with pytest.raises(MissingExtraError, match=rf"needs keras.*mobilebert\[{backend}\]"):
        require_keras("Here")


def test_keras_on_something_else_is_refused(fresh):
    fresh.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(MissingExtraError, match="tensorflow or jax, but Keras .* 'torch'"):
        require_keras("Here")


def test_idle_threads_of_training_sleep_soon(monkeypatch):
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    require_training("Training")
    assert [os.environ[name] for name in names] == ["PASSIVE", "2000"]


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ({"OMP_WAIT_POLICY": "ACTIVE"}, ["ACTIVE", None]),
        ({"GOMP_SPINCOUNT": "7"}, ["PASSIVE", "7"]),
    ],
)
def test_how_threads_wait_is_the_users_if_they_say_it(monkeypatch, own, wanted):
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    require_training("Training")
    assert [os.environ.get(name) for name in names] == wanted
