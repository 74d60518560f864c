"""Reading labelled examples from what users give to fit, and sampling them."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_ext.callbacks.examples import Examples, check, read, stratified_rows
from keras_ext.errors import ConfigError

X, Y = np.arange(20.0).reshape(10, 2), np.arange(10)


class Batches(keras.utils.PyDataset):
    """Three batches of 4, 4 and 2 examples."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        rows = slice(4 * index, 4 * index + 4)
        return X[rows], Y[rows], np.ones(len(X[rows]))


class Endless(Batches):
    """A data set without an end."""

    @property
    def num_batches(self):
        return None


def test_arrays_are_taken_as_they_are():
    examples = read((X, Y, np.ones(10)), "train")
    assert examples.x is X
    assert examples.y is Y


def test_several_inputs_keep_their_structure():
    examples = read(({"a": X, "b": [Y, Y]}, Y), "train").sample(4, seed=0)
    assert len(examples) == 4
    np.testing.assert_array_equal(examples.x["b"][1], examples.y)
    np.testing.assert_array_equal(examples.x["a"][:, 0], 2 * examples.y)


@pytest.mark.parametrize("kind", ["list", "tensors", "PyDataset"])
def test_batches_are_joined(kind):
    batches = [(X[:4], Y[:4]), (X[4:8], Y[4:8]), (X[8:], Y[8:])]
    tensors = [tuple(map(keras.ops.convert_to_tensor, batch)) for batch in batches]
    data = {"list": batches, "tensors": tensors, "PyDataset": Batches()}[kind]
    examples = read(data, "train")
    np.testing.assert_array_equal(examples.x, X)
    np.testing.assert_array_equal(examples.y, Y)
    assert isinstance(examples.x, np.ndarray)


@pytest.mark.tensorflow
def test_a_data_set_of_tensorflow_is_read():
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
    np.testing.assert_array_equal(read(data, "train").x, X)
    with pytest.raises(ConfigError, match=r"train must be a finite data set.*for ever"):
        read(data.repeat(), "train")
    with pytest.raises(ConfigError, match=r"train must be labelled.*EagerTensor"):
        read(tf.data.Dataset.from_tensor_slices(X).batch(4), "train")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((X,), "train must be labelled.*got 1 parts"),
        ((X, None), "train must be labelled.*y=None"),
        (X, "train must be labelled.*ndarray"),
        ([X, X], "train must be labelled.*ndarray"),
        ((X, Y[:9]), r"as many labels as examples, got x of shape \(10, 2\) and y of shape \(9,\)"),
        ((X, 5), "as many labels as examples"),
        ((X[:0], Y[:0]), "at least one example, got none"),
        ([], "at least one example, got an empty data set"),
        (iter([(X, Y)]), "readable more than once, got a one-shot list_iterator"),
        (((X, Y) for _ in range(1)), "readable more than once, got a one-shot generator"),
        (Endless(), "finite data set, got a Endless"),
    ],
)
def test_data_that_cannot_be_used(data, message):
    with pytest.raises(ConfigError, match=message):
        read(data, "train")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (X, r"train must be one tuple \(x, y\) .* got an array of shape \(10, 2\)"),
        ([X, Y], r"train must be a tuple \(x, y\), got a list of 2 arrays"),
    ],
)
def test_arrays_without_their_tuple(data, message):
    with pytest.raises(ConfigError, match=message):
        check(data, "train")


def test_single_examples_are_asked_for_in_batches():
    with pytest.raises(ConfigError, match=r"as many labels .* must be batched, as by .batch\(32\)"):
        read([(X[0], Y[0])], "train")


@pytest.mark.parametrize("data", [None, 5])
def test_what_is_no_data_at_all_is_refused_at_once(data):
    with pytest.raises(ConfigError, match=f"validation={data}"):
        check(data, "validation")


@pytest.mark.parametrize("count", [1, 7, 100, 333, 999])
@pytest.mark.parametrize("shape", ["numbers", "column", "one-hot"])
def test_each_label_is_sampled_in_proportion(rng, count, shape):
    labels = rng.choice(4, size=1000, p=[0.7, 0.2, 0.09, 0.01])
    y = {"numbers": labels, "column": labels[:, None], "one-hot": np.eye(4)[labels]}[shape]
    rows = stratified_rows(y, count, seed=3)
    assert len(set(rows)) == count
    share = np.bincount(labels[rows], minlength=4) / count
    np.testing.assert_allclose(share, np.bincount(labels) / 1000, atol=1 / count + 1e-9)


def test_numbers_are_spread_over_their_range(rng):
    y = rng.normal(size=1000)
    sample = np.sort(y[stratified_rows(y, 10, seed=0)])
    assert np.all(np.searchsorted(np.sort(y), sample) // 100 == np.arange(10))


def test_every_row_is_as_likely_as_any_other():
    labels = np.repeat([0, 1, 2], [13, 5, 2])
    hits = np.zeros(20)
    for seed in range(2000):
        hits[stratified_rows(labels, 7, seed)] += 1
    np.testing.assert_allclose(hits / 2000, 7 / 20, atol=0.05)


def test_several_labels_at_once_are_sampled_at_random(rng):
    y = rng.integers(0, 2, size=(50, 3))
    assert len(set(stratified_rows(y, 20, seed=0))) == 20


def test_a_sample_depends_on_the_seed_alone():
    examples = Examples(np.arange(100), np.arange(100) % 3)
    first, again, other = (examples.sample(10, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.x, again.x)
    assert not np.array_equal(first.x, other.x)
    assert examples.sample(100, 0) is examples
