"""A run with a compiled model of before is the run by itself, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

from keras_ext import models
from keras_ext.data import training_batches
from keras_ext.records import Augmentation, Splits, TrainConfig
from keras_ext.training import reuse
from keras_ext.training.optimizers import fixed, optimizer, reset
from keras_ext.training.reuse import CompiledModels, structure
from keras_ext.training.round import train_round

pytestmark = pytest.mark.tensorflow

MLP = TrainConfig(
    model="mlp", units=16, layers=1, dropout=0.2, l2=1e-3, epochs=2, batch_size=100, seed=1
)
OTHER = {
    "learning_rate": 0.01,
    "momentum": 0.8,
    "dropout": 0.4,
    "l2": 0.01,
    "seed": 7,
}


def outcome(config: TrainConfig, splits: Splits, **how: Any) -> tuple[Any, ...]:
    made, model = train_round(config, splits, quiet=True, **how)
    timeless = [{k: v for k, v in row.items() if k != "seconds"} for row in made.history]
    weights = [np.array(variable) for variable in model.variables]
    return timeless, made.iteration_costs, made.train, made.validation, weights


def same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    weights = zip(one[-1], other[-1], strict=True)
    return one[:-1] == other[:-1] and all(np.array_equal(a, b) for a, b in weights)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("base", "changes"),
    [
        (MLP, OTHER),
        (replace(MLP, schedule="time_based", decay_rate=1.0), {**OTHER, "decay_rate": 0.3}),
        (replace(MLP, schedule="constant", optimizer="adamw"), OTHER),
        (replace(MLP, schedule="cosine", optimizer="sgd"), {"learning_rate": 0.1, "seed": 2}),
        (
            replace(MLP, augmentation=Augmentation(rotation=20, magnitude=0.5)),
            {**OTHER, "augmentation": Augmentation(rotation=20, magnitude=0.9)},
        ),
        (replace(MLP, model="convnet", units=4, layers=2), OTHER),
    ],
)
def test_a_run_alone_equals_the_same_run_after_others(digits, base, changes):
    small = replace(digits, train=digits.train.take(slice(0, 500)))
    cache = CompiledModels()
    first, other = base, replace(base, **changes)
    alone = [outcome(config, small) for config in (first, other)]
    for config, expected in ((first, 0), (other, 1), (first, 0), (other, 1)):
        assert same(outcome(config, small, make=cache), alone[expected])
    assert (cache.compiled, cache.reused) == (1, 3)
    assert not same(alone[0], alone[1])


TURNED = Augmentation(rotation=20, flip="horizontal", magnitude=0.5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("base", "changes", "compiled"),
    [
        (MLP, OTHER, 1),
        (
            replace(MLP, model="convnet", units=4, layers=2, augmentation=TURNED),
            {**OTHER, "augmentation": replace(TURNED, magnitude=0.9)},
            1,
        ),
        (replace(MLP, augmentation=TURNED), {"augmentation": Augmentation(rotation=10)}, 2),
        (replace(MLP, augmentation=Augmentation(mixup=0.2)), OTHER, 1),
        (
            replace(MLP, augmentation=Augmentation(mixup=0.2)),
            {"augmentation": Augmentation(mixup=0.2, magnitude=0.5)},
            2,
        ),
    ],
)
def test_a_run_with_its_images_on_the_device_alone_equals_the_same_run_after_others(
    digits, base, changes, compiled
):
    small = replace(digits, train=digits.train.take(slice(0, 500)))
    cache = CompiledModels()
    first, other = base, replace(base, **changes)
    alone = [outcome(config, small, placement="device") for config in (first, other)]
    for config, expected in ((first, 0), (other, 1), (first, 0), (other, 1)):
        assert same(outcome(config, small, make=cache, placement="device"), alone[expected])
    assert (cache.compiled, cache.reused) == (compiled, 4 - compiled)
    assert not same(alone[0], alone[1])


def test_only_as_many_training_models_are_kept_as_have_room(digits, monkeypatch):
    monkeypatch.setattr(reuse, "DEVICE_BYTES", 2 * digits.train.x.nbytes)
    cache = CompiledModels()

    def reused(units: int, train: Any) -> bool:
        before = cache.reused
        wrap = training_batches(train, batch_size=100, placement="device", seed=0).training_model
        cache(replace(MLP, units=units), train, training_model=wrap)[0].optimizer.build([])
        return cache.reused > before

    found = [reused(units, digits.train) for units in (4, 5, 4, 6, 5, 6)]
    assert found == [False, False, True, False, False, True]
    assert not reused(6, replace(digits.train))


@pytest.mark.parametrize(
    "changes",
    [
        {"units": 8},
        {"layers": 2},
        {"dropout": 0.0},
        {"l2": 0.0},
        {"activation": "tanh"},
        {"batch_norm": False},
        {"epochs": 3},
        {"schedule": "cosine"},
        {"optimizer": "rmsprop"},
        {"optimizer": "adamw"},
        {"steps_per_execution": 1},
    ],
)
def test_another_structure_is_seen(changes):
    def of(config: TrainConfig) -> str | None:
        return structure(models.build(config, (5,), 3), config, 10)

    assert of(MLP) == of(replace(MLP, **OTHER)) is not None
    assert of(MLP) != of(replace(MLP, **changes))


def test_momentum_of_sgd_is_part_of_the_structure():
    sgd = replace(MLP, optimizer="sgd")
    assert fixed(optimizer(sgd, 5)) != fixed(optimizer(replace(sgd, momentum=0.5), 5))


def test_a_layer_that_does_not_tell_its_configuration_is_never_used_again():
    class Secret(keras.layers.Layer):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.factor = factor

        def call(self, x: Any) -> Any:
            return x * self.factor

        def get_config(self) -> Any:
            raise NotImplementedError

    inputs = keras.Input((4,))
    assert structure(keras.Model(inputs, Secret(2.0)(inputs)), MLP, 10) is None


def test_a_builder_of_the_users_own_is_trusted_only_when_told_to(digits):
    def linear(config: TrainConfig, shape: Any, outputs: int, normalizer: Any) -> keras.Model:
        inputs = keras.Input(shape)
        return keras.Model(inputs, keras.layers.Dense(outputs)(keras.layers.Flatten()(inputs)))

    for trust, expected in ((False, (2, 0)), (True, (1, 1))):
        cache = CompiledModels(trust=trust)
        for _ in range(2):
            cache(MLP, digits.train, build=linear)[0].optimizer.build([])
        assert (cache.compiled, cache.reused) == expected


def test_what_tensorflow_has_compiled_is_kept_unless_a_layer_may_draw_from_it(digits, monkeypatch):
    """``tf.random.set_seed`` drops it; layers of the user's own may depend on that."""
    import tensorflow as tf

    def own(config: TrainConfig, shape: Any, outputs: int, normalizer: Any) -> keras.Model:
        return models.build(config, shape, outputs, normalizer)

    cache, seeds = CompiledModels(trust=True), []
    for build in (models.build, own):
        cache(MLP, digits.train, build=build)[0].optimizer.build([])
    monkeypatch.setattr(tf.random, "set_seed", seeds.append)
    cache(MLP, digits.train)
    assert (cache.reused, seeds) == (2, [])
    cache(MLP, digits.train, build=own)
    assert (cache.reused, seeds) == (3, [1])


