import keras
import numpy as np
import pytest

from keras_ext.errors import ConfigError
from keras_ext.records import Augmentation
from keras_ext.regularization import L2, Augment, Dropout, Knob, knobs


def dense(strength):
    return keras.layers.Dense(3, kernel_regularizer=L2(strength))


class Block(keras.layers.Layer):
    """A layer of layers, without a config of its own."""

    def __init__(self, rate):
        super().__init__()
        self.steps = [dense(0.3), Dropout(rate)]

    def call(self, inputs):
        for step in self.steps:
            inputs = step(inputs)
        return inputs


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.block = Block(0.4)
        self.head = dense(0.1)

    def call(self, inputs):
        return self.head(self.block(inputs))


def nested():
    inner = keras.Sequential([keras.Input((3,)), dense(0.1), Dropout(0.1), Dropout(0.2)])
    inputs = keras.Input((3,))
    return keras.Model(inputs, Dropout(0.3)(inner(inner(dense(0.2)(inputs)))))


def test_equal_names_are_grouped_and_each_variable_counts_once():
    found = knobs(nested())
    assert list(found) == ["dropout", "l2"]
    assert [knob.name for knob in found.values()] == ["dropout", "l2"]
    assert [len(knob.variables) for knob in found.values()] == [3, 2]


def test_a_value_for_all_or_one_for_each_in_the_order_of_the_layers():
    model = nested()
    found = knobs(model)
    assert found["dropout"].value == (0.1, 0.2, 0.3)
    assert found["l2"].value == (0.2, 0.1)
    found["dropout"].value = 0.5
    assert found["dropout"].value == 0.5
    assert model.layers[-1].rate == 0.5
    found["l2"].value = (0, 1e-4)
    assert model.layers[1].kernel_regularizer.strength == 0
    assert found["l2"].value == (0.0, 1e-4)
    assert all(type(value) is float for value in found["l2"].value)


def test_reading_and_writing_back_changes_nothing():
    model = nested()
    before = model.get_weights()
    for knob in knobs(model).values():
        knob.value = knob.value
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_layers_of_layers_subclassed_models_and_wrappers():
    model = Subclassed()
    model(np.ones((1, 3)))
    assert {name: knob.value for name, knob in knobs(model).items()} == {
        "dropout": 0.4,
        "l2": (0.3, 0.1),
    }
    wrapped = keras.layers.TimeDistributed(keras.Sequential([dense(0.5), Dropout(0.25)]))
    model = keras.Sequential([keras.Input((4, 3)), wrapped])
    assert {name: knob.value for name, knob in knobs(model).items()} == {"dropout": 0.25, "l2": 0.5}


def test_fixed_strengths_are_no_knobs():
    stock = keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.1))
    model = keras.Sequential([keras.Input((3,)), stock, keras.layers.Dropout(0.5)])
    assert knobs(model) == {}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("dropout", 1.0, r"dropout must be a number in \[0, 1\), got dropout=1.0"),
        ("dropout", (0.1, 0.2, 1.5), r"got dropout=1.5"),
        ("dropout", (0.1, 0.2), r"dropout needs one value or 3, got dropout=\(0.1, 0.2\)"),
        ("l2", -1.0, "l2 must be a number finite and at least 0, got l2=-1.0"),
        ("l2", "much", "got l2="),
    ],
)
def test_bad_values_are_named_and_change_nothing(name, value, message):
    knob = knobs(nested())[name]
    before = knob.value
    with pytest.raises(ConfigError, match=message):
        knob.value = value
    assert knob.value == before


@pytest.mark.parametrize("model", [None, "model", L2])
def test_only_models_have_knobs(model):
    with pytest.raises(ConfigError, match="model must be a Keras model, got model="):
        knobs(model)


def test_a_knob_of_any_variables():
    knob = Knob("momentum", [keras.Variable(0.5)], below=2)
    knob.value = 1.5
    assert repr(knob) == "Knob('momentum', value=1.5)"
    with pytest.raises(ConfigError, match="got momentum=2"):
        knob.value = 2


def test_the_magnitude_of_augmentation_is_a_knob():
    layers = [Augment(Augmentation(rotation=10, magnitude=m)) for m in (0.25, 0.5)]
    knob = knobs(keras.Sequential([keras.Input((4, 4, 1)), *layers]))["magnitude"]
    assert knob.value == (0.25, 0.5)
    knob.value = 1
    assert [layer.magnitude for layer in layers] == [1, 1]
    with pytest.raises(
        ConfigError, match=r"magnitude must be a number in \[0, 1\], got magnitude=1.1"
    ):
        knob.value = 1.1
    assert knob.value == 1


def test_a_missing_knob_says_what_there_is():
    model = keras.Sequential([keras.Input((4,)), Dropout(0.2), keras.layers.Dense(3)])
    with pytest.raises(KeyError, match=r"no knob 'l2'; there are: dropout .*adjustable"):
        knobs(model)["l2"]
    assert knobs(model).get("l2") is None
