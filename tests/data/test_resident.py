"""Images that stay on the device: the same batches, models and errors as from the host."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_ext import accelerator
from keras_ext.data import Arrays, Augmentation, training_batches
from keras_ext.data import batches as module
from keras_ext.data._seeding import Stream, permutation
from keras_ext.errors import ConfigError

BACKEND = keras.backend.backend()
CHANGES = Augmentation(
    flip="horizontal", rotation=20, zoom=0.2, crop=1, contrast=0.2, noise=0.05, erasing=0.2
)


@keras.saving.register_keras_serializable(package="keras_ext_tests")
class Keep(layers.Layer):
    """Gives out the images that reached it in training."""

    def call(self, images: Any) -> Any:
        return images


def images_of(batches: Any, training: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """All images that a core sees in one epoch, and the labels."""
    core = keras.Sequential([keras.Input((8, 9, 3), dtype="uint8"), Keep()])
    model = batches.training_model(core)
    pairs = []
    for index in range(len(batches)):
        x, y = batches[index]
        images = model(tuple(map(ops.convert_to_tensor, x)), training=training)
        pairs.append((ops.convert_to_numpy(images), y))
    return tuple(np.concatenate(part) for part in zip(*pairs, strict=True))  # type: ignore


@pytest.fixture
def pictures(rng: np.random.Generator) -> Arrays:
    x = rng.integers(0, 256, (50, 8, 9, 3), dtype=np.uint8)
    return Arrays(x, (np.arange(50) % 4).astype(np.int32))


@pytest.mark.tensorflow
@pytest.mark.parametrize("change", [None, CHANGES, Augmentation(mixup=0.4, rotation=5)])
def test_both_placements_give_the_same_images_labels_and_order(
    pictures: Arrays, change: Augmentation | None
) -> None:
    options = {"batch_size": 16, "augmentation": change, "seed": 3}
    device = training_batches(pictures, placement="device", **options)
    host = training_batches(pictures, placement="host", **options)
    for _ in range(2):
        device.on_epoch_begin()
        expected = [(x.numpy(), y.numpy()) for x, y in host]
        x, y = images_of(device)
        difference = np.abs(x.astype(float) - np.concatenate([x for x, _ in expected]))
        assert difference.max() <= 1
        assert np.mean(difference > 0) < 0.01
        np.testing.assert_allclose(y, np.concatenate([y for _, y in expected]), atol=1e-6)


def test_every_example_once_an_epoch_and_another_order_each_time(pictures: Arrays) -> None:
    batches = training_batches(pictures, batch_size=16, placement="device", seed=0)
    assert [len(batches[i][1]) for i in range(len(batches))] == [16, 16, 16, 2]
    orders = []
    for _ in range(2):
        batches.on_epoch_begin()
        x, y = images_of(batches)
        rows = np.concatenate([batches[i][0][0] for i in range(4)])
        assert sorted(rows) == list(range(50))
        np.testing.assert_array_equal(x, pictures.x[rows])
        np.testing.assert_array_equal(y, pictures.y[rows])
        orders.append(rows.tolist())
    assert orders[0] != orders[1]
    batches.set_epoch(0)
    assert batches[0][0][0].tolist() == orders[0][:16]


def test_outside_of_training_images_are_as_they_were(pictures: Arrays) -> None:
    batches = training_batches(
        pictures, batch_size=50, augmentation=CHANGES, placement="device", seed=0
    )
    rows = batches[0][0][0]
    np.testing.assert_array_equal(images_of(batches, training=False)[0], pictures.x[rows])


def core_of(dtype: str = "float32") -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((8, 9, 3)),
            layers.Rescaling(1 / 255, dtype=dtype),
            layers.Flatten(),
            layers.Dense(4, dtype=dtype, kernel_initializer="zeros"),
            layers.Activation("linear", dtype="float32"),
        ]
    )


def trained(pictures: Arrays, *, dtype: str = "float32", epochs: int = 2, **options: Any) -> Any:
    """The core after training, the training model and the history."""
    batches = training_batches(
        pictures, batch_size=10, augmentation=CHANGES, placement="device", seed=1
    )
    core = core_of(dtype)
    model = batches.training_model(core)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"], **options)
    history = model.fit(
        batches,
        epochs=epochs,
        verbose=0,
        shuffle=False,
        validation_data=(pictures.x, pictures.y),
    )
    return core, model, history.history


JIT = [False] if BACKEND == "torch" else [False, True]


@pytest.mark.parametrize("jit_compile", JIT)
@pytest.mark.parametrize("steps_per_execution", [1, 3])
def test_fit_validation_prediction_and_evaluation(
    pictures: Arrays, jit_compile: bool, steps_per_execution: int
) -> None:
    if BACKEND == "torch" and steps_per_execution > 1:
        pytest.skip("torch has no steps_per_execution")
    core, model, history = trained(
        pictures, jit_compile=jit_compile, steps_per_execution=steps_per_execution
    )
    assert np.isfinite(history["loss"] + history["val_loss"]).all()
    assert np.abs(core.layers[-2].get_weights()[0]).max() > 0
    np.testing.assert_allclose(
        model.predict(pictures.x, verbose=0), core.predict(pictures.x, verbose=0), atol=1e-5
    )


@pytest.mark.parametrize("other", ["images", "augmentation"])
def test_row_numbers_of_other_images_are_refused(pictures: Arrays, other: str) -> None:
    """They would be looked up among the model's own, in silence."""
    _, model, _ = trained(pictures, epochs=1)
    options: dict[str, Any] = {"batch_size": 10, "placement": "device", "seed": 1}
    change = CHANGES if other == "images" else None
    arrays = Arrays(pictures.x[::-1].copy(), pictures.y) if other == "images" else pictures
    wrong = training_batches(arrays, augmentation=change, **options)
    own = training_batches(pictures, augmentation=CHANGES, **options)
    with pytest.raises(ConfigError, match=r"validation_data must be images, .* other images"):
        model.fit(own, verbose=0, shuffle=False, validation_data=wrong)
    for use in (model.fit, model.evaluate, model.predict):
        with pytest.raises(ConfigError, match=r"x must be images, .* got row numbers of other"):
            use(wrong, verbose=0)
    model.fit(own, verbose=0, shuffle=False, validation_data=own)


