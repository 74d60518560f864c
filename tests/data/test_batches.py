"""The pipelines: every example once, the same from one seed, moved as a slow resampler does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage, stats

from keras_ext.affine import Draw, coefficients
from keras_ext.data import Arrays, Augmentation, evaluation_batches, training_batches
from keras_ext.data._seeding import Stream, permutation
from keras_ext.data.augment import beta_quantile, draw
from keras_ext.errors import ConfigError, DataError

tf = pytest.importorskip("tensorflow", reason="the pipelines are made of tf.data")
pytestmark = pytest.mark.usefixtures("no_accelerator")

MOVES = Augmentation(flip="horizontal", rotation=20, zoom=0.2, translation=0.2)


def read(batches: Any) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Batch sizes, and all examples and labels of one pass."""
    pairs = [(x.numpy(), y.numpy()) for x, y in batches]
    sizes = [len(y) for _, y in pairs]
    return sizes, np.concatenate([x for x, _ in pairs]), np.concatenate([y for _, y in pairs])


def test_every_example_once_an_epoch_with_its_own_label(digits: Arrays) -> None:
    batches = training_batches(digits, batch_size=10, seed=0)
    assert int(batches.cardinality()) == 11
    orders = []
    for _ in range(3):
        sizes, x, y = read(batches)
        assert sizes == [10] * 10 + [3]
        rows = x[:, 0, 0, 0].astype(int)
        assert sorted(rows) == list(range(103))
        assert np.array_equal(x, digits.x[rows])
        assert np.array_equal(y, digits.y[rows])
        orders.append(rows.tolist())
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert orders[2] == permutation(103, Stream.ORDER, 0, 2).tolist()


@pytest.mark.parametrize("augmentation", [None, MOVES])
def test_the_seed_decides(digits: Arrays, augmentation: Augmentation | None) -> None:
    def two_epochs(seed: int, first_epoch: int = 0) -> list[np.ndarray]:
        batches = training_batches(
            digits, batch_size=16, augmentation=augmentation, seed=seed, first_epoch=first_epoch
        )
        return [read(batches)[1] for _ in range(2)]

    once, again, other, later = two_epochs(1), two_epochs(1), two_epochs(2), two_epochs(1, 1)
    assert np.array_equal(once, again)
    assert not np.array_equal(once[0], other[0])
    assert np.array_equal(once[1], later[0])


def test_the_number_of_the_next_pass_can_be_told(digits: Arrays) -> None:
    """Also through a data set that is made from it, as a fit that goes on does."""
    batches = training_batches(digits, batch_size=16, augmentation=MOVES, seed=1)
    passes = [read(batches)[1] for _ in range(3)]
    again = training_batches(digits, batch_size=16, augmentation=MOVES, seed=1)
    mapped = again.map(lambda x, y: (x, y))
    for epoch in (2, 0, 2):
        again.set_epoch(epoch)
        assert np.array_equal(read(mapped)[1], passes[epoch])


@pytest.mark.slow
def test_threads_change_nothing(digits: Arrays) -> None:
    many = Arrays(np.tile(digits.x, (20, 1, 1, 1)), np.tile(digits.y, 20))
    passes = []
    for threads in (1, 8):
        options = tf.data.Options()
        options.threading.private_threadpool_size = threads
        batches = training_batches(many, batch_size=7, augmentation=MOVES, seed=0)
        passes.append(read(batches.with_options(options)))
    assert np.array_equal(passes[0][1], passes[1][1])
    assert np.array_equal(passes[0][2], passes[1][2])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_moved_as_a_slow_resampler_moves_them(
    rng: np.random.Generator, dtype: Any, channels: int
) -> None:
    x = rng.integers(0, 256, (12, 9, 14, channels)).astype(dtype)
    arrays = Arrays(x, np.arange(12))
    batches = training_batches(arrays, batch_size=5, augmentation=MOVES, seed=4)
    _, moved, labels = read(batches)
    draws = draw(MOVES, 12, seed=4, epoch=0).astype(float)
    matrices = np.stack(coefficients(MOVES, draws, height=9, width=14), axis=1)
    assert moved.dtype == dtype
    assert labels.tolist() != list(range(12))
    for image, row in zip(moved, labels, strict=True):
        expected = slowly(x[row], matrices[row])
        assert np.abs(image - expected).max() <= (0.51 if dtype is np.uint8 else 0.05)