def test_now_and_then_it_is_dropped_and_the_run_is_the_same(digits, monkeypatch):
    """Or kernels of variables that are long gone would pile up."""
    import tensorflow as tf

    cache, seeds, set_seed = CompiledModels(), [], tf.random.set_seed
    monkeypatch.setattr(reuse, "TIDIED_EVERY", 3)
    monkeypatch.setattr(tf.random, "set_seed", lambda seed: (seeds.append(seed), set_seed(seed)))
    runs = [(outcome(MLP, digits, make=cache), len(seeds)) for _ in range(4)]
    assert cache.compiled == 1
    assert [count for _, count in runs] == [1, 1, 2, 2]  # The first for compiling.
    assert all(same(run, runs[0][0]) for run, _ in runs)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_live_numbers_compute_what_fixed_ones_do(name):
    """Against Keras's own optimizer with the same numbers."""
    config = replace(MLP, optimizer=name, schedule="constant", momentum=0.8, learning_rate=0.02)
    ours = optimizer(config, 5)
    extra = {"weight_decay": config.weight_decay} if name == "adamw" else {}
    theirs = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}[name](
        0.02, beta_1=0.8, **extra
    )
    assert ours.get_config()["beta_1"] == 0.8
    variables = [keras.Variable([1.0, -2.0]) for _ in range(2)]
    for part, variable in zip((ours, theirs), variables, strict=True):
        part.build([variable])
        for step in range(5):
            part.apply([keras.ops.convert_to_tensor([0.3 * step, -0.1])], [variable])
    assert np.array(variables[0]) == pytest.approx(np.array(variables[1]), rel=1e-5)


def test_reset_makes_a_used_optimizer_a_new_one():
    used = optimizer(replace(MLP, schedule="time_based", decay_rate=1.0), 5)
    variable = keras.Variable([1.0, -2.0])
    used.build([variable])
    used.apply([keras.ops.convert_to_tensor([0.3, -0.1])], [variable])
    assert float(used.iterations) == 1
    fresh = optimizer(replace(MLP, **OTHER, schedule="time_based", decay_rate=0.5), 5)
    reset(used, fresh)
    kept = {v.path: np.array(v) for v in used.variables if np.any(np.array(v))}
    assert [name for name in kept if "beta_1" not in name] == []
    for step in (0, 5, 12):
        assert float(used._learning_rate(step)) == float(fresh._learning_rate(step))
    assert used.get_config()["beta_1"] == 0.8
    assert used.get_config()["learning_rate"] == fresh.get_config()["learning_rate"]
