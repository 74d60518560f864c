"""Problems on which searches for hyperparameters are compared, and the trial that they share.

A trial trains an MLP from scratch and is judged on validation examples after each epoch. Networks
of one shape are compiled once a process: strengths, learning rate and Adam's beta are variables,
and a trial begins with weights drawn from its seed and an empty optimizer, so its outcome does not
depend on the trials before.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from keras_ext.errors import DivergedError
from keras_ext.gradients.random_state import reseed
from keras_ext.records import Arrays, Augmentation, Splits
from keras_ext.tuning.scores import unsteadiness

EPOCHS = 8
LAST_EPOCHS = 2
"""A trial's errors are the mean over so many of its last epochs."""
JUDGED_TRAIN = 500
"""Training examples whose cost is measured after each epoch."""
SHIFTS = Augmentation(rotation=15, zoom=0.1, translation=0.1, magnitude=0.0)


@dataclass(frozen=True)
class Problem:
    """Data, and what is not tuned.

    Args:
        name: "mnist", "cifar10" or "table".
        examples: for training; validation has 2,000 where there are as many, and test the rest.
        images: whether augmentation is tuned.
    """

    name: str
    examples: int
    images: bool


PROBLEMS = {
    "mnist": Problem("mnist", 2_000, True),
    "cifar10": Problem("cifar10", 5_000, True),
    "table": Problem("digits", 900, False),
}
VALIDATION = 2_000
TABLE_VALIDATION = 400


def space(problem: Problem) -> Any:
    """The hyperparameters, as KerasTuner's, with the default start."""
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    hp.Float("learning_rate", 1e-5, 1e-1, sampling="log", default=1e-3)
    hp.Float("momentum", 0.5, 0.99, default=0.9)
    hp.Choice("batch_size", [16, 32, 64, 128, 256], default=64)
    hp.Choice("units", [16, 32, 64, 128, 256], default=64)
    hp.Int("layers", 1, 3, default=2)
    hp.Float("decay_rate", 0.0, 1.0, default=0.0)
    hp.Float("l2", 1e-6, 1e-2, sampling="log", default=1e-6)
    hp.Float("dropout", 0.0, 0.7, default=0.0)
    if problem.images:
        hp.Float("magnitude", 0.0, 1.0, default=0.0)
    return hp


@cache
def splits_of(problem: Problem) -> Splits:
    """The same for every trial: the published test examples, or for the table a part of it."""
    from keras_ext import data

    if not problem.images:
        arrays = data.load_table(problem.name)
        return data.split(arrays, seed=0, validation=TABLE_VALIDATION, test=497)
    parts = data.split(data.load(problem.name), seed=0, validation=VALIDATION)
    return Splits(data.sample(parts.train, problem.examples, seed=0), parts.validation, parts.test)


def range_test(problem: Problem, seed: int) -> dict[str, Any]:
    """A learning-rate range test of the default network: "range" (None without one), "seconds"."""
    import keras

    from keras_ext.training import learning_rate_range

    began = time.perf_counter()
    values = space(problem).values
    model = _network(problem, values["layers"], values["units"]).build(seed)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(), loss)
    parts = splits_of(problem)
    data = parts.train.x, parts.train.y.astype("int32")
    seen = learning_rate_range(model, data, batch_size=values["batch_size"], seed=seed)
    return {"range": seen.range, "seconds": round(time.perf_counter() - began, 3)}


def trial(
    problem: Problem, values: Mapping[str, Any], seed: int, *, test: bool, epochs: int = EPOCHS
) -> dict[str, Any]:
    """Train once.

    Args:
        problem: what to train on.
        values: a value for each hyperparameter.
        seed: of initial weights, order and dropout.
        test: measure the test error at the end, too.
        epochs: how long.

    Returns:
        "validation_error", "train_error", "avoidable_bias", "variance", "train_cost",
        "validation_cost", "unsteadiness" (means over the last epochs), "seconds"; only "failed"
        and "seconds" where the cost isn't finite.
    """
    began = time.perf_counter()
    parts = splits_of(problem)
    network = _network(problem, int(values["layers"]), int(values["units"]))
    try:
        found = network.train(values, seed, parts, epochs)
        if test:
            found["test_error"] = network.error(parts.test)[0]
    except DivergedError as error:
        found = {"failed": str(error)}
    return {**found, "seconds": round(time.perf_counter() - began, 3)}


@cache
def _network(problem: Problem, layers: int, units: int) -> _Network:
    return _Network(problem, layers, units)


