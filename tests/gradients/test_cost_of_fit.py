"""The cost that is checked is the number that Keras reports for the same batch."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_ext.gradients import adapter, copies
from keras_ext.regularization import L2

N, STEPS, CLASSES = 6, 5, 3
SPARSE = keras.losses.SparseCategoricalCrossentropy
Case = tuple[keras.Model, tuple[Any, Any, Any]]
"""A compiled model; x, y and sample_weight."""


def _sequence(first: list[layers.Layer], inputs: Any, loss: Any) -> keras.Model:
    """A class at each step, so that a mask reaches the loss."""
    hidden = [layers.LSTM(4, return_sequences=True), layers.Dense(CLASSES)]
    model = keras.Sequential([inputs, *first, *hidden])
    model.compile("sgd", loss)
    return model


def _words(rng: np.random.Generator, loss: Any, weight: Any = None) -> Case:
    """Sentences of 1 to 5 words; 0 stands for none."""
    x = rng.integers(1, 9, (N, STEPS)) * (np.arange(STEPS) < rng.integers(1, STEPS, (N, 1)))
    first = [layers.Embedding(9, 4, mask_zero=True)]
    model = _sequence(first, keras.Input((STEPS,), dtype="int32"), loss)
    return model, (x, rng.integers(0, CLASSES, (N, STEPS)), weight)


def mask_of_an_embedding(rng: np.random.Generator) -> Case:
    return _words(rng, SPARSE(from_logits=True))


def mask_and_sum(rng: np.random.Generator) -> Case:
    return _words(rng, SPARSE(from_logits=True, reduction="sum"))


def mask_and_weights_of_steps(rng: np.random.Generator) -> Case:
    return _words(rng, SPARSE(from_logits=True), rng.uniform(0, 2, (N, STEPS)))


def mask_and_mean_by_weight(rng: np.random.Generator) -> Case:
    loss = SPARSE(from_logits=True, reduction="mean_with_sample_weight")
    return _words(rng, loss, rng.uniform(0, 2, (N, STEPS)))


def ignored_class(rng: np.random.Generator) -> Case:
    return _words(rng, SPARSE(from_logits=True, ignore_class=1))


def masking(rng: np.random.Generator) -> Case:
    x = rng.standard_normal((N, STEPS, 2))
    x[:3, 2:] = 0.0
    model = _sequence([layers.Masking()], keras.Input((STEPS, 2)), "mse")
    return model, (x, rng.standard_normal((N, STEPS, CLASSES)), None)


def _two(rng: np.random.Generator, how: dict[str, Any], weight: Any = None) -> Case:
    """Outputs ``values`` and ``classes``, with one input."""
    inputs = keras.Input((4,))
    hidden = layers.Dense(5, activation="tanh")(inputs)
    outputs = {
        "values": layers.Dense(2, name="values")(hidden),
        "classes": layers.Dense(CLASSES, name="classes")(hidden),
    }
    model = keras.Model(inputs, outputs)
    model.compile("sgd", **how)
    y = {"values": rng.standard_normal((N, 2)), "classes": rng.integers(0, CLASSES, N)}
    return model, (rng.standard_normal((N, 4)), y, weight)


BOTH = {"values": "mae", "classes": SPARSE(from_logits=True, reduction="sum")}


def loss_weights(rng: np.random.Generator) -> Case:
    return _two(rng, {"loss": BOTH, "loss_weights": {"values": 0.3, "classes": 2.5}})


def loss_of_one_output(rng: np.random.Generator) -> Case:
    return _two(rng, {"loss": {"classes": BOTH["classes"]}, "loss_weights": {"classes": 0.5}})


def loss_weights_and_sample_weights(rng: np.random.Generator) -> Case:
    weight = {"values": rng.uniform(0, 2, N), "classes": rng.uniform(0, 2, N)}
    return _two(rng, {"loss": BOTH, "loss_weights": {"values": 0.3, "classes": 2.5}}, weight)


def one_sample_weight_for_both(rng: np.random.Generator) -> Case:
    return _two(rng, {"loss": BOTH}, rng.uniform(0, 2, N))


def _dense(rng: np.random.Generator, loss: Any, hidden: list[Any], weight: Any = None) -> Case:
    model = keras.Sequential([keras.Input((4,)), *hidden, layers.Dense(2)])
    model.compile("sgd", loss)
    return model, (rng.standard_normal((N, 4)), rng.standard_normal((N, 2)), weight)


def mean_of_the_batch(rng: np.random.Generator) -> Case:
    return _dense(rng, "huber", [], rng.uniform(0, 2, N))


def sum_of_the_batch(rng: np.random.Generator) -> Case:
    return _dense(rng, keras.losses.MeanSquaredError(reduction="sum"), [], rng.uniform(0, 2, N))


def mean_by_weight(rng: np.random.Generator) -> Case:
    loss = keras.losses.LogCosh(reduction="mean_with_sample_weight")
    return _dense(rng, loss, [], rng.uniform(0, 2, N))


def plain_function(rng: np.random.Generator) -> Case:
    def quartic(y_true: Any, y_pred: Any) -> Any:
        return ops.mean((y_true - y_pred) ** 4, axis=-1)

    return _dense(rng, quartic, [], rng.uniform(0, 2, N))


def penalties(rng: np.random.Generator) -> Case:
    """Stock and adjustable, of weights and of activities."""
    first = layers.Dense(4, kernel_regularizer="l2", bias_regularizer="l1", bias_initializer="ones")
    second = layers.Dense(4, kernel_regularizer=L2(0.1), activity_regularizer="l2")
    return _dense(rng, "mse", [first, second], rng.uniform(0, 2, N))


class Activity(layers.Layer):
    """Adds a loss of its own to that of the model."""

    def call(self, inputs: Any) -> Any:
        self.add_loss(0.3 * ops.mean(ops.square(inputs)))
        self.add_loss(ops.sum(ops.abs(inputs)) / 7)
        return inputs


def added_losses(rng: np.random.Generator) -> Case:
    return _dense(rng, "mse", [layers.Dense(3, kernel_regularizer="l2"), Activity()])


def added_losses_alone(rng: np.random.Generator) -> Case:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), Activity()])
    model.compile("sgd")
    return model, (rng.standard_normal((N, 4)), None, None)


def batch_norm(rng: np.random.Generator) -> Case:
    """In training with the statistics of the batch, in evaluation with the moving ones."""
    return _dense(rng, "mse", [layers.Dense(4), layers.BatchNormalization()])


class Ranked(keras.Model):
    """Adds to the cost where Keras's guide says that one may."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        usual = super().compute_loss(x, y, y_pred, sample_weight, training)
        return usual + 0.1 * ops.mean(ops.square(y_pred[1:] - y_pred[:-1]))


