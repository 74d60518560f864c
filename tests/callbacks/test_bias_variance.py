"""BiasVariance in real fits."""

from __future__ import annotations

import copy
import json

import keras
import numpy as np
import pytest

from keras_ext.callbacks import BiasVariance

KEYS = {
    "train_error",
    "validation_error",
    "avoidable_bias",
    "variance",
    "train_cost",
    "validation_cost",
    "measured_epoch",
}

BAD = {
    "train": None,
    "validation": 5,
    "train_validation": 5,
    "error": "auc",
    "output": -1,
    "optimal_error": -0.1,
    "tolerance": float("nan"),
    "precision": 0.0,
    "max_examples": 1.5,
    "every": 0,
    "batch_size": 0,
    "knobs": ["dropout"],
}


def problem(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of shape (count, 4) and labels 0, 1 or 2."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 4)).astype("float32")
    return x, (x[:, 0] > 0).astype("int64") + (x[:, 1] > 0.5)


TRAIN, VALIDATION = problem(128, 0), problem(48, 1)


def example(**changes) -> BiasVariance:
    """One for a classifier of 4 inputs and 3 classes, as the laws want it."""
    arguments = {"train": TRAIN, "validation": VALIDATION, **changes}
    return BiasVariance(arguments.pop("train"), arguments.pop("validation"), **arguments)


class Subclassed(keras.Model):
    """Two dense layers with dropout between them."""

    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(16, activation="tanh", kernel_regularizer="l2")
        self.dropout = keras.layers.Dropout(0.5)
        self.out = keras.layers.Dense(3, activation="softmax")

    def call(self, x, training=False):
        return self.out(self.dropout(self.hidden(x), training=training))


def build(kind: str = "sequential", **compiled) -> keras.Model:
    """A compiled classifier with dropout and L2."""
    keras.utils.set_random_seed(1)
    if kind == "subclassed":
        model = Subclassed()
    else:
        model = keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(16, activation="tanh", kernel_regularizer="l2"),
                keras.layers.Dropout(0.5),
                keras.layers.Dense(3, activation="softmax"),
            ]
        )
    if kind == "functional":
        model = keras.Model(model.inputs[0], model.outputs[0])
    # Tracing would take most of the time. Keras on torch has no steps_per_execution, and
    # torch.compile needs a C++ compiler; on jax it is the eager steps that are slow.
    backend = keras.backend.backend()
    if backend == "torch" or not compiled:
        compiled = {"run_eagerly": backend != "jax"}
    model.compile("adam", loss="sparse_categorical_crossentropy", **compiled)
    return model


def fit(model: keras.Model, callback: keras.callbacks.Callback, epochs: int = 3, **options):
    """What ``fit`` returns, on the training examples."""
    options = {"x": TRAIN[0], "y": TRAIN[1], "batch_size": 32, "verbose": 0, **options}
    return model.fit(epochs=epochs, callbacks=[callback], **options)


