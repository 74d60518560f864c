"""What is read off a model: knobs, sizes, learning rate."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_ext.callbacks.model_knobs import learning_rate, settings
from keras_ext.diagnosis import Setting, remedies
from keras_ext.records import Augmentation
from keras_ext.regularization import L2, Augment, Dropout


def layer(units: int, **options) -> keras.layers.Layer:
    return keras.layers.Dense(units, activation="relu", **options)


def read(*layers, inputs=(4,), images=False) -> dict[str, Setting]:
    model = keras.Sequential([keras.Input(inputs), *layers])
    return settings(model, epochs=5, rate=Setting(0.001), images=images)


def test_live_knobs_have_their_present_value_and_no_note():
    dropout = Dropout(0.25)
    found = read(layer(16, kernel_regularizer=L2(1e-3)), dropout, keras.layers.Dense(3))
    assert found["dropout"] == Setting(0.25)
    assert found["l2"] == Setting(0.001)
    texts = [remedy.text for remedy in remedies(["variance"], found)]
    assert "dropout 0.25 -> 0.35: regularize more: a higher dropout rate" in texts


def test_stock_layers_have_their_value_and_the_way_to_turn_it():
    stock = keras.layers.Dropout(0.5), keras.layers.Dropout(0.3)
    hidden = layer(16, kernel_regularizer=keras.regularizers.L2(0.01))
    found = read(hidden, *stock, keras.layers.Dense(3))
    assert found["dropout"].value == (0.5, 0.3)
    assert found["l2"].value == 0.01
    texts = {remedy.knob: remedy.text for remedy in remedies(["variance"], found)}
    assert texts["dropout"].startswith("dropout (0.5, 0.3) -> (0.6, 0.4)")
    assert "keras_ext.regularization.adjustable(model)" in texts["l2"]


def test_what_is_missing_is_said():
    found = read(layer(16), keras.layers.Dense(3))
    texts = {remedy.knob: remedy.text for remedy in remedies(["variance"], found)}
    assert texts["dropout"].startswith("dropout 0 -> 0.1: ")
    assert texts["dropout"].endswith("(the model has no Dropout layer yet)")
    assert texts["l2"].endswith("(the model has no L2 regularizer yet)")
    assert not {"dropout", "l2", "magnitude"} & {
        remedy.knob for remedy in remedies(["bias"], found)
    }


def test_only_images_can_be_augmented():
    assert "magnitude" not in read(layer(16), keras.layers.Dense(3))
    image = {"inputs": (8, 8, 1), "images": True}
    flat = keras.layers.Flatten(), keras.layers.Dense(3)
    found = remedies(["variance"], read(*flat, **image))[0]
    assert (
        found.text
        == "magnitude: stronger augmentation (in the input pipeline, or an Augment layer)"
    )
    augment = Augment(Augmentation(translation=0.1, magnitude=0.5))
    assert read(augment, *flat, **image)["magnitude"] == Setting(0.5)


@pytest.mark.parametrize(
    ("layers", "units", "count"),
    [
        ([keras.layers.Dense(3)], None, 0),
        ([layer(16), keras.layers.Dense(3)], 16, 1),
        ([layer(16), layer(16), keras.layers.Dense(3), keras.layers.Softmax()], 16, 2),
        ([layer(32), keras.layers.Dropout(0.1), layer(16), keras.layers.Dense(3)], (32, 16), 2),
        ([*(layer(4) for _ in range(7)), keras.layers.Dense(3)], None, None),
        ([keras.Sequential([layer(16)]), keras.layers.Dense(3)], None, None),
    ],
)
def test_hidden_layers(layers, units, count):
    found = read(*layers)
    assert (found["units"].value, found["layers"].value) == (units, count)


def test_convolutions_count_with_their_filters():
    conv = keras.layers.Conv2D(8, 3), keras.layers.Conv2D(16, 3), keras.layers.Flatten()
    found = read(*conv, keras.layers.Dense(3), inputs=(8, 8, 1))
    assert found["units"].value == (8, 16)
    text = next(r.text for r in remedies(["bias"], found) if r.knob == "units")
    assert text == "units (8, 16) -> (16, 32): a bigger network: more units in each layer"


def test_a_subclassed_model_has_no_sizes_but_knobs():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dropout, self.dense = Dropout(0.2), keras.layers.Dense(3)

        def call(self, x, training=False):
            return self.dense(self.dropout(x, training=training))

    model = Own()
    model(np.zeros((1, 4), "float32"))
    found = settings(model, epochs=None, rate=Setting(None), images=False)
    assert found["dropout"] == Setting(0.2)
    assert found["units"] == found["layers"] == found["epochs"] == Setting(None)
    texts = [remedy.text for remedy in remedies(["bias"], found)]
    assert "epochs: train longer" in texts
    assert "dropout 0.2 -> 0.1: regularize less: a lower dropout rate" in texts


def test_learning_rate():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    assert learning_rate(model) == Setting(None)
    model.compile(keras.optimizers.Adam(0.001), "mse")
    assert learning_rate(model) == Setting(0.001)
    model.compile(keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10)), "mse")
    assert learning_rate(model) == Setting(None, "CosineDecay sets it")
    text = remedies(["bias"], {"learning_rate": learning_rate(model)})[0].text
    assert text.startswith("learning rate: ")
    assert text.endswith("(CosineDecay sets it)")


def test_learning_rate_of_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        model.compile(keras.optimizers.Adam(0.01), "mse")
        assert learning_rate(model) == Setting(0.01)
    finally:
        keras.config.set_dtype_policy("float32")
