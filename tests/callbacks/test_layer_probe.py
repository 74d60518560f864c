"""What layer_health sees of all kinds of models, against numpy, and what it leaves of it."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest

from keras_ext.callbacks import layer_health
from keras_ext.callbacks.layer_taps import activation_name
from keras_ext.errors import ConfigError

layers = keras.layers


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 4)).astype("float32"), rng.integers(0, 3, size=40)


def values(tensor) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(tensor + 0))


def compiled(model: keras.Model, loss="mse", **options) -> keras.Model:
    eager = keras.backend.backend() != "jax"
    model.compile(keras.optimizers.SGD(0.05), loss, **{"run_eagerly": eager, **options})
    return model


def reference(kernels, biases, x, y) -> tuple[list[float], list[float]]:
    """RMS of activations and gradients of a tanh network with squared error, by hand."""
    outputs, signal = [], x.astype("float64")
    for n, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
        signal = signal @ kernel + bias
        signal = np.tanh(signal) if n < len(kernels) - 1 else signal
        outputs.append(signal)
    gradients = [2 * (outputs[-1] - y) / y.size]
    for n in range(len(kernels) - 1, 0, -1):
        slope = 1.0 if n == len(kernels) - 1 else 1 - outputs[n] ** 2
        gradients.insert(0, (gradients[0] * slope) @ kernels[n].T)
    return tuple([float(np.sqrt(np.mean(v**2))) for v in found] for found in (outputs, gradients))


def mlp(kind: str) -> keras.Model:
    """The same network of 5, 6, 7 and 1 units, built in several ways."""
    keras.utils.set_random_seed(2)
    dense = [layers.Dense(units, activation="tanh") for units in (5, 6, 7)]
    out = layers.Dense(1)
    if kind == "sequential":
        model = keras.Sequential([keras.Input((4,)), *dense, out])
    elif kind == "functional":
        x = y = keras.Input((4,))
        for layer in (*dense, out):
            y = layer(y)
        model = keras.Model(x, y)
    elif kind == "nested":
        inner = keras.Sequential([keras.Input((5,)), dense[1], dense[2]])
        x = keras.Input((4,))
        model = keras.Model(x, out(inner(dense[0](x))))
    elif kind == "separate activations":
        linear = [layers.Dense(units) for units in (5, 6, 7)]
        tanhs = [layers.Activation("tanh") for _ in linear]
        pairs = itertools.chain.from_iterable(zip(linear, tanhs, strict=True))
        model = keras.Sequential([keras.Input((4,)), *pairs, out])
    else:
        model = Subclassed(dense, out, blocks=kind == "blocks")
        model(np.zeros((1, 4), "float32"))
    return compiled(model)


class Block(keras.layers.Layer):
    """A layer of the user's around another one."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, x):
        return self.inner(x)


class Subclassed(keras.Model):
    """Calls its layers in its own code."""

    def __init__(self, dense, out, blocks):
        super().__init__()
        self.parts = [Block(layer) if blocks else layer for layer in dense]
        self.out = out

    def call(self, x):
        for part in self.parts:
            x = part(x) * 1.0
        return self.out(x)


KINDS = ("sequential", "functional", "nested", "separate activations", "subclassed", "blocks")


class TestAgainstNumpy:
    @pytest.mark.parametrize("kind", KINDS)
    def test_rms_of_activations_and_gradients(self, kind):
        model, (x, _) = mlp(kind), data()
        y = x[:, :1]
        weights = [values(variable) for variable in model.trainable_variables]
        activations, gradients = reference(weights[::2], weights[1::2], x, y)
        report = layer_health(model, x, y)
        # Each depth once: the activation, where it is a layer.
        seen = list({layer.depth: layer for layer in report.layers}.values())
        assert [layer.depth for layer in seen] == [1, 2, 3, 4]
        # On a GPU products of matrices are those of TF32.
        assert [layer.activation_rms for layer in seen] == pytest.approx(activations, rel=1e-3)
        assert [layer.gradient_rms for layer in seen] == pytest.approx(gradients, rel=1e-3)
        assert [layer.output for layer in seen] == [False, False, False, True]
        assert [layer.units for layer in seen] == [5, 6, 7, 1]
        gains = [np.var(kernel) * len(kernel) for kernel in weights[::2]]
        found = [layer.gain for layer in report.layers if layer.gain is not None]
        assert found == pytest.approx(gains, rel=1e-5)
        assert {layer.activation for layer in seen[:3]} == {"tanh"}


