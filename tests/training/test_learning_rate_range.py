"""The range test sees where a cost falls and diverges, and leaves everything as it was."""

from __future__ import annotations

import random
from math import inf

import keras
import numpy as np
import pytest

from keras_ext.diagnosis import learning_rates
from keras_ext.errors import ConfigError
from keras_ext.gradients import random_state
from keras_ext.training import learning_rate_range


def data(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x = rng.normal(size=(256, 8)).astype("float32")
    return x, (x @ rng.normal(size=(8, 3))).argmax(axis=1).astype("int32")


def network(optimizer: object = "sgd") -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(16, "relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(3),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def state(model: keras.Model) -> list[bytes]:
    variables = [*model.variables, *model.optimizer.variables]
    return [np.asarray(keras.ops.convert_to_numpy(v.value)).tobytes() for v in variables]


def drawn() -> tuple[object, ...]:
    """What each generator would draw next, without a trace."""
    kept = random_state.capture()
    next_ones = (
        random.random(),
        float(np.random.random()),
        np.asarray(keras.ops.convert_to_numpy(keras.random.uniform((2,)))).tobytes(),
    )
    random_state.restore(kept)
    return next_ones


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_nothing_changes_to_the_last_bit(name: str, rng: np.random.Generator) -> None:
    x, y = data(rng)
    model = network(name)
    model.fit(x, y, epochs=1, verbose=0)
    keras.random.uniform((1,))  # The global generator exists.
    before, next_before, arrays = state(model), drawn(), (x.copy(), y.copy())
    seen = learning_rate_range(model, (x, y), steps=20)
    assert len(seen.rates) >= 10
    assert state(model) == before
    assert drawn() == next_before
    np.testing.assert_array_equal(x, arrays[0])
    np.testing.assert_array_equal(y, arrays[1])
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01 if name == "sgd" else 0.001)


@pytest.mark.slow
def test_a_later_fit_is_the_same_as_without_the_test(rng: np.random.Generator) -> None:
    x, y = data(rng)
    weights = []
    for tested in (False, True):
        keras.utils.set_random_seed(1)
        model = network("adam")
        if tested:
            learning_rate_range(model, (x, y), steps=20)
        model.fit(x, y, epochs=2, verbose=0)
        weights.append(state(model))
    assert weights[0] == weights[1]


def test_it_finds_where_gradient_descent_on_a_quadratic_diverges(rng: np.random.Generator) -> None:
    """The cost a/2 w^2, a = 1: gradient descent is stable below a rate of 2 / a, and not above."""
    x = np.ones((64, 1), "float32")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(0.1), lambda y, p: 0.5 * keras.ops.mean((p - y) ** 2))
    model.set_weights([np.full((1, 1), 3.0, "float32")])
    seen = learning_rate_range(model, (x, 0 * x), low=1e-4, high=100.0, steps=200)
    found = seen.suggestions
    assert found.divergence is not None
    assert found.lowest is not None
    assert found.steepest is not None
    assert 2.0 < found.divergence < 20.0
    assert found.steepest < found.lowest < found.divergence
    assert found.tenth_of_divergence == pytest.approx(found.divergence / 10)
    assert seen.range is not None
    assert seen.range[0] < seen.range[1] < found.divergence
    # The first step is taken at the lowest rate: its cost is that of the weights given.
    assert seen.costs[0] == pytest.approx(4.5)
    assert "steepest descent" in seen.summary()


def test_one_that_explodes_at_once_says_that_nothing_fell(rng: np.random.Generator) -> None:
    x = np.full((64, 1), 1e6, "float32")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    seen = learning_rate_range(model, (x, 0 * x), low=1.0, high=10.0, steps=20)
    assert seen.costs[-1] == inf
    assert seen.range is None
    assert "never fell" in seen.summary()


def test_a_schedule_gives_way_and_stays_with_the_model(rng: np.random.Generator) -> None:
    x, y = data(rng)
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    model = network(keras.optimizers.SGD(schedule))
    seen = learning_rate_range(model, (x, y), low=1e-3, high=1e-1, steps=10)
    assert seen.rates == pytest.approx(np.geomspace(1e-3, 1e-1, 10))
    assert model.optimizer._learning_rate is schedule


