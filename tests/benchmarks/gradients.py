"""The speed of gradient checks, on the keras.io MNIST convnet of 34,826 weights.

The other side is the loop that one would write: for each weight, two calls of the model in double
precision with the weight moved up and down. It is timed on some of the weights and scaled to all.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import keras
import numpy as np

from keras_ext import data
from keras_ext.gradients import GradientReport, check_gradients
from tests.benchmarks.callbacks import line, seconds
from tests.benchmarks.keras_io_convnet import convnet
from tests.gradients.proof.planting import Planted

EXAMPLES = 8
LOOP_WEIGHTS = 200
DRAWN = 512
"""Weights of each variable that the exhaustive check measures; all weights take minutes."""

ROUNDS = 3
STEP = 6e-6
WRONG = 1e-4
"""Relative to the larger of both: the same limit as that of the check in double precision."""

Batch = tuple[np.ndarray, np.ndarray]


def projection(repeats: int) -> dict[str, object]:
    """All weights by random directions, compilation included, against the loop."""
    model, batch = convnet(), _batch()
    _same_verdicts(batch)

    def check() -> float:
        return seconds(lambda: _passed(check_gradients(model, *batch, training=False)))

    weights = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    found = _ratios("gradient_check_projection", check, weights, batch, ROUNDS * repeats)
    return line("gradient_check_projection", found, 1000, "times as fast as a loop over weights")


def exhaustive(repeats: int) -> dict[str, object]:
    """Weight by weight, compilation included, against the loop over as many weights."""
    model, batch = convnet(), _batch()
    sizes = [int(np.prod(variable.shape)) for variable in model.trainable_variables]
    options = {"training": False, "method": "exhaustive", "max_elements": DRAWN}

    def check() -> float:
        return seconds(lambda: _passed(check_gradients(model, *batch, **options)))

    weights = sum(min(size, DRAWN) for size in sizes)
    found = _ratios("gradient_check_exhaustive", check, weights, batch, repeats)
    return line("gradient_check_exhaustive", found, 5, "times as fast as a loop over weights")


def whole(repeats: int) -> dict[str, object]:
    """One check as a test suite would make it: dropout on, a new model each time."""
    batch, found = _batch(), []
    for _ in range(ROUNDS * repeats + 1):
        model = convnet()
        found.append(seconds(lambda model=model: _passed(check_gradients(model, *batch))))
    print(f"gradient_check_convnet: {[round(one, 2) for one in found]} s", file=sys.stderr)
    return line("gradient_check_convnet", found[1:], 1.0, "seconds, compilation included")


BENCHMARKS = {
    "gradient_check_projection": projection,
    "gradient_check_exhaustive": exhaustive,
    "gradient_check_convnet": whole,
}


def _batch() -> Batch:
    train = data.load("mnist").part("train")
    labels = keras.utils.to_categorical(train.y[:EXAMPLES], 10)
    return train.x[:EXAMPLES].astype("float32") / 255, labels


def _passed(report: GradientReport) -> None:
    if not report.ok:
        raise SystemExit(f"a right gradient was called wrong\n{report}")


def _ratios(
    name: str, check: Callable[[], float], weights: int, batch: Batch, rounds: int
) -> list[float]:
    """How many times as long the loop over so many weights takes as the check, once each round."""
    loop = _Loop(batch)
    check()
    found = []
    for number in range(rounds):
        times = {}
        for side in ("check", "loop") if number % 2 else ("loop", "check"):
            times[side] = check() if side == "check" else loop.seconds_per_weight() * weights
        found.append(times["loop"] / times["check"])
    print(
        f"{name}: check {times['check']:.2f} s against a loop of {times['loop']:.0f} s; ratios"
        f" {min(found):.1f} to {max(found):.1f}, median {statistics.median(found):.1f}",
        file=sys.stderr,
    )
    return found


class _Loop:
    """Central differences weight by weight, as one writes them by hand."""

    def __init__(self, batch: Batch, plant: float = 1.0) -> None:
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("float64")
        self.model = _planted(plant)
        keras.config.set_dtype_policy(policy)
        self.x, self.y = (array.astype("float64") for array in batch)
        self.loss = keras.losses.CategoricalCrossentropy(dtype="float64")
        self.gradients = self._backpropagated()
        rng = np.random.default_rng(0)
        sizes = [int(np.prod(variable.shape)) for variable in self.model.trainable_variables]
        every = rng.choice(sum(sizes), LOOP_WEIGHTS, replace=False)
        variables = np.searchsorted(np.cumsum(sizes), every, side="right")
        starts = np.cumsum([0, *sizes])
        self.drawn = [(v, int(at - starts[v])) for v, at in zip(variables, every, strict=True)]

    def cost(self) -> float:
        return float(self.loss(self.y, self.model(self.x, training=False)))

    def seconds_per_weight(self) -> float:
        began = time.perf_counter()
        self.errors()
        return (time.perf_counter() - began) / LOOP_WEIGHTS

    def wrong(self) -> set[int]:
        """The numbers of the variables of which most weights drawn are wrong."""
        errors = np.array(self.errors())
        numbers = np.array([number for number, _ in self.drawn])
        drawn = {int(number) for number in numbers}
        return {number for number in drawn if np.median(errors[numbers == number]) > WRONG}

    def errors(self) -> list[float]:
        """The relative error of each weight drawn."""
        found = []
        for number, element in self.drawn:
            variable = self.model.trainable_variables[number]
            value, costs = variable.numpy(), []
            for move in (STEP, -STEP):
                moved = value.copy()
                moved.flat[element] += move
                variable.assign(moved)
                costs.append(self.cost())
            variable.assign(value)
            numeric = (costs[0] - costs[1]) / (2 * STEP)
            analytic = float(self.gradients[number].flat[element])
            scale = max(abs(numeric), abs(analytic), 1e-6)
            found.append(abs(numeric - analytic) / scale)
        return found

    def _backpropagated(self) -> list[np.ndarray]:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            cost = self.loss(self.y, self.model(self.x, training=False))
        return [one.numpy() for one in tape.gradient(cost, self.model.trainable_weights)]


def _planted(factor: float) -> keras.Model:
    """The convnet, the gradient of whose last kernel is off by a factor."""
    *others, last = convnet().layers
    last = Planted(keras.layers.Dense(10, activation="softmax"), 0, factor)
    model = keras.Sequential([keras.Input((28, 28, 1)), *others, last])
    model.compile("adam", "categorical_crossentropy")
    # With biases of zero, black pixels stand on the corner of ReLU: the loop calls them wrong.
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        if len(variable.shape) == 1:
            variable.assign(0.1 * rng.standard_normal(variable.shape))
    return model


def _same_verdicts(batch: Batch) -> None:
    """On a right gradient and on one that is 1 % too large in one kernel."""
    for factor in (1.0, 1.01):
        keras.utils.set_random_seed(0)
        loop = _Loop(batch, factor).wrong()
        keras.utils.set_random_seed(0)
        rows = check_gradients(_planted(factor), *batch, training=False).variables
        ours = {number for number, row in enumerate(rows) if row.status == "wrong"}
        if not ours == loop == (set() if factor == 1 else {4}):
            raise SystemExit(f"factor {factor}: wrong by the loop {loop}, by the check {ours}")
