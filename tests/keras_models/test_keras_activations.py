"""Activations by name on Keras, against the formulae in numpy."""

import numpy as np
import pytest

from assertions import assert_close
from mobilebert.activations import ACTIVATION_NAMES, numpy_activation
from mobilebert.keras.activations import keras_activation
from tolerances import KERAS_FLOAT32

X = np.linspace(-12, 12, 601, dtype=np.float32)


@pytest.mark.parametrize("name", ACTIVATION_NAMES)
def test_activations_equal_their_formulae(name):
    assert_close(np.asarray(keras_activation(name)(X)), numpy_activation(name)(X), KERAS_FLOAT32)