def slowly(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """scipy's affine transform, channel by channel; its axes are (y, x)."""
    a0, a1, a2, b0, b1, b2 = matrix
    layers = [
        ndimage.affine_transform(
            image[..., channel].astype(float),
            np.array([[b1, b0], [a1, a0]]),
            offset=(b2, a2),
            order=1,
            mode="grid-constant",
        )
        for channel in range(image.shape[-1])
    ]
    return np.stack(layers, axis=-1)


def test_a_flip_moves_whole_pixels(digits: Arrays) -> None:
    batches = training_batches(
        digits, batch_size=50, augmentation=Augmentation(flip="horizontal"), seed=0
    )
    _, x, _ = read(batches)
    originals = digits.x[permutation(103, Stream.ORDER, 0)]
    same = (x == originals).all(axis=(1, 2, 3))
    mirrored = (x == originals[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same | mirrored).all()
    assert 30 < mirrored.sum() < 73


def test_no_magnitude_is_bit_equal_and_costs_no_op(digits: Arrays) -> None:
    batches = training_batches(
        digits, batch_size=103, augmentation=replace(MOVES, magnitude=0), seed=5
    )
    plain = training_batches(digits, batch_size=103, seed=5)
    assert np.array_equal(read(batches)[1], read(plain)[1])
    assert not ops(batches) & {"Floor"}
    moved = training_batches(digits, batch_size=103, augmentation=MOVES, seed=5)
    assert ops(moved) & {"Floor"}


def ops(batches: Any) -> set[str]:
    """Every operation in the data set's functions."""
    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString(batches._as_serialized_graph().numpy())
    return {node.op for function in graph.library.function for node in function.node_def}


@pytest.mark.parametrize("magnitude", [1.0, 0.5])
def test_mixup_mixes_images_and_labels_by_the_same_share(digits: Arrays, magnitude: float) -> None:
    mix = Augmentation(mixup=0.4, magnitude=magnitude)
    floats = replace(digits, x=digits.x.astype(np.float32))
    batches = training_batches(floats, batch_size=40, augmentation=mix, seed=2)
    order = permutation(103, Stream.ORDER, 2)
    share = draw(mix, 103, seed=2, epoch=0)[order, Draw.MIX]
    assert 0.3 * magnitude < share.mean() < 0.7 * magnitude
    for first, (x, y) in zip((0, 40, 80), batches, strict=True):
        rows = order[first : first + 40]
        for i, (image, label) in enumerate(zip(x.numpy(), y.numpy(), strict=True)):
            one, other, part = rows[i], rows[(i + 1) % len(rows)], share[first + i]
            expected = (1 - part) * floats.x[one] + part * floats.x[other]
            assert np.allclose(image, expected, atol=1e-3)
            wanted = (1 - part) * np.eye(3)[digits.y[one]] + part * np.eye(3)[digits.y[other]]
            assert np.allclose(label, wanted, atol=1e-6)


def test_cutmix_takes_a_rectangle_of_the_share_of_its_label(rng: np.random.Generator) -> None:
    x = np.broadcast_to(np.arange(50, dtype=np.uint8)[:, None, None, None], (50, 32, 24, 3))
    arrays = Arrays(np.ascontiguousarray(x), np.arange(50))
    batches = training_batches(arrays, batch_size=50, augmentation=Augmentation(cutmix=1), seed=0)
    ((images, labels),) = batches
    order = permutation(50, Stream.ORDER, 0)
    for i, (image, label) in enumerate(zip(images.numpy(), labels.numpy(), strict=True)):
        other = (image == order[(i + 1) % 50]).all(axis=-1)
        assert ((image == order[i]).all(axis=-1) | other).all()
        rows, columns = other.any(axis=1), other.any(axis=0)
        assert np.array_equal(other, np.outer(rows, columns))
        assert abs(other.mean() - label[order[(i + 1) % 50]]) < 0.08
        assert label.sum() == pytest.approx(1)


@pytest.mark.parametrize("alpha", [0.1, 0.4, 1.0, 3.0])
def test_shares_are_beta_distributed(alpha: float) -> None:
    lower = np.linspace(0.001, 0.5, 500)
    found = stats.beta.cdf(beta_quantile(lower, alpha), alpha, alpha)
    assert np.abs(found - lower).max() < 1e-4
    assert np.allclose(beta_quantile(1 - lower, alpha), 1 - beta_quantile(lower, alpha))


def test_what_can_not_be_augmented_so_is_refused(rng: np.random.Generator) -> None:
    x = rng.random((20, 4, 4, 1)).astype(np.float32)
    values = Arrays(x, x[:, 0, 0, 0])
    with pytest.raises(ConfigError, match="mixup and cutmix need class numbers"):
        training_batches(values, batch_size=5, augmentation=Augmentation(mixup=1), seed=0)
    for images, value_range in ((x, (0.0, 255.0)), (255 * x, (0.0, 1.0)), (x - 1, (0.0, 1.0))):
        augmentation = Augmentation(brightness=0.1, value_range=value_range)
        with pytest.raises(ConfigError, match="value_range must be that of the images, whose val"):
            training_batches(
                Arrays(images, np.arange(20)), batch_size=5, augmentation=augmentation, seed=0
            )


@pytest.mark.parametrize("label", [-1, 10])
@pytest.mark.parametrize("placement", ["host", "device"])
def test_a_label_without_a_class_is_refused(digits: Arrays, label: int, placement: str) -> None:
    y = np.asarray(digits.y).copy()
    y[3] = label
    wrong = Arrays(digits.x, y, "d", tuple("0123456789"))
    with pytest.raises(DataError, match=f"d: label {label} is outside the 10 classes from 0 on"):
        training_batches(wrong, batch_size=8, placement=placement, seed=0)


def test_validation_comes_in_order_and_unchanged(digits: Arrays) -> None:
    batches = evaluation_batches(digits, batch_size=40)
    assert int(batches.cardinality()) == 3
    for _ in range(2):
        sizes, x, y = read(batches)
        assert sizes == [40, 40, 23]
        assert np.array_equal(x, digits.x)
        assert np.array_equal(y, digits.y)


def test_fit_sees_a_new_epoch_each_time(digits: Arrays) -> None:
    import keras

    seen: list[int] = []

    class Look(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            tf.numpy_function(lambda v: seen.extend(v[:, 0, 0, 0].astype(int)), [x], [])
            return x

    model = keras.Sequential(
        [keras.Input((4, 5, 1)), Look(), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # XLA, which Keras would take on a GPU, compiles no numpy function.
    model.compile("sgd", loss, steps_per_execution=4, jit_compile=False)
    model.fit(training_batches(digits, batch_size=10, seed=0), epochs=3, shuffle=False, verbose=0)
    epochs = np.array(seen).reshape(3, 103)
    for epoch, order in enumerate(epochs):
        assert order.tolist() == permutation(103, Stream.ORDER, 0, epoch).tolist()


def test_tables_and_values(rng: np.random.Generator) -> None:
    table = Arrays(
        rng.normal(size=(20, 3)).astype("float32"), rng.normal(size=20).astype("float32")
    )
    _, x, y = read(training_batches(table, batch_size=6, seed=0))
    order = permutation(20, Stream.ORDER, 0)
    assert np.array_equal(x, table.x[order])
    assert np.array_equal(y, table.y[order])
    with pytest.raises(ConfigError, match=r"augmentation needs images .* shape \(20, 3\)"):
        training_batches(table, batch_size=6, augmentation=MOVES, seed=0)


@pytest.mark.parametrize("make", [evaluation_batches, training_batches])
def test_requests_without_batches(digits: Arrays, make: Any) -> None:
    seed = {"seed": 0} if make is training_batches else {}
    for size in (0, -1, 2.0, True, None):
        with pytest.raises(ConfigError, match="batch_size must be a whole number from 1 on"):
            make(digits, batch_size=size, **seed)
    with pytest.raises(DataError, match="digits has no examples"):
        make(digits.take(slice(0, 0)), batch_size=1, **seed)
    assert read(make(digits, batch_size=1000, **seed))[0] == [103]