@pytest.mark.slow
@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_mixed_images_and_labels_train(pictures: Arrays, mix: str) -> None:
    change = Augmentation(rotation=10, **{mix: 1.0})
    batches = training_batches(
        pictures, batch_size=10, augmentation=change, placement="device", seed=1
    )
    model = batches.training_model(core_of())
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, jit_compile=JIT[-1])
    history = model.fit(batches, epochs=2, verbose=0, shuffle=False).history["loss"]
    assert np.isfinite(history).all()
    assert history[0] != history[1]


@pytest.mark.parametrize(
    "loss",
    ["sparse_categorical_crossentropy", keras.losses.SparseCategoricalCrossentropy()],
    ids=["name", "object"],
)
def test_mixed_labels_need_a_loss_of_shares(pictures: Arrays, loss: Any) -> None:
    batches = training_batches(
        pictures,
        batch_size=10,
        augmentation=Augmentation(mixup=1.0),
        placement="device",
        seed=1,
    )
    wanted = r"loss must be CategoricalCrossentropy, or training\.MixedCrossentropy, .* got loss="
    with pytest.raises(ConfigError, match=wanted):
        batches.training_model(core_of()).compile("sgd", loss)


@pytest.mark.tensorflow
def test_mixed_labels_from_the_host_need_one_too(pictures: Arrays) -> None:
    from keras_ext.training import MixedCrossentropy

    options: dict[str, Any] = {"batch_size": 10, "placement": "host", "seed": 1}
    mixed = training_batches(pictures, augmentation=Augmentation(cutmix=1.0), **options)
    core = core_of()
    assert mixed.training_model(core) is core  # Not compiled yet.
    core.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ConfigError, match=r"training\.MixedCrossentropy, .* got loss='sparse_"):
        mixed.training_model(core)
    assert training_batches(pictures, **options).training_model(core) is core
    core.compile("sgd", MixedCrossentropy(from_logits=True))
    clean = pictures.x[:5], pictures.y[:5]
    history = mixed.training_model(core).fit(mixed, verbose=0, shuffle=False, validation_data=clean)
    assert np.isfinite(history.history["val_loss"]).all()