class _Network:
    """One shape, compiled once."""

    def __init__(self, problem: Problem, layers: int, units: int) -> None:
        import keras

        from keras_ext import data
        from keras_ext.regularization import knobs

        self.problem, self.layers, self.units = problem, layers, units
        self.train_arrays = splits_of(problem).train
        self.normalizer = data.normalizer(self.train_arrays.x)
        self.model = self.build(0)
        self.beta = keras.Variable(0.9, trainable=False, dtype="float32", name="beta_1")
        self.optimizer = keras.optimizers.Adam(0.001, beta_1=self.beta)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile(self.optimizer, loss, jit_compile=False, steps_per_execution=1)
        self.optimizer.build(self.model.trainable_variables)
        self.knobs = knobs(self.model)
        self._steps: Any = None
        self._predict: Any = None

    def build(self, seed: int) -> Any:
        """The network with weights drawn from the seed."""
        import keras

        from keras_ext.regularization import L2, Augment, Dropout

        reseed(seed)
        shape = self.train_arrays.x.shape[1:]
        x = inputs = keras.Input(shape)
        if self.problem.images:
            x = Augment(SHIFTS, seed=seed)(x)
        x = self.normalizer(x)
        if len(shape) > 1:
            x = keras.layers.Flatten()(x)
        for number in range(self.layers):
            x = keras.layers.Dense(
                self.units, "relu", kernel_initializer="he_normal", kernel_regularizer=L2(1e-6)
            )(x)
            x = Dropout(0.0, seed=seed + number)(x)
        x = keras.layers.Dense(len(self.train_arrays.classes), kernel_regularizer=L2(1e-6))(x)
        return keras.Model(inputs, x)

    def begin(self, values: Mapping[str, Any], seed: int) -> None:
        """As if just built, with the trial's strengths."""
        fresh = self.build(seed)
        for mine, other in zip(self.model.variables, fresh.variables, strict=True):
            mine.assign(other)
        for variable in self.optimizer.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))
        self.beta.assign(values["momentum"])
        self.optimizer.learning_rate = values["learning_rate"]
        for name in ("l2", "dropout", "magnitude"):
            if name in self.knobs:
                self.knobs[name].value = float(values[name])

    def train(
        self, values: Mapping[str, Any], seed: int, parts: Splits, epochs: int
    ) -> dict[str, Any]:
        """All epochs; means over the last ones."""
        import tensorflow as tf

        self.begin(values, seed)
        x, y = tf.constant(parts.train.x), tf.constant(parts.train.y.astype("int32"))
        rng, rows, costs = np.random.default_rng(seed), [], []
        few = parts.train.take(slice(0, JUDGED_TRAIN))
        for epoch in range(epochs):
            self.optimizer.learning_rate = values["learning_rate"] / (
                1 + values["decay_rate"] * epoch
            )
            order = tf.constant(rng.permutation(len(parts.train)).astype("int32"))
            self.epoch(x, y, order, tf.constant(int(values["batch_size"])))
            costs.append(self.error(few)[1])
            if not np.isfinite(costs[-1]):
                raise DivergedError(f"the cost is {costs[-1]} after epoch {epoch + 1}")
            if epoch >= epochs - LAST_EPOCHS:
                rows.append((*self.error(parts.train), *self.error(parts.validation)))
        means = np.mean(rows, axis=0).tolist()
        train_error, train_cost, validation_error, validation_cost = means
        return {
            "validation_error": validation_error,
            "train_error": train_error,
            "avoidable_bias": train_error,
            "variance": validation_error - train_error,
            "train_cost": train_cost,
            "validation_cost": validation_cost,
            "unsteadiness": unsteadiness(costs),
            "train_costs": [float(f"{cost:.5g}") for cost in costs],
        }

    def epoch(self, x: Any, y: Any, order: Any, batch_size: Any) -> None:
        """One pass, in one call of a compiled loop."""
        import tensorflow as tf

        if self._steps is None:
            model, optimizer = self.model, self.optimizer

            @tf.function(reduce_retracing=True)
            def steps(x: Any, y: Any, order: Any, batch_size: Any) -> None:
                for first in tf.range(0, tf.shape(order)[0], batch_size):
                    rows = order[first : first + batch_size]
                    with tf.GradientTape() as tape:
                        outputs = model(tf.gather(x, rows), training=True)
                        cost = model.compute_loss(y=tf.gather(y, rows), y_pred=outputs)
                    weights = model.trainable_variables
                    optimizer.apply(tape.gradient(cost, [v.value for v in weights]), weights)

            self._steps = steps
        self._steps(x, y, order, batch_size)

    def error(self, arrays: Arrays) -> tuple[float, float]:
        """Share of wrong labels, and cross-entropy."""
        import tensorflow as tf

        if self._predict is None:
            self._predict = tf.function(
                lambda x: self.model(x, training=False), reduce_retracing=True
            )
        logits = np.concatenate(
            [self._predict(arrays.x[i : i + 2_500]).numpy() for i in range(0, len(arrays), 2_500)]
        ).astype("float64")
        logits -= logits.max(axis=1, keepdims=True)
        costs = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(arrays)), arrays.y]
        cost = float(costs.mean())
        return float((logits.argmax(axis=1) != arrays.y).mean()), (
            cost if math.isfinite(cost) else math.inf
        )
