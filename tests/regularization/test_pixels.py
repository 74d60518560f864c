"""What changes values: against Keras's own layers, and against numpy."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from keras_ext.affine import DRAWS, Draw
from keras_ext.augmented import augmented
from keras_ext.records import Augmentation

RANGE = (0.0, 255.0)


def changed(images, draws, augmentation):
    tensors = ops.convert_to_tensor(images), ops.convert_to_tensor(draws.astype("float32"))
    return ops.convert_to_numpy(augmented(augmentation, *tensors, ops=ops))


def random_images(rng, count=6, shape=(8, 9, 3)):
    return rng.integers(0, 256, (count, *shape)).astype("float32")


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="the layer of Keras warns when NumPy is given to it"
)
@pytest.mark.parametrize("magnitude", [1.0, 0.5])
def test_contrast_is_that_of_keras_by_the_drawn_factor(rng, magnitude):
    images, draws = random_images(rng), rng.random((6, DRAWS))
    ours = changed(images, draws, Augmentation(contrast=0.6, magnitude=magnitude))
    layer = keras.layers.RandomContrast(0.6, value_range=RANGE)
    factor = 1 + 0.6 * magnitude * (2 * draws[:, Draw.CONTRAST] - 1)
    transformation = {"contrast_factor": factor.astype("float32")[:, None, None, None]}
    theirs = layer.transform_images(ops.convert_to_tensor(images), transformation)
    np.testing.assert_allclose(ours, ops.convert_to_numpy(theirs), atol=1e-3)


def test_brightness_is_a_shift_within_the_range(rng):
    images, draws = random_images(rng) / 255, rng.random((6, DRAWS))
    ours = changed(images, draws, Augmentation(brightness=0.3, value_range=(0.0, 1.0)))
    shift = 0.3 * (2 * draws[:, Draw.BRIGHTNESS] - 1)
    np.testing.assert_allclose(ours, np.clip(images + shift[:, None, None, None], 0, 1), atol=1e-5)


@pytest.mark.parametrize(
    ("strength", "layer"),
    [
        ({"contrast": 0.4}, keras.layers.RandomContrast((0.4, 0.4), value_range=RANGE, seed=1)),
        ({"brightness": 0.3}, keras.layers.RandomBrightness(0.3, value_range=RANGE, seed=1)),
    ],
)
def test_the_drawn_strengths_are_distributed_as_in_keras(rng, strength, layer):
    """Read off one dark and one lighter pixel of many images."""
    images = np.broadcast_to(np.float32([[[[100], [120]]]]), (1500, 1, 2, 1))
    ours = changed(images, rng.random((1500, DRAWS)), Augmentation(**strength))
    theirs = ops.convert_to_numpy(layer(images, training=True))
    assert stats.ks_2samp(ours[:, 0, 0, 0], theirs[:, 0, 0, 0]).pvalue > 0.001
    assert stats.ks_2samp(*(out[:, 0, 1, 0] - out[:, 0, 0, 0] for out in (ours, theirs))).pvalue > (
        0.001
    )


def test_noise_is_standard_normal_and_differs_everywhere(rng):
    draws = rng.random((4, DRAWS))
    images = np.full((4, 64, 64, 3), 0.5, "float32")
    wide = Augmentation(noise=0.01, value_range=(0.0, 1.0))
    noise = (changed(images, draws, wide) - 0.5) / 0.01
    for image in noise:
        assert stats.kstest(image.ravel(), "norm").pvalue > 0.001
    flat = noise.reshape(4, -1)
    assert np.abs(np.corrcoef(flat) - np.eye(4)).max() < 0.05
    for lag in (1, 3, 64 * 3):
        assert abs(np.corrcoef(flat[0, lag:], flat[0, :-lag])[0, 1]) < 0.05
    np.testing.assert_array_equal(
        changed(images[:2], draws[:2], wide), changed(images, draws, wide)[:2]
    )


def test_the_noise_of_a_number_is_the_same_on_every_backend():
    draws = np.zeros((1, DRAWS))
    draws[0, Draw.NOISE] = 0.3
    images = np.full((1, 1, 4, 1), 0.5, "float32")
    noise = (changed(images, draws, Augmentation(noise=0.1, value_range=(0.0, 1.0))) - 0.5) / 0.1
    np.testing.assert_allclose(
        noise.ravel(), [-0.649803, 1.570993, -1.624121, -0.460373], atol=1e-4
    )


def test_an_erased_rectangle_has_the_sides_and_the_place_drawn(rng):
    draws = rng.random((200, DRAWS))
    out = changed(np.ones((200, 20, 30, 2), "float32"), draws, Augmentation(erasing=0.5))
    for image, draw in zip(out, draws, strict=True):
        sides = draw[[Draw.ERASED_HEIGHT, Draw.ERASED_WIDTH]]
        high, wide = np.sqrt(0.5 * sides) * (20, 30)
        top = draw[Draw.ERASED_TOP] * (20 - high)
        left = draw[Draw.ERASED_LEFT] * (30 - wide)
        expected = np.ones((20, 30, 2))
        for y in range(20):
            for x in range(30):
                if top <= y < top + high and left <= x < left + wide:
                    expected[y, x] = 0
        np.testing.assert_array_equal(image, expected)


def test_erased_areas_are_distributed_as_in_keras(rng):
    ours = changed(
        np.ones((1500, 24, 24, 1), "float32"), rng.random((1500, DRAWS)), Augmentation(erasing=0.3)
    )
    layer = keras.layers.RandomErasing(factor=(1.0, 1.0), scale=(0.0, 0.3), fill_value=0.0, seed=3)
    theirs = ops.convert_to_numpy(layer(np.ones((1500, 24, 24, 1), "float32"), training=True))
    for measure in (
        lambda out: (out == 0).mean(axis=(1, 2, 3)),  # the area
        lambda out: out.min(axis=2).argmin(axis=1)[:, 0],  # the first row
        lambda out: out.min(axis=1).argmin(axis=1)[:, 0],  # the first column
    ):
        assert stats.ks_2samp(measure(ours), measure(theirs)).pvalue > 0.001


def test_whole_numbers_are_rounded_once(rng):
    """Moved and tinted: half a grey level at most from the same in floats."""
    images, draws = random_images(rng), rng.random((6, DRAWS))
    chain = Augmentation(rotation=20, contrast=0.5, brightness=0.2, noise=0.05, erasing=0.2)
    whole, floats = changed(images.astype("uint8"), draws, chain), changed(images, draws, chain)
    assert whole.dtype == "uint8"
    assert np.abs(whole - floats).max() <= 0.5 + 1e-3
