"""What these tests, which know no framework but Keras, need of the one it runs on."""

import keras
import pytest

BACKEND = keras.backend.backend()

if BACKEND == "jax":
    import jax

    # Every model here is compiled to run a few times: optimising it takes longer than it saves.
    jax.config.update("jax_disable_most_optimizations", True)


def pytest_report_header(config):
    return f"keras {keras.__version__} on {BACKEND}"


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(0)


@pytest.fixture
def compiled():
    """Make a function on arrays one that is recorded and compiled."""
    if BACKEND == "jax":
        return jax.jit
    import tensorflow as tf

    return tf.function
