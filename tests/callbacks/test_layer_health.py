"""LayerHealth on deep networks with known signals, and in a fit."""

from __future__ import annotations

import copy
import io
import json

import keras
import numpy as np
import pytest
from rich.console import Console

from keras_ext.callbacks import LayerHealth, layer_health
from keras_ext.errors import ConfigError

BAD = {"x": None, "y": "labels", "every": 0, "max_examples": 1.5, "seed": -1}

WIDTH, DEPTH = 64, 30

KEYS = {"dead_share", "saturated_share", "update_ratio", "layer_health_epoch"}
FACTORS = {"activation_factor", "gradient_factor"}

layers = keras.layers


def data(count: int = 40, width: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, width)).astype("float32"), rng.integers(0, 3, size=count)


def example(**changes) -> LayerHealth:
    """One for a classifier of 4 inputs and 3 classes, as the laws want it."""
    x, y = data()
    arguments = {"x": x, "y": y, **changes}
    return LayerHealth(arguments.pop("x"), arguments.pop("y"), **arguments)


def values(tensor) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(tensor + 0))


def compiled(model: keras.Model, loss="mse", **options) -> keras.Model:
    eager = keras.backend.backend() != "jax"
    model.compile(keras.optimizers.SGD(0.05), loss, **{"run_eagerly": eager, **options})
    return model


def deep(activation: str, **options) -> keras.Model:
    """Thirty layers of 64 units."""
    keras.utils.set_random_seed(0)
    hidden = [layers.Dense(WIDTH, activation=activation, **options) for _ in range(DEPTH)]
    return compiled(keras.Sequential([keras.Input((WIDTH,)), *hidden, layers.Dense(1)]))


