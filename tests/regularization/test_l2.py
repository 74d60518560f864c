import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_ext.errors import ConfigError
from keras_ext.regularization import L2

BACKEND = keras.backend.backend()
# torch.compile takes a minute and warns of its own.
SLOW = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")] if BACKEND == "torch" else []
JIT = [False, pytest.param(True, marks=SLOW)]
X = np.ones((2, 3), dtype="float32")
Y = np.zeros((2, 1), dtype="float32")


@keras.saving.register_keras_serializable(package="tests")
def nothing(_, outputs):
    return 0 * ops.sum(outputs)


def dense(penalty, units=4, **options):
    return keras.layers.Dense(units, kernel_regularizer=penalty, **options)


def model_of(*layers, jit_compile=False):
    """A model whose only cost is the penalty: SGD at rate 1 moves a kernel by its gradient."""
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.compile(keras.optimizers.SGD(1.0), loss=nothing, jit_compile=jit_compile)
    return model


def total(model):
    return sum(float(ops.convert_to_numpy(loss)) for loss in model.losses)


@pytest.mark.parametrize("shape", [(3, 4), (3, 3, 2, 5), (7,)])
def test_value_is_that_of_the_formula_and_of_the_stock_penalty(shape):
    kernel = np.random.default_rng(0).normal(size=shape).astype("float32")
    expected = 0.03 * sum(float(weight) ** 2 for weight in kernel.ravel())
    assert float(L2(0.03)(ops.convert_to_tensor(kernel))) == pytest.approx(expected, rel=1e-5)
    stock = keras.regularizers.L2(0.03)(ops.convert_to_tensor(kernel))
    assert float(L2(0.03)(ops.convert_to_tensor(kernel))) == pytest.approx(float(stock), rel=1e-6)


@pytest.mark.parametrize("jit_compile", JIT)
def test_gradient_is_twice_strength_times_kernel_at_the_strength_of_each_step(jit_compile):
    penalty = L2(0.1)
    model = model_of(dense(penalty), jit_compile=jit_compile)
    for strength in (0.1, 0.0, 0.4, 1e-3):
        penalty.strength = strength
        before = model.layers[0].get_weights()[0]
        loss = model.train_on_batch(X, Y)
        after = model.layers[0].get_weights()[0]
        assert float(loss) == pytest.approx(strength * np.sum(before**2), rel=1e-5)
        np.testing.assert_allclose(before - after, 2 * strength * before, rtol=1e-4, atol=1e-7)


@pytest.mark.skipif(BACKEND == "torch", reason="torch runs the penalty's code at each step")
@pytest.mark.parametrize("jit_compile", JIT if BACKEND == "tensorflow" else [True])
def test_a_new_strength_retraces_nothing(jit_compile):
    class Counting(L2):
        runs = 0

        def call(self, kernel):
            Counting.runs += 1
            return super().call(kernel)

    penalty = Counting(0.1)
    model = model_of(dense(penalty), jit_compile=jit_compile)
    model.train_on_batch(X, Y)
    runs = Counting.runs
    assert runs > 0
    for strength in (0.2, 0.0):
        penalty.strength = strength
        model.train_on_batch(X, Y)
    assert Counting.runs == runs


@pytest.mark.parametrize("moment", ["on_epoch_begin", "on_train_batch_begin"])
def test_a_callback_may_change_the_strength_during_fit(moment):
    penalty = L2(0.25)
    model = model_of(dense(penalty))

    def change(self, number, logs=None):
        penalty.strength = 0.0

    before = model.layers[0].get_weights()[0]
    callback = type("Change", (keras.callbacks.Callback,), {moment: change})()
    model.fit(X, Y, batch_size=1, epochs=2, verbose=0, callbacks=[callback])
    np.testing.assert_array_equal(model.layers[0].get_weights()[0], before)


