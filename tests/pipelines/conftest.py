import pytest

from pipelines.random_checkpoints import write_all


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Directory of a random checkpoint for each pipeline task, made once."""
    return write_all(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(autouse=True)
def _keras_graphs(request, monkeypatch):
    """Keras runs by a graph from the first batch; tests/keras_models has it without."""
    if "keras" in request.node.name:
        monkeypatch.setattr("mobilebert.keras.programs.EAGER_RUNS", 0)