def draw(model: keras.Model, gain: float, seed: int) -> None:
    """New weights of variance gain / fan-in."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        shape = tuple(layer.kernel.shape)
        layer.kernel.assign((gain / shape[0]) ** 0.5 * rng.normal(size=shape))


@pytest.fixture(scope="module")
def deep_models() -> dict[str, keras.Model]:
    return {activation: deep(activation) for activation in ("tanh", "relu")}


SMALL, LARGE = 0.01, {"tanh": 100.0, "relu": 20.0}

# Activation, variance times fan-in: verdict, and limits for both factors by theory. ReLU: the root
# of half the gain. tanh: without saturation the root of the gain; at 1 a slow fall with the depth;
# above 1 the activations settle, and the gradient grows by the root of gain * E[tanh'^2].
TRUTH = [
    ("tanh", SMALL, "vanishing", (0.08, 0.12), (0.08, 0.12)),
    ("tanh", 1.0, "healthy", (0.90, 1.00), (0.90, 1.00)),
    ("tanh", 2.0, "healthy", (0.97, 1.02), (1.01, 1.10)),
    ("tanh", LARGE["tanh"], "saturated", (0.98, 1.02), (1.9, 2.6)),
    ("relu", SMALL, "vanishing", (0.05, 0.09), (0.05, 0.09)),
    ("relu", 1.0, "vanishing", (0.64, 0.76), (0.64, 0.76)),
    ("relu", 2.0, "healthy", (0.92, 1.06), (0.92, 1.06)),
    ("relu", LARGE["relu"], "exploding", (2.8, 3.5), (2.8, 3.5)),
]


class TestDeepNetworks:
    @pytest.mark.parametrize("seed", [1, 2, 3])
    @pytest.mark.parametrize(("activation", "gain", "verdict", "forwards", "backwards"), TRUTH)
    def test_truth_table(self, deep_models, activation, gain, verdict, forwards, backwards, seed):
        model, (x, _) = deep_models[activation], data(96, WIDTH)
        draw(model, gain, seed)
        report = layer_health(model, x, x[:, :1])
        assert report.verdict == verdict
        assert forwards[0] < report.activation_factor < forwards[1]
        assert backwards[0] < report.gradient_factor < backwards[1]
        suited = {"tanh": (1.0, "lecun_normal"), "relu": (2.0, "he_normal")}[activation]
        names = {found.suited_initializer for found in report.initializations}
        assert names == (set() if gain == suited[0] else {suited[1]})
        assert len(report.initializations) == (0 if gain == suited[0] else DEPTH)
        large = gain == LARGE[activation]
        assert report.dead_share < 0.7
        assert (report.saturated_share > 0.7) == (activation == "tanh" and large)
        assert ("exploding" in report.problems) == large

    @pytest.mark.parametrize(
        ("activation", "initializer", "verdict", "advice"),
        [
            ("tanh", "lecun_normal", "healthy", None),
            ("tanh", "he_normal", "healthy", "lecun_normal"),
            ("tanh", "glorot_uniform", "healthy", None),
            ("relu", "he_normal", "healthy", None),
            ("relu", "glorot_uniform", "vanishing", "he_normal"),
            ("relu", "lecun_normal", "vanishing", "he_normal"),
        ],
    )
    def test_initializers_of_keras(self, activation, initializer, verdict, advice):
        x, _ = data(64, WIDTH)
        report = layer_health(deep(activation, kernel_initializer=initializer), x, x[:, :1])
        assert report.verdict == verdict
        assert {item.suited_initializer for item in report.initializations} == (
            {advice} if advice else set()
        )
        assert {layer.initializer for layer in report.layers[:-1]} == {initializer}

    @pytest.mark.parametrize("place", [0, 7, DEPTH - 1])
    def test_a_dead_layer_is_named(self, deep_models, place):
        model, (x, _) = deep_models["relu"], data(64, WIDTH)
        draw(model, 2.0, 1)
        model.layers[place].bias.assign(np.full(WIDTH, -1000.0))
        try:
            report = layer_health(model, x, x[:, :1])
        finally:
            model.layers[place].bias.assign(np.zeros(WIDTH))
        assert report.verdict == "dead"
        assert model.layers[place].name in report.reasons[0]
        assert report.layers[place].dead_share == report.dead_share == 1.0
        assert all(layer.gradient_rms == 0 for layer in report.layers[:place])

    def test_a_few_dead_units_are_counted(self, deep_models):
        model, (x, _) = deep_models["relu"], data(64, WIDTH)
        draw(model, 2.0, 1)
        before = layer_health(model, x, x[:, :1]).layers[0].dead_share
        model.layers[0].bias.assign(np.where(np.arange(WIDTH) < 16, -1000.0, 0.0))
        try:
            report = layer_health(model, x, x[:, :1])
        finally:
            model.layers[0].bias.assign(np.zeros(WIDTH))
        assert before == 0.0
        assert report.layers[0].dead_share == 0.25
        assert report.verdict == "healthy"


def shallow() -> keras.Model:
    """A network of 5, 6 and 1 units."""
    keras.utils.set_random_seed(2)
    hidden = [layers.Dense(units, activation="tanh") for units in (5, 6)]
    return compiled(keras.Sequential([keras.Input((4,)), *hidden, layers.Dense(1)]))


class Unbuilt(keras.Model):
    """Without weights until it is called."""

    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(5, activation="tanh")
        self.out = layers.Dense(3)

    def call(self, x):
        return self.out(self.hidden(x))


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


class TestFit:
    def test_update_ratio_of_a_step(self):
        model, (x, _) = shallow(), data()
        before = [values(layer.kernel) for layer in model.layers]
        watch = LayerHealth(x, x[:, :1])
        history = model.fit(x, x[:, :1], batch_size=10, verbose=0, callbacks=[watch]).history
        for layer, old, found in zip(model.layers, before, watch.report.layers, strict=True):
            change = np.sqrt(np.mean((values(layer.kernel) - old) ** 2)) / 4
            scale = max(np.sqrt(np.mean(k**2)) for k in (old, values(layer.kernel)))
            assert found.update_ratio == pytest.approx(change / scale, rel=1e-4)
        ratios = [layer.update_ratio for layer in watch.report.layers]
        assert history["update_ratio"] == [pytest.approx(np.median(ratios))]

    def test_logs_and_history(self):
        (x, y), model = data(), busy()
        watch = LayerHealth(x, y, every=2)
        logs = model.fit(x, y, epochs=5, initial_epoch=1, verbose=0, callbacks=[watch]).history
        assert set(logs) >= KEYS
        assert not set(logs) & FACTORS
        assert logs["layer_health_epoch"] == [1.0, 1.0, 3.0, 3.0]
        assert [row["epoch"] for row in watch.history] == [1, 3, 4]
        assert watch.initial_report.update_ratio is None
        assert watch.initial_report.layers[0].activation_rms > 0
        assert json.loads(json.dumps(watch.history)) == watch.history
        again = LayerHealth(x, y, every=3)
        model.fit(x, y, epochs=2, verbose=0, callbacks=[again])
        assert [row["epoch"] for row in again.history] == [0, 1]

    def test_a_deep_network_logs_its_factors(self, deep_models):
        model, (x, _) = deep_models["tanh"], data(32, WIDTH)
        draw(model, SMALL, 1)
        watch = LayerHealth(x, x[:, :1])
        logs = model.fit(x, x[:, :1], epochs=1, verbose=0, callbacks=[watch]).history
        assert set(logs) >= KEYS | FACTORS
        assert all(type(logs[key][0]) is float for key in KEYS | FACTORS)
        assert watch.initial_report.verdict == watch.report.verdict == "vanishing"
        assert watch.initial_report.activation_factor == pytest.approx(0.1, abs=0.03)
        assert logs["activation_factor"] == [watch.report.activation_factor]

    @pytest.mark.parametrize("hidden", [2, 3])
    def test_divergence_is_told(self, hidden):
        (x, _), stack = data(), [layers.Dense(3) for _ in range(hidden)]
        model = compiled(keras.Sequential([keras.Input((4,)), *stack, layers.Dense(1)]))
        watch = LayerHealth(x, x[:, :1])

        class Break(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                self.model.layers[0].bias.assign([np.nan] * 3)

        options = {"epochs": 1, "verbose": 0}
        logs = model.fit(x, x[:, :1], callbacks=[Break(), watch], **options).history
        assert watch.report.verdict == "exploding"
        found = [logs[key] for key in sorted(FACTORS & set(logs))]
        assert found == ([] if hidden == 2 else [[np.inf], [np.inf]])

    def test_trained_weights_are_judged_by_what_the_initializer_draws(self):
        model, (x, _) = shallow(), data()
        before = [layer.gain for layer in layer_health(model, x, x[:, :1]).layers]
        model.fit(x, x[:, :1], verbose=0)
        for layer in model.layers:
            layer.kernel.assign(100 * values(layer.kernel))
        after = [layer.gain for layer in layer_health(model, x, x[:, :1]).layers]
        assert after == pytest.approx(before, rel=1e-5)

    def test_a_model_that_fit_builds(self):
        keras.utils.set_random_seed(0)
        x, y = data()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model = compiled(Unbuilt(), loss)
        watch = LayerHealth(x, y)
        model.fit(x, y, epochs=1, verbose=0, callbacks=[watch])
        assert [layer.depth for layer in watch.report.layers] == [1, 2]
        assert watch.report.update_ratio > 0

    @pytest.mark.slow
    def test_a_resumed_run_goes_on_with_the_history(self):
        (x, y), whole, parts = data(), LayerHealth(*data(), every=2), LayerHealth(*data(), every=2)
        options = {"verbose": 0, "shuffle": False}
        busy().fit(x, y, epochs=5, callbacks=[whole], **options)
        model = busy()
        model.fit(x, y, epochs=5, callbacks=[parts, Stop(3)], **options)
        kept, resumed = copy.deepcopy(parts.get_state()), LayerHealth(*data(), every=2)
        # The last epoch of a fit that stops is measured too; a run that is killed lacks that.
        kept["history"].pop()

        class Resume(keras.callbacks.Callback):
            def on_train_begin(self, logs=None):
                resumed.set_state(kept)

        model.fit(x, y, epochs=5, initial_epoch=4, callbacks=[resumed, Resume()], **options)
        assert [row["epoch"] for row in resumed.history] == [0, 2, 4]
        assert resumed.initial_report == parts.initial_report
        assert resumed.history[:2] == whole.history[:2]

    def test_the_batch_is_a_fixed_sample(self):
        x, y = data(500)
        watch = LayerHealth(x, y, max_examples=50, seed=3)
        rows = watch._probe[0]
        assert rows.shape == (50, 4)
        assert len(np.unique(rows[:, 0])) == 50
        assert np.isin(rows[:, 0], x[:, 0]).all()
        same, other = (LayerHealth(x, y, max_examples=50, seed=s)._probe[0] for s in (3, 4))
        np.testing.assert_array_equal(rows, same)
        assert (rows != other).any()
        assert copy.deepcopy(watch)._probe[0] is rows

    def test_summary_and_plot(self, deep_models):
        model, (x, _) = deep_models["relu"], data(32, WIDTH)
        draw(model, 1.0, 1)
        watch, out = LayerHealth(x, x[:, :1]), io.StringIO()
        for show in (watch.summary, watch.plot):
            with pytest.raises(ConfigError, match="fit first"):
                show()
        model.fit(x, x[:, :1], epochs=1, verbose=0, callbacks=[watch])
        watch.summary(console=Console(file=out, width=120))
        text = out.getvalue()
        for part in ("after epoch 1", model.layers[3].name, "vanishing", "he_normal", "relu"):
            assert part in text
        activations, gradients = watch.plot().axes[0].lines
        found = watch.report.layers
        np.testing.assert_allclose(
            activations.get_ydata(), [layer.activation_rms for layer in found]
        )
        np.testing.assert_allclose(gradients.get_ydata(), [layer.gradient_rms for layer in found])


class Stop(keras.callbacks.Callback):
    """Ends the fit after an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch == self.epoch


class TestRefused:
    @pytest.mark.parametrize(
        ("x", "y", "message"),
        [
            (np.zeros((3, 2)), np.zeros(4), "y has 4 examples but x has 3"),
            (np.zeros((0, 2)), np.zeros(0), "x must hold examples"),
            (np.full((2, 2), np.nan), np.zeros(2), "x must be finite"),
            (np.zeros((2, 2)), None, "y must be an array"),
        ],
    )
    def test_data(self, x, y, message):
        with pytest.raises(ConfigError, match=message):
            LayerHealth(x, y)
