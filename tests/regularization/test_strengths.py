import math

import keras
import numpy as np
import pytest

from keras_ext.errors import ConfigError
from keras_ext.regularization import strengths


@pytest.mark.parametrize("value", [0, 0.0, 1, 0.25, np.float32(0.5), np.float64(2), np.int64(3)])
def test_numbers_in_range_become_floats(value):
    checked = strengths.check("strength", value)
    assert type(checked) is float
    assert checked == value


@pytest.mark.parametrize(
    "value", [-0.1, math.nan, math.inf, 1e39, True, None, "0.1", 1j, [0.1], np.complex64(1)]
)
def test_everything_else_is_named_with_its_value(value):
    with pytest.raises(ConfigError, match="strength must be a number finite") as caught:
        strengths.check("strength", value)
    assert f"strength={value!r}" in str(caught.value)


@pytest.mark.parametrize("value", [1, 1.0, 1.2, 0.99999999])
def test_the_upper_limit_counts_after_rounding_to_single_precision(value):
    with pytest.raises(ConfigError, match=r"rate must be a number in \[0, 1\), got rate="):
        strengths.check("rate", value, below=1)


@pytest.mark.parametrize("value", [1.01, 1.00000001, 2, float("inf")])
def test_another_upper_limit_is_included(value):
    assert strengths.check("magnitude", 1, most=1) == 1
    with pytest.raises(
        ConfigError, match=r"magnitude must be a number in \[0, 1\], got magnitude="
    ):
        strengths.check("magnitude", value, most=1)


@pytest.mark.parametrize("value", [0.0, 0.1, 0.3, 1e-4, 3e-5, 0.123457, 12345.6])
def test_a_strength_reads_as_it_was_written(value):
    variable = keras.Variable(value, dtype="float32")
    assert strengths.read(variable) == value


def test_walk_goes_through_the_stack_in_order_and_visits_each_layer_once():
    shared = keras.layers.Dense(3, name="shared")
    inner = keras.Sequential([keras.layers.ReLU(name="a"), keras.layers.ReLU(name="b")], name="in")
    inputs = keras.Input((3,), name="inputs")
    outputs = keras.layers.ReLU(name="last")(shared(inner(shared(inputs))))
    names = [layer.name for layer in strengths.walk(keras.Model(inputs, outputs, name="out"))]
    order = [name for name in names if name in {"a", "b", "shared", "last"}]
    assert order == ["shared", "a", "b", "last"]