class Odd(keras.Model):
    """Can't be made again from a config."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.inner = keras.layers.Dense(units)

    def call(self, x: object) -> object:
        return self.inner(x)


def test_models_that_cannot_be_cloned_take_build(rng: np.random.Generator) -> None:
    x, y = data(rng)
    model = Odd(3)
    model(x[:1])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    def build() -> keras.Model:
        made = Odd(3)
        made(x[:1])
        return made

    before = state(model)
    assert len(learning_rate_range(model, (x, y), steps=10, build=build).rates) == 10
    assert state(model) == before
    with pytest.raises(ConfigError, match="another model"):
        learning_rate_range(model, (x, y), steps=10, build=lambda: network())
    with pytest.raises(ConfigError, match="new keras"):
        learning_rate_range(model, (x, y), steps=10, build=lambda: model)


def test_batches_in_a_list_are_read_in_their_order(rng: np.random.Generator) -> None:
    x, y = data(rng)
    batches = [(x[i : i + 64], y[i : i + 64]) for i in range(0, 256, 64)]
    assert len(learning_rate_range(network(), batches, high=1e-2, steps=10).costs) == 10


def test_the_same_seed_gives_the_same_test(rng: np.random.Generator) -> None:
    arrays, model = data(rng), network()
    first, second = (learning_rate_range(model, arrays, steps=15) for _ in range(2))
    assert first == second


class Counting(list[object]):
    def set_epoch(self, epoch: int) -> None:
        raise AssertionError


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"low": 0.0}, "low=0.0"),
        ({"high": 1e-9}, "high=1e-09"),
        ({"steps": 3}, "steps=3"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"data": Counting()}, "counts its passes"),
    ],
)
def test_what_cannot_be_is_named(
    change: dict[str, object], message: str, rng: np.random.Generator
) -> None:
    arguments = {"data": data(rng), **change}
    with pytest.raises(ConfigError, match=message):
        learning_rate_range(network(), **arguments)


def test_an_uncompiled_model_is_refused(rng: np.random.Generator) -> None:
    with pytest.raises(ConfigError, match="compiled"):
        learning_rate_range(keras.Sequential([keras.Input((8,))]), data(rng))


def test_the_figure_shows_costs_and_marks(rng: np.random.Generator) -> None:
    pytest.importorskip("matplotlib")
    seen = learning_rate_range(network(), data(rng), high=100.0)
    axes = seen.plot().axes[0]
    lines = {line.get_label(): list(line.get_xdata()) for line in axes.lines}
    shown = [rate for rate, cost in zip(seen.rates, seen.costs, strict=True) if cost < inf]
    assert lines["each mini-batch"] == pytest.approx(shown)
    assert any("steepest" in text.get_text() for text in axes.texts)


class TestReading:
    rates = tuple(np.geomspace(1e-5, 1.0, 101))

    def test_steepest_is_that_of_a_known_curve(self) -> None:
        """2 / (1 + (r/c)^2) falls fastest over log r at r = c; the average lags by some steps."""
        costs = [2.0 / (1 + (rate / 1e-2) ** 2) for rate in self.rates]
        found = learning_rates(self.rates, costs)
        assert found.steepest is not None
        assert 1e-2 < found.steepest < 4e-2
        assert found.lowest == pytest.approx(1.0)
        assert found.divergence is None

    @pytest.mark.parametrize("seed", range(40))
    def test_noise_before_the_fall_is_not_taken_for_it(self, seed: int) -> None:
        """Mini-batches that differ by chance, at rates too small to change anything."""
        rates = np.geomspace(1e-6, 1, 100)
        noise = np.random.default_rng(seed).normal(0, 0.15, 100)
        found = learning_rates(rates, 2.3 / (1 + (rates / 1e-2) ** 2) + noise)
        assert found.steepest is not None
        assert 2e-3 < found.steepest < 0.1
        flat = learning_rates(rates, 2.3 + noise)
        assert flat.steepest is None
        assert flat.range is None

    def test_a_number_that_is_not_finite_is_the_divergence(self) -> None:
        costs = [2.0 - 0.01 * place for place in range(101)]
        costs[80:] = [float("nan")] * 21
        found = learning_rates(self.rates, costs)
        assert found.divergence == self.rates[80]
        assert found.lowest == self.rates[79]

    def test_units_of_the_cost_do_not_matter(self, rng: np.random.Generator) -> None:
        costs = 2.0 / (1 + np.array(self.rates) / 1e-2) + rng.normal(0, 0.01, 101) + 1
        assert learning_rates(self.rates, costs) == learning_rates(self.rates, 64 * costs)

    def test_a_cost_that_never_falls_suggests_nothing(self) -> None:
        found = learning_rates(self.rates, [1.0 + place for place in range(101)])
        assert found.steepest is None
        assert found.range is None
        assert found.divergence is not None

    @pytest.mark.parametrize(
        ("rates", "costs"),
        [([0.1] * 20, [1.0] * 20), ([0.1], [1.0]), (list(range(20)), [1.0] * 20), ([1, 2], [1])],
    )
    def test_what_is_no_test_is_refused(self, rates: list[float], costs: list[float]) -> None:
        with pytest.raises(ConfigError, match="rates"):
            learning_rates(rates, costs)