@pytest.mark.tensorflow
@pytest.mark.usefixtures("no_accelerator")
def test_training_is_that_from_the_host(pictures: Arrays) -> None:
    core, _, _ = trained(pictures)
    batches = training_batches(pictures, batch_size=10, augmentation=CHANGES, seed=1)
    other = core_of()
    assert batches.training_model(other) is other
    other.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    other.fit(batches, epochs=2, verbose=0, shuffle=False)
    for one, two in zip(core.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-3)


def test_mixed_precision(pictures: Arrays) -> None:
    policy = "mixed_bfloat16" if BACKEND == "torch" else "mixed_float16"
    core, _, history = trained(pictures, dtype=policy)
    assert np.isfinite(history["loss"]).all()
    assert core.layers[-2].kernel.dtype == "float32"


def test_images_are_not_saved_and_the_core_is(pictures: Arrays, tmp_path: Path) -> None:
    core, model, _ = trained(pictures)
    model.save_weights(tmp_path / "all.weights.h5")
    assert all(item is not model.images for item in (*model.weights, *model.variables))
    assert any(item is model.images for item in model.non_trainable_variables)
    other = core_of()
    other.load_weights(tmp_path / "all.weights.h5")
    for one, two in zip(other.get_weights(), core.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    model.load_weights(tmp_path / "all.weights.h5")
    model.save(tmp_path / "core.keras")
    again = keras.saving.load_model(tmp_path / "core.keras")
    np.testing.assert_allclose(
        again.predict(pictures.x, verbose=0), core.predict(pictures.x, verbose=0), atol=1e-5
    )
    with pytest.raises(NotImplementedError, match="save and rebuild its core"):
        model.get_config()


def test_images_are_no_constant_of_the_compiled_step(pictures: Arrays) -> None:
    batches = training_batches(pictures, batch_size=50, placement="device", seed=0)
    flat = [keras.Input((8, 9, 3)), layers.Flatten(), layers.Dense(1, kernel_initializer="ones")]
    model = batches.training_model(keras.Sequential(flat))
    model.compile(keras.optimizers.SGD(0.0), keras.losses.MeanAbsoluteError())

    def loss() -> float:
        return float(model.fit(batches, verbose=0, shuffle=False).history["loss"][0])

    assert loss() > 1000
    model.images.assign(np.zeros_like(pictures.x))
    assert loss() < 10


def test_the_magnitude_is_a_knob(pictures: Arrays) -> None:
    from keras_ext.regularization import knobs

    batches = training_batches(
        pictures, batch_size=50, augmentation=CHANGES, placement="device", seed=0
    )
    model = batches.training_model(
        keras.Sequential([keras.Input((8, 9, 3), dtype="uint8"), Keep()])
    )
    knobs(model)["magnitude"].value = 0.0
    x = tuple(map(ops.convert_to_tensor, batches[0][0]))
    out = ops.convert_to_numpy(model(x, training=True))
    np.testing.assert_array_equal(out, pictures.x[batches[0][0][0]])


def test_auto_says_what_it_chose(pictures: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    def placed() -> str:
        return str(module._chosen(pictures, "auto"))

    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert placed() == "device: there is no TensorFlow for a pipeline on the host"
    monkeypatch.setattr(module, "find_spec", lambda name: name)
    monkeypatch.setattr(accelerator, "on_accelerator", lambda: False)
    assert placed() == "host: there is no accelerator"
    monkeypatch.setattr(accelerator, "on_accelerator", lambda: True)
    assert placed() == "device: 0 MiB of images stay on the accelerator"
    monkeypatch.setattr(module, "DEVICE_BYTES", 1000)
    assert placed() == "host: 0 MiB of images are too many for the accelerator"
    with pytest.raises(ConfigError, match="placement must be one of auto, device, host, got"):
        training_batches(pictures, batch_size=5, placement="gpu", seed=0)


SETUP = {
    "tensorflow": """
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
def two():
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    assert strategy.num_replicas_in_sync == 2
    return strategy.scope()
""",
    "jax": """
def two():
    devices = keras.distribution.list_devices("cpu")
    assert len(devices) == 2
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    return contextlib.nullcontext()
""",
}


@pytest.mark.slow
@pytest.mark.skipif(BACKEND == "torch", reason="Keras does not divide batches on PyTorch")
def test_two_devices_train_as_one_does() -> None:
    """MirroredStrategy without XLA, or DataParallel: the same losses and weights, to rounding."""
    code = f"""
import contextlib
import keras
import numpy as np
from tests.data.test_resident import Arrays, trained
{SETUP[BACKEND]}
x = np.random.default_rng(0).integers(0, 256, (40, 8, 9, 3), dtype=np.uint8)
arrays = Arrays(x, (np.arange(40) % 4).astype(np.int32))
for scope in (contextlib.nullcontext, two):
    with scope():
        core, model, history = trained(arrays, epochs=3, jit_compile={BACKEND == "jax"})
    weights = np.concatenate([w.ravel() for w in core.get_weights()])
    assert np.abs(weights).max() > 1e-3
    print("losses", *history["loss"], *history["val_loss"], *weights)
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
    )
    assert run.returncode == 0, run.stderr[-3000:]
    one, two = (
        np.array(line.split()[1:], float)
        for line in run.stdout.splitlines()
        if line.startswith("losses")
    )
    np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("fits", [1, 2])
def test_fit_trains_epoch_after_epoch_in_the_order_of_its_number(
    pictures: Arrays, fits: int
) -> None:
    """Also where Keras reads a batch before the first epoch, to build the model."""
    numbers = Arrays(pictures.x, np.arange(50, dtype=np.float32))
    batches = training_batches(numbers, batch_size=10, placement="device", seed=4)
    core = keras.Sequential(
        [
            keras.Input((8, 9, 3)),
            layers.Flatten(),
            layers.Dense(1, kernel_initializer="zeros"),
        ]
    )
    model = batches.training_model(core)
    model.compile(keras.optimizers.SGD(0.0), keras.losses.MeanAbsoluteError())
    seen: list[float] = []
    look = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(float(logs["loss"]))
    )
    for _ in range(fits):
        model.fit(batches, epochs=2 // fits, verbose=0, shuffle=False, callbacks=[look])
    labels = [permutation(50, Stream.ORDER, 4, epoch).reshape(5, 10) for epoch in (0, 1)]
    expected = [rows[: last + 1].mean() for rows in labels for last in range(5)]
    np.testing.assert_allclose(sorted(seen), sorted(expected), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:keras_tuner")
def test_a_tuner_trains_and_keeps_the_core(pictures: Arrays, tmp_path: Path) -> None:
    keras_tuner = pytest.importorskip("keras_tuner")
    images, labels = pictures.x, pictures.y

    class Hyper(keras_tuner.HyperModel):
        def build(self, hp: Any) -> keras.Model:
            self.rate = hp.Choice("learning_rate", [0.3, 1e-6])
            return core_of()

        def fit(self, hp: Any, model: keras.Model, *args: Any, **options: Any) -> Any:
            batches = training_batches(
                pictures, batch_size=10, augmentation=CHANGES, placement="device", seed=1
            )
            training = batches.training_model(model)
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            training.compile(keras.optimizers.SGD(self.rate), loss)
            return training.fit(batches, *args, shuffle=False, **options)

    objective = keras_tuner.Objective("val_loss", "min")
    search = keras_tuner.RandomSearch(
        Hyper(), objective, max_trials=2, directory=tmp_path, overwrite=True, seed=1
    )
    search.search(epochs=4, verbose=0, validation_data=(images, labels))
    best, worst = search.oracle.get_best_trials(2)
    assert best.score < worst.score
    (model, *_) = search.get_best_models(1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    found = float(loss(labels, model.predict(images, verbose=0)))
    assert found == pytest.approx(best.score, rel=1e-4)
    sizes = [path.stat().st_size for path in tmp_path.rglob("*.weights.h5")]
    assert sizes
    assert max(sizes) < 60_000