class TestModels:
    def test_branches_have_the_depth_of_their_way(self):
        x = keras.Input((4,))
        first = layers.Dense(8, activation="relu", name="first")(x)
        long = layers.Dense(8, name="a1")(first)
        long = layers.Dropout(0.1)(layers.BatchNormalization()(long))
        long = layers.Dense(8, name="a2")(layers.ReLU(name="r")(long))
        short = layers.Dense(8, name="b1")(first)
        both = layers.Add()([long, short]) * 2.0
        model = compiled(keras.Model(x, layers.Dense(1, name="out")(both)))
        inputs, _ = data()
        report = layer_health(model, inputs, inputs[:, :1])
        depths = {layer.name: layer.depth for layer in report.layers}
        assert depths == {"first": 1, "a1": 2, "r": 2, "a2": 3, "b1": 2, "out": 4}
        assert [layer.name for layer in report.layers if layer.output] == ["out"]

    def test_convolutions_count_channels(self):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                layers.Conv2D(6, 3, activation="relu", kernel_initializer="he_normal"),
                layers.MaxPooling2D(),
                layers.Conv2D(5, 3, padding="same"),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.GlobalAveragePooling2D(),
                layers.Dense(3),
                layers.Softmax(),
            ]
        )
        compiled(model, "sparse_categorical_crossentropy")
        model.layers[0].bias.assign([-1000.0, 0, 0, -1000.0, 0, 0])
        x = np.random.default_rng(0).normal(size=(16, 8, 8, 1))
        report = layer_health(model, x, np.arange(16) % 3)
        first, second, relu, dense, softmax = report.layers
        assert (first.units, first.size, first.dead_share) == (6, 6 * 6 * 6, 2 / 6)
        assert (second.depth, relu.depth, relu.size) == (2, 2, 3 * 3 * 5)
        # Batch norm stands between the weights and the ReLU: their variance doesn't matter.
        assert second.activation == "linear"
        assert first.gain == pytest.approx(2.0, abs=1.0)
        assert dense.output
        assert softmax.output
        assert 1 / 3 - 1e-6 <= softmax.activation_rms <= 1

    def test_several_outputs_have_the_cost_of_fit(self):
        x = keras.Input((4,))
        shared = layers.Dense(6, activation="tanh")(x)
        model = keras.Model(
            x, {"a": layers.Dense(1, name="a")(shared), "b": layers.Dense(3, name="b")(shared)}
        )
        loss = {
            "a": "mse",
            "b": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        }
        compiled(model, loss, loss_weights={"a": 2.0, "b": 0.0}, metrics={"a": ["mae"]})
        inputs, labels = data()
        y = {"a": inputs[:, :1], "b": labels}
        by_name = {layer.name: layer for layer in layer_health(model, inputs, y).layers}
        # Nothing of it is in the way of a fit, whose losses have metrics of their own.
        model.fit(inputs, y, verbose=0)
        again = {layer.name: layer for layer in layer_health(model, inputs, y).layers}
        assert by_name["a"].output
        assert by_name["b"].output
        assert by_name["b"].gradient_rms == 0.0
        residual = values(model(inputs)["a"]) - y["a"]
        expected = 2 * np.sqrt(np.mean((2 * residual / len(residual)) ** 2))
        assert again["a"].gradient_rms == pytest.approx(expected, rel=1e-4)

    def test_sequences(self):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.Input((5,), dtype="int32"),
                layers.Embedding(7, 6, mask_zero=True),
                layers.LSTM(4, return_sequences=True),
                layers.TimeDistributed(layers.Dense(3)),
                layers.GlobalAveragePooling1D(),
                layers.Dense(1),
            ]
        )
        x = np.arange(30).reshape(6, 5) % 7
        report = layer_health(compiled(model), x, np.ones((6, 1)))
        assert [layer.depth for layer in report.layers] == [1, 2, 3, 4]
        assert [layer.size for layer in report.layers] == [30, 20, 15, 1]

    def test_attention(self):
        x = keras.Input((5, 8))
        y = layers.MultiHeadAttention(2, 4)(x, x)
        y = layers.LayerNormalization()(layers.Add()([x, y]))
        y = layers.GlobalAveragePooling1D()(layers.Dense(8, activation="gelu")(y))
        model = compiled(keras.Model(x, layers.Dense(1)(y)))
        inputs = np.random.default_rng(0).normal(size=(6, 5, 8))
        report = layer_health(model, inputs, np.ones((6, 1)))
        assert [layer.depth for layer in report.layers] == [1, 2, 3]
        assert report.layers[1].activation == "gelu"

    def test_a_shared_layer_is_listed_for_each_call(self):
        shared = layers.Dense(4, activation="tanh", name="twice")
        x = keras.Input((4,))
        model = compiled(keras.Model(x, layers.Dense(1)(shared(shared(x)))))
        inputs, _ = data()
        report = layer_health(model, inputs, inputs[:, :1])
        assert [layer.name for layer in report.layers[:2]] == ["twice", "twice (call 2)"]
        assert [layer.depth for layer in report.layers] == [1, 2, 3]

    def test_frozen_layers_pass_the_gradient_on(self):
        model, (x, _) = mlp("sequential"), data()
        whole = layer_health(model, x, x[:, :1])
        model.layers[0].trainable = model.layers[2].trainable = False
        report = layer_health(compiled(model), x, x[:, :1])
        for frozen, free in zip(report.layers, whole.layers, strict=True):
            assert frozen.gradient_rms == pytest.approx(free.gradient_rms, rel=1e-5)

    def test_mixed_precision(self):
        keras.config.set_dtype_policy("mixed_float16")
        try:
            model, (x, _) = mlp("sequential"), data()
        finally:
            keras.config.set_dtype_policy("float32")
        weights = [values(variable) for variable in model.trainable_variables]
        activations, gradients = reference(weights[::2], weights[1::2], x, x[:, :1])
        report = layer_health(model, x, x[:, :1])
        found = report.layers
        assert [layer.activation_rms for layer in found] == pytest.approx(activations, rel=0.02)
        assert [layer.gradient_rms for layer in found] == pytest.approx(gradients, rel=0.05)

    def test_activation_names(self):
        named = {
            "relu": layers.ReLU(),
            "leaky_relu": layers.ReLU(negative_slope=0.1),
            "tanh": layers.Activation("tanh"),
            "softmax": layers.Softmax(),
            "sigmoid": layers.Conv1D(2, 1, activation="sigmoid"),
            "linear": layers.Dense(2),
            "": layers.LSTM(2),
        }
        assert {activation_name(layer): layer for layer in named.values()} == named
        assert activation_name(layers.Dense(2, activation=layers.LeakyReLU())) == "leaky_relu"
        assert activation_name(layers.LeakyReLU()) == "leaky_relu"
        assert activation_name(layers.Flatten()) == ""


