import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tolerances
from assertions import assert_close
from mobilebert.activations import ACTIVATION_NAMES, _erf, numpy_activation
from mobilebert.errors import ConfigError


@given(st.floats(-50, 50))
def test_erf_equals_the_standard_library(x):
    assert abs(_erf(np.array([x]))[0] - math.erf(x)) <= tolerances.ERF


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("relu", lambda x: max(x, 0.0)),
        ("relu6", lambda x: min(max(x, 0.0), 6.0)),
        ("silu", lambda x: x / (1 + math.exp(-x))),
        ("swish", lambda x: x / (1 + math.exp(-x))),
        ("gelu", lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2)))),
        (
            "gelu_new",
            lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        ),
        ("leaky_relu", lambda x: max(x, 0.0) + 0.01 * min(x, 0.0)),
        ("linear", lambda x: x),
        ("mish", lambda x: x * math.tanh(math.log1p(math.exp(x)))),
        ("quick_gelu", lambda x: x / (1 + math.exp(-1.702 * x))),
        ("relu2", lambda x: max(x, 0.0) ** 2),
        ("sigmoid", lambda x: 1 / (1 + math.exp(-x))),
        ("tanh", math.tanh),
        (
            "laplace",
            lambda x: 0.5 * (1 + math.erf((x - 0.707107) / (0.282095 * math.sqrt(2)))),
        ),
    ],
)
def test_activation_equals_its_formula(name, formula):
    x = np.linspace(-9, 9, 301)
    assert_close(numpy_activation(name)(x), [formula(v) for v in x], tolerances.FLOAT64, name)


def test_gelu_10_is_clipped():
    x = np.array([-9.0, 3.0, 11.0])
    assert_close(numpy_activation("gelu_10")(x), [*numpy_activation("gelu")(x)[:2], 10.0], 0)


@pytest.mark.parametrize("name", ACTIVATION_NAMES)
def test_activation_keeps_float32_and_stays_finite(name):
    found = numpy_activation(name)(np.array([-3e7, -1.0, 0.0, 1.0, 3e7], dtype=np.float32))
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_a_function_is_used_as_it_is():
    assert numpy_activation(np.tanh) is np.tanh


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"'prelu'.*gelu, gelu_10, gelu_new, .*silu, tanh"):
        numpy_activation("prelu")
