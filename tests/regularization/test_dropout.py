import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_ext.errors import ConfigError
from keras_ext.regularization import Dropout

BACKEND = keras.backend.backend()
# torch.compile takes a minute and warns of its own.
SLOW = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")] if BACKEND == "torch" else []
JIT = [False, pytest.param(True, marks=SLOW)]
ONES = np.ones((200, 500), dtype="float32")


def dropped(layer, x=ONES):
    return ops.convert_to_numpy(layer(ops.convert_to_tensor(x), training=True))


def zeros(array):
    return float(np.mean(array == 0))


@keras.saving.register_keras_serializable(package="tests")
class Weighted(keras.layers.Layer):
    """Multiplies by weights that start at one; counts how often its code runs."""

    runs = 0

    def build(self, shape):
        self.scale = self.add_weight(shape=shape[1:], initializer="ones")

    def call(self, inputs):
        Weighted.runs += 1
        return inputs * self.scale


@keras.saving.register_keras_serializable(package="tests")
def output_sum(_, outputs):
    return ops.sum(outputs)


def weighted_model(layer, *, units=2000, jit_compile=False):
    """A step moves each of the model's weights by what the layer let through of a one."""
    model = keras.Sequential([keras.Input((units,)), Weighted(), layer])
    model.compile(keras.optimizers.SGD(1.0), loss=output_sum, jit_compile=jit_compile)
    return model, np.ones((1, units), dtype="float32")


def step(model, x):
    """What one step let through: minus the change of the weights."""
    before = model.get_weights()[0]
    model.train_on_batch(x, np.zeros((len(x), 1), dtype="float32"))
    return before - model.get_weights()[0]


def test_inference_is_the_identity():
    layer = Dropout(0.5)
    x = np.arange(12, dtype="float32").reshape(3, 4)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(x)), x)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(x, training=False)), x)


def test_rate_zero_is_the_identity_in_training():
    x = np.arange(12, dtype="float32").reshape(3, 4)
    np.testing.assert_array_equal(dropped(Dropout(0.0), x), x)


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.5, 0.9])
def test_distribution_is_that_of_the_stock_layer(rate):
    ours, stock = (dropped(kind(rate, seed=1)) for kind in (Dropout, keras.layers.Dropout))
    spread = math.sqrt(rate * (1 - rate) / ONES.size)
    assert abs(zeros(ours) - rate) < 5 * spread
    assert abs(zeros(ours) - zeros(stock)) < 5 * math.sqrt(2) * spread
    assert abs(ours.mean() - 1) < 5 * spread / (1 - rate)
    np.testing.assert_allclose(ours[ours != 0], 1 / (1 - rate), rtol=1e-6)
    np.testing.assert_allclose(ours.max(), stock.max(), rtol=1e-6)


def test_elements_are_dropped_independently():
    kept = dropped(Dropout(0.5, seed=3)) != 0
    for a, b in ((kept[1:], kept[:-1]), (kept[:, 1:], kept[:, :-1])):
        assert abs(np.mean(a == b) - 0.5) < 5 * 0.5 / math.sqrt(a.size)


def test_masks_follow_the_seed_and_change_at_each_call():
    first, same, other = Dropout(0.5, seed=7), Dropout(0.5, seed=7), Dropout(0.5, seed=8)
    one = dropped(first)
    np.testing.assert_array_equal(one, dropped(same))
    assert np.mean(one == dropped(other)) < 0.6
    assert np.mean(one == dropped(first)) < 0.6


def test_noise_shape_drops_whole_rows():
    out = dropped(Dropout(0.5, noise_shape=(None, 1, None)), np.ones((40, 5, 30), "float32"))
    np.testing.assert_array_equal(out, np.broadcast_to(out[:, :1], out.shape))
    assert 0.4 < zeros(out) < 0.6


def test_dropped_inputs_leave_no_trace_even_when_not_finite():
    out = dropped(Dropout(0.5, seed=1), np.full((10, 10), np.inf, dtype="float32"))
    assert set(np.unique(out)) == {0.0, np.inf}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16"])
def test_low_precision_keeps_dtype_and_distribution(dtype):
    layer = Dropout(0.002, dtype=dtype, seed=1)
    out = layer(ops.convert_to_tensor(ONES), training=True)
    assert keras.backend.standardize_dtype(out.dtype) == layer.compute_dtype
    out = ops.convert_to_numpy(ops.cast(out, "float32"))
    assert abs(zeros(out) - 0.002) < 5 * math.sqrt(0.002 * 0.998 / ONES.size)
    np.testing.assert_allclose(out[out != 0], 1 / 0.998, rtol=5e-3)
    assert layer.rate == 0.002


@pytest.mark.parametrize("jit_compile", JIT)
def test_a_new_rate_takes_effect_at_the_next_step(jit_compile):
    layer = Dropout(0.0, seed=1)
    model, x = weighted_model(layer, jit_compile=jit_compile)
    np.testing.assert_array_equal(step(model, x), np.ones(2000))
    for rate in (0.5, 0.1, 0.9):
        layer.rate = rate
        through = step(model, x)
        assert abs(zeros(through) - rate) < 5 * math.sqrt(rate * (1 - rate) / 2000)
        np.testing.assert_allclose(through[through != 0], 1 / (1 - rate), rtol=1e-3)
    layer.rate = 0
    np.testing.assert_allclose(step(model, x), np.ones(2000), rtol=1e-3)