def busy() -> keras.Model:
    """With all that a pass in training mode could change."""
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.GaussianNoise(0.1),
            layers.Dense(8, activation="relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.4),
            layers.Dense(8, activation="tanh", activity_regularizer="l2"),
            layers.Dense(3),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return compiled(model, loss, metrics=["accuracy"])


def state(model: keras.Model) -> list[np.ndarray]:
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    drawn = [np.random.random(), values(keras.random.uniform((3,)))]
    if keras.backend.backend() == "torch":
        import torch

        drawn.append(torch.rand(3).numpy())
    return [*(values(variable.value) for variable in variables), *map(np.asarray, drawn)]


class TestObserver:
    def test_nothing_is_left_of_a_measurement(self):
        x, y = data()
        found = []
        for watched in (False, True):
            model = busy()
            model.fit(x, y, verbose=0)
            calls = [vars(layer).get("call") for layer in model.layers]
            if watched:
                layer_health(model, x, y)
            assert [vars(layer).get("call") for layer in model.layers] == calls
            found.append(state(model))
        for mine, other in zip(*found, strict=True):
            np.testing.assert_array_equal(mine, other)

    def test_the_same_model_gives_the_same_report(self):
        (x, y), model = data(), busy()
        assert layer_health(model, x, y) == layer_health(model, x, y)

    def test_layers_are_given_back_after_an_error(self):
        model = mlp("sequential")
        with pytest.raises(ConfigError, match="can't be run layer by layer on x and y"):
            layer_health(model, np.zeros((3, 5)), np.zeros((3, 1)))
        assert not any("call" in vars(layer) for layer in model.layers)


class TestRefused:
    def test_a_model_without_loss(self):
        model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
        with pytest.raises(ConfigError, match="is not compiled"):
            layer_health(model, np.zeros((2, 4)), np.zeros((2, 1)))

    @pytest.mark.tensorflow
    def test_layers_that_nobody_sees(self):
        import tensorflow as tf

        class Hidden(keras.Model):
            def __init__(self):
                super().__init__()
                self.dense = layers.Dense(1)
                self.inside = tf.function(self.dense)

            def call(self, x):
                return self.inside(x)

        model = compiled(Hidden())
        model(np.zeros((2, 4), "float32"))
        with pytest.raises(ConfigError, match="compiled function"):
            layer_health(model, np.zeros((2, 4)), np.zeros((2, 1)))
