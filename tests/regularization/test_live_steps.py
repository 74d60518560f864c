"""Every strength is in effect at the next step, retraces nothing, and comes along in every copy."""

import copy

import keras
import numpy as np
import pytest
from keras import ops

from keras_ext.records import Augmentation
from keras_ext.regularization import L2, Augment, Dropout, knobs

BACKEND = keras.backend.backend()
# torch.compile takes a minute and warns of its own.
SLOW = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")] if BACKEND == "torch" else []
JIT = [False, pytest.param(True, marks=SLOW)]
X = np.random.default_rng(0).uniform(1, 2, (16, 6, 6, 1)).astype("float32")


@keras.saving.register_keras_serializable(package="tests_live")
class Scale(keras.layers.Layer):
    """Multiplies by a weight that stays one; counts how often its code runs."""

    runs = 0

    def __init__(self, kernel_regularizer=None, **kwargs):
        super().__init__(**kwargs)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, shape):
        self.scale = self.add_weight(
            shape=shape[1:], initializer="ones", regularizer=self.kernel_regularizer, name="kernel"
        )

    def call(self, inputs):
        Scale.runs += 1
        return inputs * self.scale

    def get_config(self):
        penalty = keras.saving.serialize_keras_object(self.kernel_regularizer)
        return {**super().get_config(), "kernel_regularizer": penalty}

    @classmethod
    def from_config(cls, config):
        penalty = keras.saving.deserialize_keras_object(config.pop("kernel_regularizer"))
        return cls(penalty, **config)


def live_model(**options):
    """A model whose cost is 0 at strengths of 0, and above with any one of them."""
    augmentation = Augmentation(rotation=20, translation=0.3, magnitude=0)
    layers = [Augment(augmentation, seed=1), Scale(L2(0)), Dropout(0, seed=1)]
    model = keras.Sequential([keras.Input((6, 6, 1)), *layers])
    model.compile(keras.optimizers.SGD(0.0), "mse", **options)
    return model


def traced(jit_compile):
    """Whether the layers' code runs once and not at each step."""
    return BACKEND == "tensorflow" or (BACKEND == "jax" and jit_compile)


def cost(model):
    return float(model.train_on_batch(X, X))


@pytest.mark.parametrize("jit_compile", JIT)
def test_a_new_value_is_in_effect_at_the_next_step_and_retraces_nothing(jit_compile):
    model = live_model(jit_compile=jit_compile)
    assert cost(model) < 1e-10
    runs = Scale.runs
    for knob in knobs(model).values():
        small, large = 0.0, 0.0
        for _ in range(5):
            knob.value = 0.1
            small += cost(model)
            knob.value = 0.9
            large += cost(model)
            knob.value = 0
            assert cost(model) < 1e-10
        assert large > 2 * small > 0
    if traced(jit_compile):
        assert Scale.runs == runs


@pytest.mark.skipif(BACKEND == "torch", reason="torch has one step an execution")
@pytest.mark.parametrize("jit_compile", [False, True])
def test_several_steps_an_execution(jit_compile):
    """Each strength on for the second of three epochs of two executions of two steps."""
    model = live_model(jit_compile=jit_compile, steps_per_execution=2)
    runs = []
    for knob in knobs(model).values():

        def turn(epoch, logs=None, knob=knob):
            runs.append(Scale.runs)
            knob.value = (0, 0.5, 0)[epoch]

        callback = keras.callbacks.LambdaCallback(on_epoch_begin=turn)
        history = model.fit(X, X, batch_size=4, epochs=3, verbose=0, callbacks=[callback])
        first, second, third = history.history["loss"]
        assert second > 1e-3
        assert first == pytest.approx(0, abs=1e-10)
        assert third == pytest.approx(0, abs=1e-10)
    if traced(jit_compile):
        assert len(set(runs[1:])) == 1


@pytest.mark.skipif(BACKEND == "torch", reason="torch has one step an execution")
def test_a_turn_within_an_epoch_is_in_effect_from_the_next_execution():
    model = live_model(steps_per_execution=2)
    for knob in knobs(model).values():
        seen = []

        class Turn(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None, knob=knob, seen=seen):
                seen.append(logs["loss"])
                knob.value = max(knob.value, 0.5)

        model.fit(X, X, batch_size=4, epochs=1, verbose=0, callbacks=[Turn()])
        knob.value = 0
        assert len(seen) == 2
        assert seen[0] == pytest.approx(0, abs=1e-10)
        assert seen[1] > 1e-3


@pytest.mark.parametrize("way", ["saved", "weights", "cloned", "deepcopied"])
def test_strengths_come_along_and_can_be_turned_in_the_copy(way, tmp_path):
    model = live_model()
    values = {"dropout": 0.2, "l2": 0.3, "magnitude": 0.4}
    for name, value in values.items():
        knobs(model)[name].value = value
    if way == "saved":
        model.save(tmp_path / "model.keras")
        twin = keras.saving.load_model(tmp_path / "model.keras")
    elif way == "weights":
        model.save_weights(tmp_path / "model.weights.h5")
        twin = live_model()
        twin.load_weights(tmp_path / "model.weights.h5")
    else:
        twin = keras.models.clone_model(model) if way == "cloned" else copy.deepcopy(model)
    assert {name: knob.value for name, knob in knobs(twin).items()} == values
    for knob in knobs(twin).values():
        knob.value = 0
    twin.compile(keras.optimizers.SGD(0.0), "mse")
    assert cost(twin) < 1e-10
    knobs(twin)["magnitude"].value = 0.9
    assert cost(twin) > 1e-3
    assert {name: knob.value for name, knob in knobs(model).items()} == values


def test_a_layer_alone_can_be_deepcopied():
    augmentation = Augmentation(rotation=5, magnitude=0.5)
    for layer in (Dropout(0.2), L2(0.3), Augment(augmentation)):
        twin = copy.deepcopy(layer)
        assert twin is not layer
        assert twin.weights[0] is not layer.weights[0]
        assert twin.get_config() == layer.get_config()


@pytest.mark.parametrize("kind", ["uint8", "float32", "mixed_float16"])
@pytest.mark.slow
def test_augmentation_before_what_learns(kind):
    """One epoch of ``fit``, evaluation and prediction, with images as they are stored."""
    dtype = "uint8" if kind == "uint8" else "float32"
    policy = kind if kind.startswith("mixed") else "float32"
    images = np.random.default_rng(1).integers(0, 256, (20, 8, 8, 1)).astype(dtype)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1), dtype=dtype),
            Augment(Augmentation(flip="both", rotation=90, zoom=0.5), dtype=policy),
            keras.layers.Rescaling(1 / 255, dtype=policy),
            keras.layers.Conv2D(2, 3, dtype=policy),
            keras.layers.Flatten(dtype=policy),
            keras.layers.Dense(2),
        ]
    )
    labels = np.arange(20) % 2
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    model.fit(images, labels, batch_size=8, verbose=0)
    assert np.isfinite(model.evaluate(images, labels, verbose=0))
    once, again = (model.predict(images, verbose=0) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(model(images[:4])),
        ops.convert_to_numpy(keras.Sequential(model.layers[1:])(images[:4])),
    )
