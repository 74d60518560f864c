"""Against a slow resampler, and against TensorFlow's own."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import ndimage

from keras_ext.affine import DRAWS, coefficients
from keras_ext.records import Augmentation
from keras_ext.resample import resample

ALL = Augmentation(flip="both", rotation=40, zoom=0.5, translation=0.3, shear=0.3, crop=2)
MODES = {
    "constant": "grid-constant",
    "nearest": "nearest",
    "reflect": "reflect",
}
"""Fill modes, and what scipy calls them."""


def moves(augmentation, draws, images):
    height, width = images.shape[1:3]
    rows = coefficients(augmentation, draws, height=height, width=width)
    return np.array(rows, "float32")


def resampled(images, rows, fill_mode="constant"):
    tensors = [ops.convert_to_tensor(row) for row in rows]
    result = resample(ops.convert_to_tensor(images), tensors, fill_mode=fill_mode, ops=ops)
    return ops.convert_to_numpy(result)


def slowly(image, matrix, mode="grid-constant"):
    """scipy's affine transform, channel by channel; its axes are (y, x)."""
    a0, a1, a2, b0, b1, b2 = matrix.astype(float)
    layers = [
        ndimage.affine_transform(
            image[..., channel].astype(float),
            np.array([[b1, b0], [a1, a0]]),
            offset=(b2, a2),
            order=1,
            mode=mode,
        )
        for channel in range(image.shape[-1])
    ]
    return np.stack(layers, axis=-1)


@pytest.mark.parametrize("fill_mode", MODES)
@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "float16"])
@pytest.mark.parametrize("shape", [(9, 9, 14, 1), (5, 16, 7, 3), (3, 2, 6, 2)])
def test_images_are_moved_as_a_slow_resampler_moves_them(rng, shape, dtype, fill_mode):
    images = rng.integers(0, 256, shape).astype(dtype)
    rows = moves(ALL, rng.random((len(images), DRAWS)), images)
    moved = resampled(images, rows, fill_mode)
    assert moved.dtype == "float32"
    assert moved.shape == images.shape
    for image, original, matrix in zip(moved, images, rows.T, strict=True):
        assert np.abs(image - slowly(original, matrix, MODES[fill_mode])).max() <= 0.01


@pytest.mark.parametrize("fill_mode", MODES)
def test_an_image_one_pixel_high_can_be_moved(fill_mode):
    images = np.full((2, 1, 6, 1), 7, "uint8")
    rows = moves(Augmentation(translation=0.3), np.full((2, DRAWS), 0.7), images)
    assert np.isfinite(resampled(images, rows, fill_mode)).all()


def test_far_away_there_is_nothing(rng):
    images = rng.integers(1, 256, (2, 4, 5, 1)).astype("float32")
    away = np.tile(np.array([[1], [0], [1e6], [0], [1], [-1e6]], "float32"), 2)
    assert not resampled(images, away).any()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_whole_pixels_are_moved_bit_for_bit(rng, dtype):
    images = rng.integers(0, 256, (3, 5, 6, 2)).astype(dtype)
    draws = np.full((3, DRAWS), 0.5)
    draws[:, 0] = 0.0
    mirrored = resampled(images, moves(Augmentation(flip="horizontal"), draws, images))
    np.testing.assert_array_equal(mirrored, images[:, :, ::-1])
    draws[:, 0], draws[:, 4] = 0.5, 0.75
    shifted = resampled(images, moves(Augmentation(translation=0.4), draws, images))
    np.testing.assert_array_equal(shifted[:, 1:], images[:, :-1])
    assert not shifted[:, 0].any()


@pytest.mark.tensorflow
@pytest.mark.parametrize("fill_mode", MODES)
def test_the_same_images_as_of_the_operation_behind_the_layers_of_keras(rng, fill_mode):
    import tensorflow as tf

    images = rng.integers(0, 256, (50, 28, 20, 1)).astype("float32")
    rows = moves(ALL, rng.random((50, DRAWS)), images)
    expected = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=np.concatenate([rows.T, np.zeros((50, 2), "float32")], axis=1),
        output_shape=(28, 20),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode=fill_mode.upper(),
    ).numpy()
    assert np.abs(resampled(images, rows, fill_mode) - expected).max() <= 0.02


def test_the_gradient_is_the_weight_of_each_pixel():
    """Half a pixel to the right: every pixel inside counts twice by half."""
    image = keras.Variable(np.ones((1, 1, 4, 1), "float32"))
    half = [ops.full((1,), value, dtype="float32") for value in (1, 0, -0.5, 0, 1, 0)]

    class Total(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.image = self.add_weight(shape=image.shape, initializer="ones")

        def call(self, inputs):
            return inputs[:, :1] * 0 + ops.sum(resample(self.image, half, ops=ops))

    model = keras.Sequential([keras.Input((1,)), Total()])
    model.compile(keras.optimizers.SGD(1.0), loss=lambda _, outputs: ops.sum(outputs))
    model.train_on_batch(np.zeros((1, 1), "float32"), np.zeros((1, 1), "float32"))
    change = 1 - model.layers[0].image.numpy()[0, 0, :, 0]
    np.testing.assert_allclose(change, [1, 1, 1, 0.5])