def test_the_strength_is_a_weight_but_no_trained_one():
    penalty = L2(0.25)
    model = model_of(dense(penalty))
    assert [weight.name for weight in model.trainable_weights] == ["kernel", "bias"]
    assert any(weight is penalty.weights[0] for weight in model.non_trainable_weights)
    model.train_on_batch(X, Y)
    assert penalty.strength == 0.25


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_sums_in_the_precision_of_the_kernel(dtype):
    keras.config.set_dtype_policy(dtype)
    try:
        model = model_of(dense(L2(0.01), kernel_initializer=keras.initializers.Constant(200.0)))
        loss = model.train_on_batch(X, Y)
        assert float(loss) == pytest.approx(0.01 * 12 * 200**2, rel=1e-5)
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.skipif(BACKEND == "jax", reason="JAX has double precision only where it was asked for")
def test_a_penalty_in_double_precision_takes_part():
    kernel = ops.convert_to_tensor(np.full((2, 2), 3.0), dtype="float64")
    value = L2(0.5)(kernel)
    assert keras.backend.standardize_dtype(value.dtype) == "float64"
    assert float(value) == 18


def test_saving_loading_and_cloning_keep_each_strength(tmp_path):
    penalties = [L2(0.5), L2(0.5)]
    model = model_of(*(dense(penalty) for penalty in penalties))
    penalties[0].strength, penalties[1].strength = 0.1, 0.2
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    cloned = keras.models.clone_model(model)
    for copy in (loaded, cloned):
        assert [layer.kernel_regularizer.strength for layer in copy.layers] == [0.1, 0.2]
    assert total(loaded) == pytest.approx(total(model), rel=1e-6)
    model.save_weights(tmp_path / "model.weights.h5")
    penalties[0].strength = 0.9
    model.load_weights(tmp_path / "model.weights.h5")
    assert penalties[0].strength == 0.1
    cloned.layers[0].kernel_regularizer.strength = 0.7
    assert penalties[0].strength == 0.1


def test_a_loaded_model_trains_on_with_a_strength_that_moves(tmp_path):
    model = model_of(dense(L2(0.1)))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    loaded.compile(keras.optimizers.SGD(1.0), loss=nothing)
    kernel = loaded.layers[0].get_weights()[0]
    assert float(loaded.train_on_batch(X, Y)) == pytest.approx(0.1 * np.sum(kernel**2), rel=1e-5)
    loaded.layers[0].kernel_regularizer.strength = 0.0
    assert float(loaded.train_on_batch(X, Y)) == 0


def test_inside_wrappers_and_cells(tmp_path):
    recurrent = keras.layers.LSTM(2, kernel_regularizer=L2(0.1), recurrent_regularizer=L2(0.2))
    inputs = keras.Input((4, 3))
    x = keras.layers.TimeDistributed(dense(L2(0.3)))(inputs)
    model = keras.Model(inputs, keras.layers.Bidirectional(recurrent)(x))
    assert len(model.losses) == 5
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert total(loaded) == pytest.approx(total(model), rel=1e-6)


def test_one_object_for_two_layers_is_refused():
    penalty = L2(0.1, name="mine")
    model = model_of(dense(penalty, name="one"), dense(penalty, name="two"))
    with pytest.raises(ConfigError, match=r"'mine' regularizes '.*one' and can't be .* '.*two'"):
        model.train_on_batch(X, Y)
    with pytest.raises(ConfigError, match="make an L2 for each layer"):
        _ = model.losses


def test_a_layer_used_twice_owns_its_penalty():
    layer = dense(L2(0.1), units=3)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layer(layer(inputs)))
    assert len(model.losses) == 1


def test_config_has_the_strength_at_present():
    penalty = L2(0.5, name="penalty")
    penalty.strength = 0.1
    config = penalty.get_config()
    assert config["strength"] == 0.1
    assert L2.from_config(config).get_config() == config


@pytest.mark.parametrize("strength", [-1e-4, math.nan, math.inf, "0.1", None, False])
def test_bad_strengths_are_named(strength):
    with pytest.raises(ConfigError, match="strength must be a number finite and at least 0, got"):
        L2(strength)
    penalty = L2(0.5)
    with pytest.raises(ConfigError, match=r"got strength="):
        penalty.strength = strength
    assert penalty.strength == 0.5
