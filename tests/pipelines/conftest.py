import pytest

from pipelines.random_checkpoints import write_all


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Directory of a random checkpoint for each pipeline task, made once."""
    return write_all(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(autouse=True)
def _eager_keras(request, monkeypatch):
    """Keras records no graphs here, which takes seconds; tests/keras_models has them."""
    if "keras" in request.node.name:
        monkeypatch.setattr("mobilebert.keras.programs.EAGER_RUNS", 1_000_000)
