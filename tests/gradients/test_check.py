"""Whole models: right ones pass, wrong ones don't, and nothing of the caller's changes."""

from __future__ import annotations

import random

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_ext.errors import ConfigError
from keras_ext.gradients import check_gradients
from keras_ext.regularization import L2, Dropout

SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _convnet() -> tuple[keras.Model, np.ndarray, np.ndarray]:
    """Like the recipes' network: uint8 images, black borders, everything that has a kink."""
    rng = np.random.default_rng(1)
    x = np.zeros((8, 12, 12, 1), "uint8")
    x[:, 3:9, 3:9] = rng.integers(0, 256, (8, 6, 6, 1))
    normalizer = layers.Normalization(axis=None)
    normalizer.adapt(x.astype("float32"))
    inputs = keras.Input((12, 12, 1), dtype="uint8")
    hidden = normalizer(inputs)
    for channels in (4, 6):
        penalty = L2(0.01)
        hidden = layers.Conv2D(channels, 3, use_bias=False, kernel_regularizer=penalty)(hidden)
        hidden = layers.MaxPooling2D()(hidden)
        hidden = layers.BatchNormalization(momentum=0.9)(hidden)
        hidden = layers.Activation("relu")(hidden)
    hidden = Dropout(0.3)(layers.Flatten()(hidden))
    hidden = layers.Dense(16, activation="relu", kernel_regularizer="l2")(hidden)
    hidden = layers.Dropout(0.5)(hidden)
    model = keras.Model(inputs, layers.Dense(3, dtype="float32")(hidden))
    model.compile(optimizer="adam", loss=SPARSE)
    return model, x, rng.integers(0, 3, 8)


def _tanh() -> tuple[keras.Model, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(7, activation="tanh"), layers.Dense(2)]
    )
    model.compile(loss="mse")
    return model, rng.standard_normal((6, 5)), rng.standard_normal((6, 2))


def _lstm() -> tuple[keras.Model, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    model = keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            layers.Embedding(9, 3, mask_zero=True),
            layers.Bidirectional(layers.LSTM(3)),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(loss="binary_crossentropy")
    return model, rng.integers(0, 9, (6, 4)), rng.integers(0, 2, (6, 1))


def _attention() -> tuple[keras.Model, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    inputs = keras.Input((4, 6))
    hidden = layers.MultiHeadAttention(2, 3, dropout=0.2)(inputs, inputs)
    hidden = layers.LayerNormalization()(hidden + inputs)
    model = keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling1D()(hidden)))
    model.compile(loss=SPARSE)
    return model, rng.standard_normal((6, 4, 6)), rng.integers(0, 3, 6)


def _two_outputs() -> tuple[keras.Model, list[np.ndarray], list[np.ndarray]]:
    """Two inputs through one shared layer, two losses of different weight, one of them a dict's."""
    rng = np.random.default_rng(5)
    first, second = keras.Input((3,), name="first"), keras.Input((3,), name="second")
    shared = layers.Dense(4, activation="gelu", activity_regularizer="l2")
    both = layers.Concatenate()([shared(first), shared(second)])
    outputs = [layers.Dense(2, name="values")(both), layers.Dense(3, name="classes")(both)]
    model = keras.Model([first, second], outputs)
    model.compile(loss=["mse", SPARSE], loss_weights=[0.2, 3.0])
    return (
        model,
        list(rng.standard_normal((2, 6, 3))),
        [
            rng.standard_normal((6, 2)),
            rng.integers(0, 3, 6),
        ],
    )


def _stateful() -> tuple[keras.Model, np.ndarray, np.ndarray]:
    """Small, with moving statistics and two kinds of dropout."""
    rng = np.random.default_rng(6)
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(8, kernel_regularizer=L2(0.01)),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            Dropout(0.3),
            layers.Dropout(0.3),
            layers.Dense(3),
        ]
    )
    model.compile(optimizer="adam", loss=SPARSE)
    return model, rng.standard_normal((8, 5)), rng.integers(0, 3, 8)


FAMILIES = [_convnet, _tanh, _lstm, _attention, _two_outputs]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_right_model_is_ok_in_double_precision(family) -> None:
    model, x, y = family()
    report = check_gradients(model, x, y)
    assert report.ok, str(report)
    assert report.precision == "double"
    assert report.relative_error < 1e-6
    assert {row.status for row in report.variables} <= {"ok", "kink", "untested"}, str(report)
    assert sum(row.status == "ok" for row in report.variables) >= len(report.variables) - 1
    assert [row.path for row in report.variables] == [v.path for v in model.trainable_variables]


