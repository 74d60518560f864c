"""Augmentation inside a model: what is drawn, when it acts, and the dtypes that it keeps."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from keras_ext.affine import DRAWS, coefficients
from keras_ext.augmented import augmented as changed
from keras_ext.errors import ConfigError
from keras_ext.records import Augmentation
from keras_ext.regularization import Augment

BACKEND = keras.backend.backend()
ALL = Augmentation(
    flip="both", rotation=20, zoom=0.2, translation=0.1, contrast=0.2, noise=0.1, erasing=0.3
)
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 8, 9, 3), dtype=np.uint8)


def augmented(layer, images=IMAGES):
    return ops.convert_to_numpy(layer(ops.convert_to_tensor(images), training=True))


def drawn(seed, count):
    """What a layer with this seed draws at its first call."""
    generator = keras.random.SeedGenerator(seed)
    numbers = keras.random.uniform((count, DRAWS), dtype="float32", seed=generator)
    return ops.convert_to_numpy(numbers)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16"])
def test_inference_and_magnitude_zero_are_the_identity_bit_for_bit(dtype):
    images = IMAGES.astype(dtype)
    layer = Augment(ALL)
    for training in (None, False):
        out = ops.convert_to_numpy(layer(ops.convert_to_tensor(images), training=training))
        np.testing.assert_array_equal(out, images)
    layer.magnitude = 0
    still = augmented(layer, images)
    assert still.dtype == dtype
    np.testing.assert_array_equal(still, images)
    layer.magnitude = 1
    assert not np.array_equal(augmented(layer, images), images)


@pytest.mark.parametrize("magnitude", [1.0, 0.4])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_the_same_numbers_give_the_same_images_as_in_a_pipeline(dtype, magnitude):
    images = IMAGES.astype(dtype)
    augmentation = Augmentation(flip="both", rotation=20, zoom=0.2, magnitude=magnitude)
    draws = ops.convert_to_tensor(drawn(3, 6))
    expected = ops.convert_to_numpy(
        changed(augmentation, ops.convert_to_tensor(images), draws, ops=ops)
    )
    for layer, given in ((Augment(augmentation, seed=3), None), (Augment(augmentation), draws)):
        out = ops.convert_to_numpy(layer(ops.convert_to_tensor(images), given, training=True))
        assert out.dtype == dtype
        np.testing.assert_array_equal(out, expected)


def revealed(augmentation, count):
    """The six coefficients that each of many images was moved by, read off images of ramps."""
    side = 33
    y, x = np.meshgrid(*2 * [np.arange(side, dtype="float32")], indexing="ij")
    ramps = np.broadcast_to(np.stack([x, y], -1), (count, side, side, 2))
    out = augmented(Augment(augmentation, seed=1), ramps).astype(float)
    corner, right, below = out[:, 14, 14], out[:, 14, 18], out[:, 18, 14]
    along_x, along_y = (right - corner) / 4, (below - corner) / 4
    offset = corner - 14 * along_x - 14 * along_y
    return np.concatenate([along_x.T, along_y.T, offset.T])[[0, 2, 4, 1, 3, 5]]


def test_the_marginals_are_those_of_the_pipeline():
    """Two-sample tests of angles, scales and shifts against the transforms of tf.data."""
    augmentation = Augmentation(flip="horizontal", rotation=30, zoom=0.2, translation=0.1)
    draws = np.random.default_rng(5).random((2000, DRAWS))
    theirs = np.array(coefficients(augmentation, draws, height=33, width=33))
    ours = revealed(augmentation, 2000)
    for one, other in zip(quantities(ours), quantities(theirs), strict=True):
        assert stats.ks_2samp(one, other).pvalue > 0.001
    assert abs(np.mean(determinant(ours) < 0) - 0.5) < 5 * 0.5 / np.sqrt(2000)


def determinant(rows):
    return rows[0] * rows[4] - rows[1] * rows[3]


def quantities(rows):
    """Angle, scale and the place that comes to the centre, of each transform."""
    a0, a1, a2, b0, b1, b2 = rows
    scale = np.sqrt(np.abs(determinant(rows)))
    return np.arctan2(-b0, b1), scale, 16 * a0 + 16 * a1 + a2, 16 * b0 + 16 * b1 + b2


def test_images_follow_the_seed_and_change_at_each_call():
    first, same, other = (Augment(ALL, seed=seed) for seed in (7, 7, 8))
    one = augmented(first)
    np.testing.assert_array_equal(one, augmented(same))
    assert not np.array_equal(one, augmented(other))
    assert not np.array_equal(one, augmented(first))
    twins = augmented(Augment(ALL, seed=1), np.repeat(IMAGES[:1], 20, axis=0))
    assert len({image.tobytes() for image in twins}) > 15


def test_channels_first_is_the_same_transposed():
    last = augmented(Augment(ALL, seed=2))
    first = augmented(
        Augment(ALL, seed=2, data_format="channels_first"), IMAGES.transpose(0, 3, 1, 2)
    )
    np.testing.assert_array_equal(first.transpose(0, 2, 3, 1), last)


def test_the_format_is_that_of_keras():
    keras.config.set_image_data_format("channels_first")
    try:
        layer = Augment(ALL)
    finally:
        keras.config.set_image_data_format("channels_last")
    assert layer.data_format == "channels_first"
    assert Augment.from_config(layer.get_config()).data_format == "channels_first"
    assert Augment(ALL).data_format == "channels_last"


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16", "float16"])
def test_images_keep_their_dtype_under_every_policy(policy):
    layer = Augment(ALL, dtype=policy, seed=1)
    for dtype in ("uint8", "float32", "float16"):
        symbolic = layer(keras.Input((8, 9, 3), dtype=dtype))
        assert (symbolic.dtype, symbolic.shape) == (dtype, (None, 8, 9, 3))
        assert augmented(layer, IMAGES.astype(dtype)).dtype == dtype
    layer.magnitude = 0.3
    assert layer.magnitude == 0.3
    plain = augmented(Augment(ALL, seed=1), IMAGES.astype("float32"))
    again = augmented(Augment(ALL, dtype=policy, seed=1), IMAGES.astype("float32"))
    np.testing.assert_array_equal(plain, again)


@pytest.mark.parametrize("sides", [(None, None), (8, None), (None, 9)])
def test_sides_that_only_a_step_knows(sides):
    model = keras.Sequential([keras.Input((*sides, 3)), Augment(ALL, seed=4)])
    known = keras.Sequential([keras.Input((8, 9, 3)), Augment(ALL, seed=4)])
    images = IMAGES.astype("float32")
    one, other = (ops.convert_to_numpy(m(images, training=True)) for m in (model, known))
    np.testing.assert_allclose(one, other, atol=1e-2)


def test_no_strength_is_the_identity_without_an_operation():
    layer = Augment(Augmentation())
    x = ops.convert_to_tensor(IMAGES)
    assert layer(x, training=True) is x


@pytest.mark.skipif(BACKEND == "torch", reason="torch has no graph to look at")
def test_at_magnitude_zero_nothing_is_drawn_or_resampled():
    layer = Augment(ALL)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        def call(x):
            return layer(x, training=True)

        function = tf.function(call).get_concrete_function(tf.ones((2, 4, 4, 1)))
        outside = " ".join(operation.type for operation in function.graph.get_operations())
        assert "If" in outside
    else:
        import jax

        state = [variable.value for variable in layer.non_trainable_variables]
        x = np.ones((2, 4, 4, 1), "float32")
        jaxpr = jax.make_jaxpr(lambda x: layer.stateless_call([], state, x, training=True))(x)
        outside = " ".join(
            "cond" if equation.primitive.name == "cond" else str(equation)
            for equation in jaxpr.jaxpr.eqns
        )
        assert "cond" in outside
    for operation in ("andom", "threefry", "ather", "floor", "Floor", "cos", "Cos"):
        assert operation not in outside


def test_config_has_the_magnitude_at_present():
    layer = Augment(ALL, seed=3, name="aug", dtype="mixed_bfloat16")
    layer.magnitude = 0.1
    config = layer.get_config()
    assert config["augmentation"]["magnitude"] == 0.1
    again = Augment.from_config(config)
    assert again.get_config() == config
    assert again.augmentation == layer.augmentation
    assert again.dtype_policy.name == "mixed_bfloat16"


@pytest.mark.parametrize("magnitude", [1.5, -0.1, float("nan"), "0.5", None, True])
def test_bad_magnitudes_are_named(magnitude):
    layer = Augment(ALL)
    with pytest.raises(ConfigError, match=r"magnitude must be a number in \[0, 1\], got magn"):
        layer.magnitude = magnitude
    assert layer.magnitude == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"augmentation": {"flip": "both"}}, "augmentation must be an Augmentation, got augment"),
        ({"augmentation": None}, "got augmentation=None"),
        ({"augmentation": Augmentation(mixup=0.2)}, "a layer can't mix labels: .* mixup=0.2"),
        ({"data_format": "NHWC"}, "data_format must be one of .* got data_format='NHWC'"),
        ({"rate": 0.5}, "rate"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Augment(**{"augmentation": ALL, **arguments})


@pytest.mark.parametrize("shape", [(8, 9), (9,), (8, 9, 3, 1)])
def test_what_are_no_images_is_refused(shape):
    with pytest.raises(ConfigError, match=r"needs images of shape \(batch, .* of shape \(None, "):
        Augment(ALL)(keras.Input(shape))
    with pytest.raises(ConfigError, match="needs images of shape"):
        Augment(ALL)(np.zeros((2, *shape), "float32"))