def values(tensor) -> np.ndarray:
    """As numpy, also with a gradient."""
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def loop(model: keras.Model, data: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Error and cost by hand, from what the model says in inference mode."""
    each = values(model(data[0], training=False))
    wrong = [p.argmax() != y for p, y in zip(each, data[1], strict=True)]
    cost = [-np.log(p[y]) for p, y in zip(each, data[1], strict=True)]
    return float(np.mean(wrong)), float(np.mean(cost))


@pytest.mark.parametrize(
    ("kind", "compiled"),
    [
        ("sequential", {"run_eagerly": True}),
        pytest.param("sequential", {"jit_compile": True}, marks=pytest.mark.slow),
        ("functional", {"jit_compile": False, "steps_per_execution": 4}),
        ("subclassed", {"jit_compile": False}),
        ("subclassed", {"run_eagerly": True}),
    ],
)
def test_both_errors_are_those_of_the_final_weights(kind, compiled):
    model, watch = build(kind, **compiled), example()
    history = fit(model, watch).history
    for name, data in (("train", TRAIN), ("validation", VALIDATION)):
        error, cost = loop(model, data)
        assert history[f"{name}_error"][-1] == pytest.approx(error, abs=1e-9)
        assert history[f"{name}_cost"][-1] == pytest.approx(cost, rel=1e-4)
    assert watch.train_estimate.count == 128
    assert watch.validation_estimate.error == history["validation_error"][-1]
    gap = history["validation_error"][-1] - history["train_error"][-1]
    assert history["variance"][-1] == pytest.approx(gap) == watch.diagnosis.variance.value


def test_the_cost_has_no_penalty_and_the_loss_has():
    model, watch = build(), example()
    history = fit(model, watch).history
    penalty = float(values(sum(model.losses)))
    assert penalty > 0.05
    assert watch.history[-1]["train_cost"] == pytest.approx(loop(model, TRAIN)[1], rel=1e-4)
    assert history["loss"][-1] > history["train_cost"][-1] + penalty / 2


@pytest.mark.tensorflow
def test_data_sets_of_tensorflow():
    import tensorflow as tf

    sets = [tf.data.Dataset.from_tensor_slices(data).batch(32) for data in (TRAIN, VALIDATION)]
    watch, arrays = BiasVariance(*sets), example()
    data = {"x": sets[0], "y": None, "batch_size": None, "shuffle": False}
    first = fit(build(), watch, **data).history
    again = fit(build(), arrays, **data).history
    assert first == again
    assert copy.deepcopy(BiasVariance(*sets))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    try:
        history = fit(build(), example()).history
    finally:
        keras.config.set_dtype_policy("float32")
    assert all(type(value) is float for key in KEYS for value in history[key])


def test_between_measurements_the_last_value_is_carried_on():
    watch = example(every=3)
    logs = fit(build(), watch, epochs=8, initial_epoch=1).history
    assert logs["measured_epoch"] == [1.0, 1.0, 1.0, 4.0, 4.0, 4.0, 7.0]
    assert logs["train_cost"][0] == logs["train_cost"][2] != logs["train_cost"][3]
    assert [row["epoch"] for row in watch.history] == [1, 4, 7]
    assert all(set(logs) >= KEYS for row in watch.history)


def test_the_last_epoch_is_measured_at_the_end():
    model, watch = build(), example(every=10)
    logs = fit(model, watch, epochs=4).history
    assert logs["measured_epoch"] == [0.0] * 4
    assert [row["epoch"] for row in watch.history] == [0, 3]
    assert watch.history[-1]["train_cost"] == pytest.approx(loop(model, TRAIN)[1], rel=1e-4)


def test_nothing_is_left_of_the_fit_before():
    watch = example(every=2)
    fit(build(), watch, epochs=3)
    fit(build(), watch, epochs=4, initial_epoch=1)
    assert [row["epoch"] for row in watch.history] == [1, 3]
    fit(build(), watch, epochs=1)
    assert [row["epoch"] for row in watch.history] == [0]


def test_history_holds_limits_and_turns_into_json():
    watch = example()
    fit(build(), watch)
    row = json.loads(json.dumps(watch.history))[-1]
    limits = {f"{name}_{end}" for name in ("train", "validation") for end in ("low", "high")}
    assert set(row) == KEYS | limits | {"epoch"}
    assert (row["train_low"], row["train_high"]) == watch.train_estimate.interval()


def test_other_callbacks_read_what_it_writes(tmp_path):
    stop = keras.callbacks.EarlyStopping("validation_error", 100, patience=0, mode="min")
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    options = {"epochs": 9, "batch_size": 32, "verbose": 0}
    build().fit(*TRAIN, callbacks=[example(every=5), stop, log], **options)
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert set(lines[0].split(",")) >= KEYS
    assert len(lines) == 3


def test_samples_are_fixed_stratified_and_no_larger_than_asked_for():
    train, validation = problem(9000, 2), problem(700, 3)
    watch = BiasVariance(train, validation)
    fit(build(), watch, epochs=1)
    assert (watch.train_estimate.count, watch.validation_estimate.count) == (5000, 700)
    small = BiasVariance(train, validation, max_examples=100)
    fit(build(), small, epochs=1)
    assert (small.train_estimate.count, small.validation_estimate.count) == (100, 100)
    share = np.bincount(small._samples.chosen["train"].y) / 100
    np.testing.assert_allclose(share, np.bincount(train[1]) / 9000, atol=0.011)


def test_known_answers():
    x, y = problem(600, 4)
    noise = np.random.default_rng(0).permutation(y)
    bias = BiasVariance((x, noise), (x, noise), knobs={"epochs": 1, "dropout": 0.5})
    fit(build(), bias, epochs=1, batch_size=200)
    assert bias.diagnosis.dominant == "bias"
    assert bias.diagnosis.remedies[0].text.startswith("epochs 1 -> 2")
    variance = BiasVariance((x, y), (x, noise), optimal_error=1.0, knobs={"dropout": 0.5})
    fit(build(), variance, x=x, y=y, epochs=12, batch_size=100)
    assert variance.diagnosis.dominant == "variance"
    assert variance.diagnosis.remedies[0].after == 0.6


def test_regression_and_an_error_of_ones_own():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    watch = BiasVariance(TRAIN, VALIDATION, tolerance=0.1)
    logs = fit(model, watch).history
    p = values(model(TRAIN[0]))[:, 0]
    assert logs["train_error"][-1] == pytest.approx(np.mean((p - TRAIN[1]) ** 2), rel=1e-4)
    assert logs["train_error"] == pytest.approx(logs["train_cost"], rel=1e-4)
    assert not watch.train_estimate.proportion
    absolute = example(error=lambda y, p: np.abs(y - p[:, 0]))
    logs = fit(model, absolute, epochs=1).history
    p = values(model(TRAIN[0]))[:, 0]
    assert logs["train_error"][-1] == pytest.approx(np.mean(np.abs(p - TRAIN[1])), rel=1e-4)


def test_sample_weights_are_left_out():
    weighted = tuple((*data, np.zeros(len(data[0]))) for data in (TRAIN, VALIDATION))
    assert fit(build(), BiasVariance(*weighted)).history == fit(build(), example()).history