def test_recurrent_layers_are_not_left_to_cudnn(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it computes on a GPU has no gradient in double precision."""
    model, x, y = _lstm()

    def asked(*args: object, **options: object) -> None:
        raise AssertionError("cuDNN was asked for")

    monkeypatch.setattr(keras.src.backend, "lstm", asked)
    assert check_gradients(model, x, y).ok
    with pytest.raises(AssertionError, match="cuDNN"):
        model(x)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("family", FAMILIES)
def test_right_models_of_other_seeds_are_ok(family, seed: int) -> None:
    keras.utils.set_random_seed(seed)
    model, x, y = family()
    report = check_gradients(model, x, y, seed=seed)
    assert report.ok, str(report)
    assert not any(row.status == "suspect" for row in report.variables), str(report)


def _dense(layer: layers.Layer) -> keras.Model:
    model = keras.Sequential([keras.Input((5,)), layer, layers.Dense(3)])
    model.compile(loss=SPARSE)
    return model


@pytest.mark.parametrize("factor", [-1.0, 0.0, 2.0])
@pytest.mark.parametrize("fault", ["kernel", "bias"])
def test_a_wrong_variable_is_named(faults, batch, fault: str, factor: float) -> None:
    model = _dense(faults.dense(8, fault=fault, factor=factor, activation="relu"))
    report = check_gradients(model, *batch)
    wrong = [row for row in report.variables if row.status == "wrong"]
    assert [row.path.rpartition("/")[2] for row in wrong] == [fault]
    assert wrong[0].analytic == pytest.approx(factor * wrong[0].numeric, rel=1e-5)
    assert not report.ok


def test_a_wrong_element_of_a_large_kernel_is_named(faults, rng: np.random.Generator) -> None:
    layer = faults.dense(60, fault=20 * 60 + 30, factor=0.5, activation="tanh")
    model = keras.Sequential([keras.Input((100,)), layer, layers.Dense(3)])
    model.compile(loss=SPARSE)
    report = check_gradients(model, rng.standard_normal((6, 100)), rng.integers(0, 3, 6))
    statuses = {row.path: row.status for row in report.variables}
    assert [path for path, status in statuses.items() if status != "ok"] == [layer.kernel.path]
    row = report.variables[0]
    assert (row.status, row.worst_index) == ("wrong", (20, 30))
    assert row.analytic == pytest.approx(row.numeric / 2, rel=1e-5)


def test_a_forgotten_penalty_is_found(faults, batch) -> None:
    model = _dense(layers.Dense(8, kernel_regularizer=faults.forgotten_l2()))
    report = check_gradients(model, *batch)
    assert [row.status for row in report.variables] == ["wrong", "ok", "ok", "ok"]


def test_a_wrong_loss_is_found(faults, batch) -> None:
    """With an own class that doesn't know of dtypes and can't be serialized."""

    class Halved(keras.losses.Loss):
        def __init__(self, table: object) -> None:
            super().__init__()
            self.table = table

        def call(self, y_true, y_pred):
            return faults.with_gradient(ops.mean(ops.square(y_pred), axis=-1), 0.5)

    report = check_gradients(_dense(layers.Dense(4)), *batch, loss=Halved(object()))
    assert {row.status for row in report.variables} == {"wrong"}
    assert report.precision == "double"
    assert report.relative_error == pytest.approx(1 / 3, rel=1e-3)


@pytest.mark.tensorflow
def test_a_wrong_custom_gradient_is_found(batch) -> None:
    import tensorflow as tf

    @tf.custom_gradient
    def cube(x):
        return x**3, lambda upstream: upstream * 2 * x**2

    class Cube(layers.Layer):
        def build(self, shape) -> None:
            self.scale = self.add_weight(shape=(shape[-1],), initializer="ones")

        def call(self, x):
            return cube(x * self.scale)

    report = check_gradients(_dense(Cube()), *batch)
    assert [row.status for row in report.variables] == ["wrong", "ok", "ok"]


def test_exhaustive_finds_the_same(faults, batch) -> None:
    model = _dense(faults.dense(4, fault=7, factor=3.0, activation="tanh"))
    report = check_gradients(model, *batch, method="exhaustive")
    assert [row.status for row in report.variables] == ["wrong", "ok", "ok", "ok"]
    assert report.variables[0].worst_index == (1, 3)
    assert all(row.worst_index is not None for row in report.variables)


def test_a_bias_before_batch_norm_is_untested(batch) -> None:
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(4), layers.BatchNormalization(), layers.Dense(3)]
    )
    model.compile(loss=SPARSE)
    report = check_gradients(model, *batch)
    assert report.ok
    assert {row.path.rpartition("/")[2]: row.status for row in report.variables[:2]} == {
        "kernel": "ok",
        "bias": "untested",
    }


def test_the_cost_is_that_of_fit() -> None:
    """Sample weights and the training mode change it."""
    model, x, y = _stateful()
    options = ({}, {"sample_weight": np.full(8, 3.0)}, {"training": False})
    reports = [check_gradients(model, x, y, **option) for option in options]
    assert all(report.ok for report in reports)
    plain, weighted, inference = (report.variables[0].analytic for report in reports)
    assert inference != pytest.approx(plain, rel=1e-2)
    assert weighted != pytest.approx(plain, rel=1e-2)


def test_sample_weights_scale_the_gradient() -> None:
    model, x, y = _tanh()
    options = {"method": "exhaustive", "max_elements": 1}
    plain = check_gradients(model, x, y, **options)
    weighted = check_gradients(model, x, y, sample_weight=np.full(6, 3.0), **options)
    for one, three in zip(plain.variables, weighted.variables, strict=True):
        assert three.worst_index == one.worst_index
        assert three.analytic == pytest.approx(3 * one.analytic, rel=1e-6)


def test_losses_that_layers_add_are_part_of_the_cost(batch) -> None:
    class Activity(layers.Layer):
        def call(self, x):
            self.add_loss(ops.mean(ops.square(x)))
            return x

    model = keras.Sequential([keras.Input((5,)), layers.Dense(3), Activity()])
    model.compile(optimizer="sgd")
    report = check_gradients(model, batch[0], None)
    assert [row.status for row in report.variables] == ["ok", "ok"]


@pytest.mark.tensorflow
def test_noise_of_its_own_is_refused(batch) -> None:
    import tensorflow as tf

    class Noisy(layers.Layer):
        def call(self, x):
            return x + tf.random.normal(tf.shape(x), dtype=x.dtype)

    with pytest.raises(ConfigError, match="must be deterministic"):
        check_gradients(_dense(Noisy()), *batch)


def test_frozen_weights_are_untested(batch) -> None:
    """Moving statistics were never meant to be trained, and are no frozen weights."""
    frozen = layers.Dense(4, trainable=False)
    model = keras.Sequential(
        [keras.Input((5,)), frozen, layers.BatchNormalization(), layers.Dense(3)]
    )
    model.compile(loss=SPARSE)
    report = check_gradients(model, *batch)
    assert [row.shape for row in report.variables] == [(4,), (4,), (4, 3), (3,), (5, 4), (4,)]
    assert [row.path for row in report.variables[4:]] == [w.path for w in frozen.weights]
    assert all(row.status == "untested" for row in report.variables[4:])
    assert all("trainable is False" in row.reason for row in report.variables[4:])
    assert report.ok
    assert "2 frozen weights were not checked" in str(report)
    assert frozen.kernel.path not in str(report)


class Subclassed(keras.Model):
    """Its config doesn't say how to make it."""

    def __init__(self, units: int, table: object) -> None:
        super().__init__()
        self.first, self.second = layers.Dense(units, activation="tanh"), layers.Dense(3)
        self.drop = layers.Dropout(0.5)
        self.table = table

    def call(self, x, training=False):
        return self.second(self.drop(self.first(x), training=training))


def test_a_subclassed_model_needs_build(batch) -> None:
    model = Subclassed(4, object())
    model(batch[0])
    model.compile(loss=SPARSE)
    with pytest.raises(ConfigError, match=r"Subclassed '.*' can't be made again.*build="):
        check_gradients(model, *batch)
    report = check_gradients(model, *batch, build=lambda: Subclassed(4, object()))
    assert report.ok
    assert report.precision == "double"
    assert report.relative_error < 1e-7


def test_a_layer_that_cannot_be_made_again_is_named(batch) -> None:
    class Stubborn(layers.Layer):
        def __init__(self, table: object) -> None:
            super().__init__(name="stubborn")

        def call(self, x):
            return x

    with pytest.raises(ConfigError, match=r"Stubborn 'stubborn' can't be made again.*build="):
        check_gradients(_dense(Stubborn(object())), *batch)


def test_build_must_make_the_same_model(batch) -> None:
    with pytest.raises(ConfigError, match="build makes another model"):
        check_gradients(_dense(layers.Dense(4)), *batch, build=lambda: _dense(layers.Dense(5)))
    with pytest.raises(ConfigError, match=r"build must make a keras\.Model, got None"):
        check_gradients(_dense(layers.Dense(4)), *batch, build=lambda: None)


@pytest.mark.tensorflow
def test_code_that_insists_on_single_precision_is_judged_so(faults, batch) -> None:
    import tensorflow as tf

    class Insists(layers.Dense):
        def call(self, x):
            return tf.matmul(tf.cast(x, tf.float32), self.kernel)

    report = check_gradients(_dense(Insists(4)), *batch)
    assert report.ok, str(report)
    assert report.precision == "single"
    assert report.variables[0].status == "ok"
    assert "single precision" in str(report)


def test_code_that_hides_single_precision_is_judged_so(batch) -> None:
    class Hides(layers.Layer):
        def call(self, x):
            return ops.cast(ops.tanh(ops.cast(x, "float32")), self.compute_dtype)

    model = keras.Sequential([keras.Input((5,)), layers.Dense(30), Hides(), layers.Dense(3)])
    model.compile(loss=SPARSE)
    report = check_gradients(model, *batch)
    assert report.ok, str(report)
    assert report.precision == "single"
    assert [row.precision for row in report.variables] == ["single", "single", "double", "double"]


def _state(model: keras.Model) -> list[bytes]:
    every = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    values = [ops.convert_to_numpy(variable.value).tobytes() for variable in every]
    others = [random.getstate(), np.random.get_state()[1].tolist()]
    return [*values, repr(others).encode()]


def test_nothing_of_the_callers_changes() -> None:
    model, x, y = _stateful()
    model.fit(x, y, epochs=1, verbose=0)
    before, data = _state(model), (x.copy(), y.copy())
    loss, optimizer, step = model.loss, model.optimizer, model.train_function
    settings = keras.config.floatx(), keras.config.dtype_policy().name
    check_gradients(model, x, y)
    assert _state(model) == before
    assert (model.loss, model.optimizer, model.train_function) == (loss, optimizer, step)
    assert SPARSE.dtype == "float32"
    assert (keras.config.floatx(), keras.config.dtype_policy().name) == settings
    assert all(np.array_equal(old, new) for old, new in zip(data, (x, y), strict=True))
    assert keras.backend.result_type("float64", "float64") == _usual_double()
    assert keras.backend.standardize_dtype(ops.ones(1).dtype) == "float32"


def _usual_double() -> str:
    return "float64" if keras.backend.backend() == "tensorflow" else "float32"


@pytest.mark.slow
def test_training_goes_on_as_if_it_had_not_been_checked() -> None:
    """Dropout masks included."""
    costs = []
    for checked in (False, True):
        keras.utils.set_random_seed(7)
        model, x, y = _stateful()
        if checked:
            check_gradients(model, x, y)
        costs.append(model.fit(x, y, epochs=2, batch_size=4, verbose=0).history["loss"])
    assert costs[0] == costs[1]


def test_settings_are_restored_after_an_error(batch) -> None:
    model = _dense(layers.Dense(4))
    with pytest.raises(ConfigError, match="can't be computed on x and y"):
        check_gradients(model, batch[0][:, :3], batch[1])
    assert keras.config.floatx() == "float32"
    assert keras.config.dtype_policy().name == "float32"


def test_unusable_arguments_are_refused(batch) -> None:
    x, y = batch
    model = _dense(layers.Dense(4))
    with pytest.raises(ConfigError, match="x must hold examples"):
        check_gradients(model, x[:0], y[:0])
    with pytest.raises(ConfigError, match="y has 5 examples but x has 6"):
        check_gradients(model, x, y[:5])
    with pytest.raises(ConfigError, match="x must be finite, got NaN or infinity in example 2"):
        check_gradients(model, np.where(np.arange(6)[:, None] == 2, np.nan, x), y)
    with pytest.raises(ConfigError, match="sample_weight must be finite"):
        check_gradients(model, x, y, sample_weight=np.full(6, np.inf))
    with pytest.raises(ConfigError, match="method must be one of projection, exhaustive"):
        check_gradients(model, x, y, method="guess")
    with pytest.raises(ConfigError, match="directions must be a whole number of at least 1"):
        check_gradients(model, x, y, directions=0)
    with pytest.raises(ConfigError, match=r"max_elements must be .*, got max_elements=1\.5"):
        check_gradients(model, x, y, max_elements=1.5)


def test_unusable_models_are_refused(batch) -> None:
    x, y = batch
    with pytest.raises(ConfigError, match="is not built"):
        check_gradients(keras.Sequential([layers.Dense(3)]), x, y, loss="mse")
    bare = keras.Sequential([keras.Input((5,)), layers.Dense(3)])
    with pytest.raises(ConfigError, match="is not compiled: compile it, or pass loss="):
        check_gradients(bare, x, y)
    assert check_gradients(bare, x, y, loss=SPARSE).ok
    bare.trainable = False
    with pytest.raises(ConfigError, match="no trainable weights"):
        check_gradients(bare, x, y, loss=SPARSE)
    with pytest.raises(ConfigError, match=r"must be a keras\.Model, got model=3"):
        check_gradients(3, x, y)


def test_weights_that_are_not_finite_are_reported(batch) -> None:
    model = _dense(layers.Dense(4))
    model.layers[0].bias.assign(np.full(4, np.nan))
    report = check_gradients(model, *batch)
    assert {row.status for row in report.variables} == {"not finite"}
    assert not report.ok
