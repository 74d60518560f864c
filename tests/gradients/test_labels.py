"""Labels that fit a loss, and those that don't."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from keras_ext.errors import ConfigError
from keras_ext.gradients import check_gradients, labels

SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.mark.parametrize(
    ("loss", "shape", "outputs"),
    [
        (SPARSE, (6,), (6, 3)),
        ("sparse_categorical_crossentropy", (6, 1), (6, 3)),
        (SPARSE, (6, 4), (6, 4, 3)),
        ("mse", (6, 1), (6,)),
        ("mse", (6,), (6, 1)),
        ("mse", (None,), (6, 3)),
        (lambda y_true, y_pred: y_pred, (6, 2), (6, 3)),
    ],
)
def test_what_fits_passes(loss, shape, outputs) -> None:
    labels.check_shape(loss, shape, outputs)


@pytest.mark.parametrize(
    ("loss", "shape", "outputs", "message"),
    [
        (SPARSE, (6, 3), (6, 3), r"y must have shape \(6,\) for outputs of shape \(6, 3\)"),
        ("mse", (6, 1), (6, 3), r"loss mse, got y of shape \(6, 1\)"),
        (keras.losses.Huber(), (6,), (6, 6), r"loss Huber, got y of shape \(6,\)"),
    ],
)
def test_what_would_be_broadcast_is_refused(loss, shape, outputs, message) -> None:
    with pytest.raises(ConfigError, match=message):
        labels.check_shape(loss, shape, outputs)


def _model() -> keras.Model:
    return keras.Sequential([keras.Input((5,)), layers.Dense(4), layers.Dense(3)])


@pytest.mark.parametrize(
    ("y", "loss", "message"),
    [
        (np.ones((6, 2)), "mse", r"y must have shape \(6, 3\) .* mean_squared_error, got .*\(6, 2"),
        (np.arange(6), SPARSE, "y must be class numbers from 0 to 2 for 3 outputs .*, got 3"),
        (np.eye(3)[[0] * 6], SPARSE, r"y must have shape \(6,\)"),
        (np.full(6, -1), "sparse_categorical_crossentropy", "class numbers .*, got -1"),
        (np.full(6, 3), "crossentropy", "class numbers from 0 to 2 .*, got 3"),
        (np.full((6, 1), 3), "CE", "class numbers from 0 to 2 .*, got 3"),
        (np.ones((6, 2)), "ce", r"y must have shape \(6, 3\) .* categorical_crossentropy, got"),
        (None, "crossentropy", "y must be the labels for the loss of .*, got y=None"),
        (None, "mse", "y must be the labels for the loss of .*, got y=None"),
    ],
)
def test_labels_are_checked_before_the_gradient(batch, y, loss, message) -> None:
    with pytest.raises(ConfigError, match=message):
        check_gradients(_model(), batch[0], y, loss=loss)


@pytest.mark.parametrize(
    ("units", "y", "same"),
    [
        (3, np.arange(6) % 3, "sparse_categorical_crossentropy"),
        (3, np.arange(6)[:, None] % 3, "sparse_categorical_crossentropy"),
        (3, np.eye(3)[np.arange(6) % 3], "categorical_crossentropy"),
        (1, np.arange(6) % 2, "binary_crossentropy"),
    ],
)
def test_crossentropy_is_what_keras_takes_it_for(batch, units, y, same) -> None:
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(units, "softmax" if units > 1 else "sigmoid")]
    )
    found = [check_gradients(model, batch[0], y, loss=loss) for loss in ("crossentropy", same)]
    assert found[0].ok
    assert found[0].relative_error == found[1].relative_error
    model.compile(loss="crossentropy")
    labels_of = y.astype("float32")
    expected = model.evaluate(batch[0], labels_of, verbose=0)
    model.compile(loss=same)
    assert model.evaluate(batch[0], labels_of, verbose=0) == pytest.approx(expected)


class Computed(keras.losses.SparseCategoricalCrossentropy):
    """Not to be reached with labels that don't fit: on a GPU that ends the process in PyTorch."""

    def call(self, y_true, y_pred):
        raise AssertionError("the loss was computed")


@pytest.mark.parametrize(
    ("loss", "named"),
    [(Computed(), False), ([Computed(), Computed()], False), ({"a": Computed()}, True)],
)
def test_wrong_classes_are_seen_before_the_loss_of_an_output_is_computed(
    batch, loss, named
) -> None:
    if not isinstance(loss, list) and keras.backend.backend() != "torch":
        pytest.skip("the labels of a loss that is traced are only known by their place")
    inputs = keras.Input((5,))
    outputs = [layers.Dense(3, name=name)(inputs) for name in "ab"]
    model = keras.Model(inputs, dict(zip("ab", outputs, strict=True)) if named else outputs)
    bad, good = np.full(6, 3), np.zeros(6, "int32")
    y = {"a": bad, "b": good} if named else (bad, good)
    with pytest.raises(ConfigError, match="y must be class numbers from 0 to 2 for 3 outputs"):
        check_gradients(model, batch[0], y, loss=loss)


def test_an_ignored_class_is_no_wrong_label(batch) -> None:
    y = np.where(np.arange(6) == 2, -1, batch[1])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    assert check_gradients(_model(), batch[0], y, loss=loss).ok


LOSSES = [
    *("mse", "msle", "kl_divergence", "poisson", "hinge", "cosine_similarity", "dice"),
    *("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"),
    *(SPARSE, keras.losses.CategoricalFocalCrossentropy(), keras.losses.Huber()),
]


@pytest.mark.parametrize("loss", LOSSES)
def test_random_labels_give_a_finite_loss(loss, rng: np.random.Generator) -> None:
    y = labels.random_labels(loss, (8, 3), rng)
    y_pred = keras.ops.convert_to_tensor(rng.dirichlet(np.ones(3), size=8), "float32")
    cost = keras.losses.get(loss)(keras.ops.convert_to_tensor(y), y_pred)
    labels.check_shape(loss, y.shape, (8, 3))
    labels.check_classes(loss, y, (8, 3))
    assert np.isfinite(np.sum(keras.ops.convert_to_numpy(cost)))


@pytest.mark.parametrize("units", [1, 3])
def test_random_labels_for_crossentropy_by_its_name(batch, units, rng: np.random.Generator) -> None:
    model = keras.Sequential([keras.Input((5,)), layers.Dense(units, "sigmoid")])
    y = labels.random_labels("crossentropy", (6, units), rng)
    assert y.shape == ((6,) if units == 3 else (6, 1))
    assert check_gradients(model, batch[0], y, loss="crossentropy").ok