def cost_of_its_own(rng: np.random.Generator) -> Case:
    inputs = keras.Input((4,))
    model = Ranked(inputs, layers.Dense(2, kernel_regularizer="l2")(inputs))
    model.compile("sgd", "mse")
    data = (rng.standard_normal((N, 4)), rng.standard_normal((N, 2)), rng.uniform(0, 2, N))
    return model, data


CASES = (
    mask_of_an_embedding,
    mask_and_sum,
    mask_and_weights_of_steps,
    mask_and_mean_by_weight,
    ignored_class,
    masking,
    loss_weights,
    loss_of_one_output,
    loss_weights_and_sample_weights,
    one_sample_weight_for_both,
    mean_of_the_batch,
    sum_of_the_batch,
    mean_by_weight,
    plain_function,
    penalties,
    added_losses,
    added_losses_alone,
    batch_norm,
    cost_of_its_own,
)


def _checked_cost(model: keras.Model, data: tuple[Any, Any, Any], *, training: bool) -> float:
    with copies.computing_in("float64"):
        flat = adapter.flatten(
            model, data, loss=None, training=training, build=None, dtype="float64"
        )
        return flat.cost(flat.theta)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")  # For the output without a loss.
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_cost_is_the_number_that_keras_reports(case, rng: np.random.Generator) -> None:
    model, (x, y, weight) = case(rng)
    in_training = _checked_cost(model, (x, y, weight), training=True)
    in_evaluation = _checked_cost(model, (x, y, weight), training=False)
    options = {"sample_weight": weight, "return_dict": True}
    evaluated = model.evaluate(x, y, batch_size=N, verbose=0, **options)["loss"]
    assert in_evaluation == pytest.approx(evaluated, rel=1e-5)
    assert in_training == pytest.approx(model.train_on_batch(x, y, **options)["loss"], rel=1e-5)
    assert (in_training != pytest.approx(in_evaluation, rel=1e-2)) == (case is batch_norm)


def test_the_cost_is_the_number_that_fit_reports(rng: np.random.Generator) -> None:
    """Of an epoch of one step; each ingredient once."""
    model, (x, y, weight) = penalties(rng)
    checked = _checked_cost(model, (x, y, weight), training=True)
    fitted = model.fit(x, y, sample_weight=weight, batch_size=N, epochs=1, verbose=0)
    assert checked == pytest.approx(fitted.history["loss"][0], rel=2e-6)


def _surprise(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    chosen = np.take_along_axis(logits, y[..., None], axis=-1)[..., 0]
    return np.log(np.sum(np.exp(logits), axis=-1)) - chosen


def _outputs(model: keras.Model, x: Any) -> Any:
    return keras.tree.map_structure(ops.convert_to_numpy, model(x))


def test_masked_steps_do_not_count(rng: np.random.Generator) -> None:
    """By hand: the mean over the steps that are words."""
    model, (x, y, weight) = mask_and_weights_of_steps(rng)
    surprise, words = _surprise(_outputs(model, x), y), x != 0
    assert 0 < words.sum() < words.size
    checked = _checked_cost(model, (x, y, weight), training=True)
    assert checked == pytest.approx(np.sum((weight * surprise)[words]) / words.sum(), rel=2e-6)


def test_losses_of_several_outputs_are_weighted(rng: np.random.Generator) -> None:
    """By hand: 0.3 of the mean absolute error and 2.5 of the sum of the cross-entropy."""
    model, (x, y, weight) = loss_weights_and_sample_weights(rng)
    found = _outputs(model, x)
    off = np.mean(np.abs(found["values"] - y["values"]), axis=-1)
    values = np.mean(weight["values"] * off)
    classes = np.sum(weight["classes"] * _surprise(found["classes"], y["classes"]))
    checked = _checked_cost(model, (x, y, weight), training=True)
    assert checked == pytest.approx(0.3 * values + 2.5 * classes, rel=2e-6)


def test_penalties_do_not_depend_on_sample_weights(rng: np.random.Generator) -> None:
    """By hand: Keras divides those of activities by the number of examples."""
    model, (x, y, weight) = penalties(rng)
    first, second, _ = model.layers
    activities = ops.convert_to_numpy(second(first(x)))
    kernels = [ops.convert_to_numpy(layer.kernel.value) for layer in (first, second)]
    expected = np.mean(weight * np.mean((y - _outputs(model, x)) ** 2, axis=-1))
    expected += 0.01 * np.sum(kernels[0] ** 2) + 0.01 * 4 + 0.1 * np.sum(kernels[1] ** 2)
    expected += 0.01 * np.sum(activities**2) / N
    checked = _checked_cost(model, (x, y, weight), training=True)
    assert checked == pytest.approx(expected, rel=2e-6)