@pytest.mark.skipif(BACKEND == "torch", reason="torch runs the layer's code at each step")
@pytest.mark.parametrize("jit_compile", JIT if BACKEND == "tensorflow" else [True])
def test_a_new_rate_retraces_nothing(jit_compile):
    layer = Dropout(0.5)
    model, x = weighted_model(layer, units=10, jit_compile=jit_compile)
    step(model, x)
    runs = Weighted.runs
    assert runs > 0
    for rate in (0.2, 0.0, 0.7):
        layer.rate = rate
        step(model, x)
    assert Weighted.runs == runs


@pytest.mark.parametrize("moment", ["on_epoch_begin", "on_train_batch_begin"])
def test_a_callback_may_change_the_rate_during_fit(moment):
    layer = Dropout(0.9, seed=1)
    model, x = weighted_model(layer, units=100)

    def change(self, number, logs=None):
        layer.rate = 0.0

    before = model.get_weights()[0]
    callback = type("Change", (keras.callbacks.Callback,), {moment: change})()
    y = np.zeros((4, 1), dtype="float32")
    model.fit(np.repeat(x, 4, 0), y, batch_size=1, epochs=1, verbose=0, callbacks=[callback])
    np.testing.assert_allclose(before - model.get_weights()[0], np.full(100, 4.0))


def test_the_rate_is_a_weight_but_no_trained_one():
    layer = Dropout(0.5)
    model, x = weighted_model(layer)
    assert len(model.trainable_weights) == 1
    assert any(weight is layer.weights[0] for weight in model.non_trainable_weights)
    step(model, x)
    assert layer.rate == 0.5


@pytest.mark.skipif(BACKEND == "torch", reason="torch has no graph to look at")
def test_at_rate_zero_no_random_numbers_are_drawn():
    layer = Dropout(0.0)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        def call(x):
            return layer(x, training=True)

        operations = tf.function(call).get_concrete_function(tf.ones((2, 2))).graph.get_operations()
        outside = " ".join(operation.type for operation in operations)
        assert "If" in outside
    else:
        import jax

        state = [variable.value for variable in layer.non_trainable_variables]
        jaxpr = jax.make_jaxpr(lambda x: layer.stateless_call([], state, x, training=True))(ONES)
        outside = " ".join(
            "cond" if equation.primitive.name == "cond" else str(equation)
            for equation in jaxpr.jaxpr.eqns
        )
        assert "cond" in outside
    assert "andom" not in outside
    assert "threefry" not in outside


def test_masks_of_a_sequence_pass_through():
    inputs = keras.Input((3,), dtype="int32")
    embedded = keras.layers.Embedding(5, 2, mask_zero=True)(inputs)
    outputs = keras.layers.GlobalAveragePooling1D()(Dropout(0.5)(embedded))
    model = keras.Model(inputs, outputs)
    model.layers[1].set_weights([np.arange(10, dtype="float32").reshape(5, 2)])
    np.testing.assert_allclose(model.predict_on_batch(np.array([[4, 0, 0]])), [[8, 9]])


def test_config_has_the_rate_at_present():
    layer = Dropout(0.5, noise_shape=(None, 1), seed=3, name="drop", dtype="mixed_bfloat16")
    layer.rate = 0.1
    config = layer.get_config()
    assert (config["rate"], config["noise_shape"], config["seed"]) == (0.1, (None, 1), 3)
    again = Dropout.from_config(config)
    assert again.get_config() == config


def test_saving_loading_and_cloning_keep_the_rate(tmp_path):
    layer = Dropout(0.5)
    model, _ = weighted_model(layer)
    layer.rate = 0.125
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    cloned = keras.models.clone_model(model)
    assert loaded.layers[-1].rate == cloned.layers[-1].rate == 0.125
    model.save_weights(tmp_path / "model.weights.h5")
    layer.rate = 0.75
    model.load_weights(tmp_path / "model.weights.h5")
    assert layer.rate == 0.125
    cloned.layers[-1].rate = 0.25
    assert layer.rate == 0.125


def test_a_loaded_model_trains_on_with_a_rate_that_moves(tmp_path):
    model, x = weighted_model(Dropout(0.5))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    loaded.compile(keras.optimizers.SGD(1.0), loss=output_sum)
    assert zeros(step(loaded, x)) > 0.4
    loaded.layers[-1].rate = 0.0
    assert zeros(step(loaded, x)) == 0


@pytest.mark.parametrize("rate", [1.0, -0.1, math.nan, "0.5", None, True])
def test_bad_rates_are_named(rate):
    with pytest.raises(ConfigError, match=r"rate must be a number in \[0, 1\), got rate="):
        Dropout(rate)
    layer = Dropout(0.5)
    with pytest.raises(ConfigError, match=r"got rate="):
        layer.rate = rate
    assert layer.rate == 0.5


@pytest.mark.parametrize("shape", ["12", 3, (0,), (-1, None), (1.5,)])
def test_bad_noise_shapes_are_named(shape):
    with pytest.raises(ConfigError, match="noise_shape must be a sequence"):
        Dropout(0.5, noise_shape=shape)
