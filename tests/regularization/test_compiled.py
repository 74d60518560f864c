"""A part that XLA compiles, wherever a layer may stand: the same images, and nothing breaks."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_ext.records import Augmentation
from keras_ext.regularization import Augment
from keras_ext.regularization.compiled import compiled

MOVES = Augmentation(flip="horizontal", rotation=20, zoom=0.2)
IMAGES = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1)).astype("float32")
LABELS = np.arange(20) % 2


def model_of(*sides, dtype="float32", **options):
    model = keras.Sequential(
        [
            keras.Input((*(sides or (8, 8)), 1), dtype=dtype),
            Augment(MOVES, seed=1),
            layers.Rescaling(1 / 255),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, **options)
    return model


def fit(model, images=IMAGES):
    """Two epochs, each with a smaller last batch."""
    history = model.fit(images, LABELS, batch_size=8, epochs=2, verbose=0)
    return history.history["loss"]


def test_called_eagerly_it_is_the_function():
    function = compiled(lambda x, y: x + 2 * y)
    result = function(ops.ones((2,)), ops.ones((2,)))
    np.testing.assert_array_equal(ops.convert_to_numpy(result), [3, 3])


@pytest.mark.tensorflow
def test_in_a_graph_it_is_one_operation_for_xla():
    import tensorflow as tf

    layer = Augment(MOVES)
    graph = tf.function(lambda x: layer(x, training=True)).get_concrete_function(
        tf.TensorSpec((None, 8, 8, 1))
    )
    functions = graph.graph.as_graph_def().library.function
    inside = [f for f in functions if f.attr["_XlaMustCompile"].b]
    assert any("Gather" in node.op for function in inside for node in function.node_def)
    outside = [f for f in functions if not f.attr["_XlaMustCompile"].b]
    assert not any("Gather" in node.op for function in outside for node in function.node_def)


@pytest.mark.tensorflow
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16"])
def test_graph_and_eager_give_the_same_images(dtype):
    import tensorflow as tf

    images = tf.constant(IMAGES.astype(dtype))
    eager, graph = (Augment(MOVES, seed=3) for _ in range(2))
    expected = eager(images, training=True).numpy()
    result = tf.function(lambda x: graph(x, training=True))(images).numpy()
    assert result.dtype == expected.dtype == dtype
    tolerance = {"uint8": 1, "float32": 0.01, "float16": 0.2}[dtype]
    assert np.abs(result.astype(float) - expected.astype(float)).max() <= tolerance


@pytest.mark.parametrize("sides", [(8, 8), (None, None), (None, 8)])
def test_training_with_known_and_unknown_sides(sides):
    model = model_of(*sides)
    assert np.isfinite(fit(model)).all()
    assert np.isfinite(fit(model, np.pad(IMAGES, ((0, 0), (0, 3), (0, 0), (0, 0)))[:, -8:])).all()


@pytest.mark.tensorflow
def test_step_by_step_too():
    assert np.isfinite(fit(model_of(run_eagerly=True))).all()


@pytest.mark.tensorflow
def test_the_gradient_goes_through():
    """An Augment behind a layer that learns, on images it leaves where they are but for a flip."""
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones"),
            Augment(Augmentation(flip="both")),
        ]
    )
    model.compile(keras.optimizers.SGD(1.0), loss=lambda _, y: ops.mean(y))
    x = np.random.default_rng(1).random((6, 4, 4, 1)).astype("float32")
    model.train_on_batch(x, x)
    assert 1 - model.layers[0].kernel.numpy().item() == pytest.approx(x.mean(), rel=1e-5)


@pytest.mark.tensorflow
def test_in_a_data_set():
    import tensorflow as tf

    layer = Augment(MOVES, seed=3)
    batches = tf.data.Dataset.from_tensor_slices(IMAGES).batch(8)
    out = np.concatenate(list(batches.map(lambda x: layer(x, training=True))))
    assert out.shape == IMAGES.shape
    assert not np.array_equal(out, IMAGES)


@pytest.mark.tensorflow
@pytest.mark.slow
def test_after_the_session_was_cleared():
    model = model_of()
    fit(model)
    keras.backend.clear_session()
    assert np.isfinite(fit(model)).all()


@pytest.mark.tensorflow
@pytest.mark.slow
@pytest.mark.parametrize("setting", ["determinism", "two devices"])
def test_in_a_process_of_its_own(setting):
    import subprocess
    import sys
    from pathlib import Path

    code = f"""
import tensorflow as tf
import keras
from tests.regularization.test_compiled import fit, model_of
if {setting!r} == "determinism":
    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    print(fit(model_of()))
else:
    cpu, = tf.config.list_physical_devices("CPU")
    half = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(cpu, [half, half])
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        model = model_of()
    print(fit(model))
"""
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert np.isfinite([float(x) for x in run.stdout.split("[")[-1].strip(" ]\n").split(",")]).all()
