"""The one generator of planted faults, in two halves: thresholds were fixed on the first one.

Each fault is a pair of models with the same weights and the same cost: one whose gradient is right,
one whose gradient is not. Which variables and elements are wrong, and by how much, is the
difference of the two gradients by backpropagation; no central difference is involved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from keras_ext.gradients import backend, copies
from tests.gradients.proof.planting import Planted
from tests.gradients.proof.wrong_costs import LOSSES, PENALTIES, HandLoss, Penalty
from tests.gradients.proof.wrong_layers import LAYERS

SEED = 0
EXAMPLES = 6
OUTPUTS = 5
WIDTHS = {"small": 7, "large": 120}
NOTICEABLE = 1e-3
"""A fault is planted in an element only if its gradient is at least this share of the largest."""

FACTORS = {"sign": -1.0, "forgotten": 0.0, "scaled": 1.5, "off by a percent": 1.01}
ELEMENT_FACTORS = {"one sign": -1.0, "one forgotten": 0.0, "one doubled": 2.0, "one scaled": 1.1}


@dataclass(frozen=True)
class Fault:
    """One planted fault.

    Args:
        name: what is wrong.
        size: "small" or "large".
        seed: of weights and data.
        one_element: only one element of one variable is wrong.
        make: the model, compiled, with the right (False) or the wrong (True) gradient.
        inputs: x, from a random generator.
    """

    name: str
    size: str
    seed: int
    one_element: bool
    make: Callable[[bool], keras.Model]
    inputs: Callable[[np.random.Generator], np.ndarray]

    def __str__(self) -> str:
        return f"{self.name}, {self.size}"

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """x of ``EXAMPLES`` examples, and y: one of ``OUTPUTS`` classes, one-hot."""
        rng = np.random.default_rng((SEED, self.seed))
        x = self.inputs(rng)
        x = x.astype(keras.config.floatx()) if x.dtype.kind == "f" else x
        return x, np.eye(OUTPUTS, dtype=keras.config.floatx())[rng.integers(0, OUTPUTS, len(x))]

    def model(self, wrong: bool) -> keras.Model:
        """The same weights every time, in any precision; none is zero, as biases are at first."""
        keras.utils.set_random_seed(self.seed)
        model = self.make(wrong)
        rng = np.random.default_rng((SEED + 1, self.seed))
        for variable in model.trainable_variables:
            shape = tuple(variable.shape)
            value = rng.standard_normal(shape).astype("float32")
            if len(shape) == 1:
                variable.assign(keras.ops.convert_to_numpy(variable.value) + 0.1 * value)
            else:
                variable.assign(value / np.sqrt(np.prod(shape[:-1])))
        planted = [layer for layer in model.layers if isinstance(layer, Planted)]
        if wrong and self.one_element and planted:
            planted[0].element = self._element(planted[0], model, rng)
        return model

    def gradients(self, wrong: bool) -> list[np.ndarray]:
        """By backpropagation in double precision, for each trainable variable."""
        with copies.computing_in("float64"):
            x, y = self.data()
            model = self.model(wrong)
            variables = model.trainable_variables

            def cost(tap: backend.Tap) -> Any:
                # Copies: on TensorFlow a variable would do as a tensor, and not be one.
                arrays = [np.array(keras.ops.convert_to_numpy(one.value)) for one in variables]
                values = [tap(keras.ops.convert_to_tensor(array)) for array in arrays]
                pairs = list(zip(variables, values, strict=True))
                with keras.StatelessScope(pairs, collect_losses=True):
                    tensors = [keras.ops.convert_to_tensor(array) for array in (x, y)]
                    outputs = model(tensors[0], training=True)
                    return model.compute_loss(*tensors, outputs, training=True)

            _, found = backend.gradients_within(cost)
            return [np.array(keras.ops.convert_to_numpy(one), "float64") for one in found]

    def _element(self, layer: Planted, model: keras.Model, rng: np.random.Generator) -> int:
        """One at random of those whose gradient is noticeable: zero times two is no fault."""
        variable = layer.layer.trainable_variables[layer.weight]
        number = next(n for n, one in enumerate(model.trainable_variables) if one is variable)
        size = np.abs(self.gradients(wrong=False)[number].ravel())
        return int(rng.choice(np.flatnonzero(size > NOTICEABLE * size.max())))


def faults() -> tuple[list[Fault], list[Fault]]:
    """The half on which thresholds are fixed, and the half kept aside, from which figures come."""
    every = [*_in_formulas(), *_in_costs(), *_in_stock_layers()]
    order = np.random.default_rng(SEED).permutation(len(every))
    shuffled = [every[number] for number in order]
    return shuffled[: len(every) // 2], shuffled[len(every) // 2 :]


def _compiled(
    shape: tuple[int, ...], hidden: list[keras.layers.Layer], loss: Any = "mse", **options: Any
) -> keras.Model:
    inputs = keras.Input(shape, **options)
    model = keras.Sequential([inputs, *hidden, layers.Dense(OUTPUTS, name="last")])
    model.compile(optimizer=None, loss=loss)
    return model


def _activation(seed: int) -> str:
    """Every third network has kinks."""
    return ("tanh", "relu", "gelu")[seed % 3]


def _normal(*shape: int) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: rng.standard_normal((EXAMPLES, *shape)).astype("float32")


def _in_formulas() -> Iterator[Fault]:
    for kind in LAYERS:
        for name in kind.FAULTS:
            for seed, (size, width) in enumerate(WIDTHS.items(), len(name)):

                def make(wrong: bool, kind=kind, name=name, width=width, seed=seed) -> keras.Model:
                    first = layers.Dense(width, _activation(seed), name="first")
                    return _compiled((9,), [first, kind(name if wrong else "", name="custom")])

                title = f"{kind.__name__}: {name.removeprefix('by hand: ')}"
                yield Fault(title, size, seed, "one element" in name, make, _normal(9))


def _in_costs() -> Iterator[Fault]:
    for seed, (size, width) in enumerate(WIDTHS.items()):
        for kind, name in LOSSES:

            def make(wrong: bool, kind=kind, name=name, width=width, seed=seed) -> keras.Model:
                first = layers.Dense(width, _activation(seed), name="first")
                return _compiled((9,), [first], HandLoss(kind, name if wrong else ""))

            yield Fault(f"Loss: {name}", size, seed, False, make, _normal(9))
        for name, kind in PENALTIES:

            def penalised(wrong: bool, kind=kind, name=name, width=width, seed=seed) -> keras.Model:
                penalty = Penalty(name if wrong else "", kind)
                options = {"kernel_regularizer": penalty, "name": "first"}
                return _compiled((9,), [layers.Dense(width, _activation(seed), **options)])

            yield Fault(f"Penalty: {name}", size, seed, False, penalised, _normal(9))


Stock = tuple[Callable[[bool], list[keras.layers.Layer]], tuple[int, ...], int]
"""Makes the layers, large or small, of which the one after "first" is faulty; the shape of inputs;
how many weights that layer has."""


def _stock() -> dict[str, Stock]:
    """Layers of Keras."""

    def pick(large: bool, big: int, small: int) -> int:
        return big if large else small

    def images(*inner: Callable[[bool], keras.layers.Layer]):
        return lambda large: [
            layers.Conv2D(pick(large, 32, 3), 3, activation="tanh", name="first"),
            *[make(large) for make in inner],
            layers.MaxPooling2D(2),
            layers.Flatten(),
        ]

    def sequences(make: Callable[[bool], keras.layers.Layer]):
        return lambda large: [
            layers.Dense(pick(large, 64, 4), "tanh", name="first"),
            make(large),
            layers.Flatten(),
        ]

    def dense(large: bool) -> list[keras.layers.Layer]:
        first = layers.Dense(pick(large, 400, 8), "relu", name="first")
        return [first, layers.Dense(pick(large, 250, 6), "tanh")]

    conv2d = images(lambda large: layers.Conv2D(pick(large, 64, 4), 3, activation="relu"))
    depthwise = images(lambda large: layers.DepthwiseConv2D(3, activation="tanh"))
    return {
        "Dense": (dense, (9,), 2),
        "Conv2D": (conv2d, (9, 9, 2), 2),
        "DepthwiseConv2D": (depthwise, (9, 9, 2), 2),
        "BatchNormalization": (images(lambda large: layers.BatchNormalization()), (9, 9, 2), 2),
        "Conv1D": (sequences(lambda large: layers.Conv1D(pick(large, 64, 3), 3)), (7, 3), 2),
        "LSTM": (sequences(lambda large: layers.LSTM(pick(large, 64, 3))), (5, 3), 3),
        "GRU": (sequences(lambda large: layers.GRU(pick(large, 64, 3))), (5, 3), 3),
        "LayerNormalization": (sequences(lambda large: layers.LayerNormalization()), (5, 3), 2),
    }


def _in_stock_layers() -> Iterator[Fault]:
    kinds = [*FACTORS.items(), *ELEMENT_FACTORS.items()]
    number = 0
    for stock, (inner, shape, weights) in _stock().items():
        for weight in range(weights):
            for size in WIDTHS:
                for _ in range(2):
                    name, factor = kinds[number % len(kinds)]
                    number += 3
                    make = _plant(inner, shape, size == "large", weight, factor)
                    title, one = f"{stock}, weight {weight}: {name}", name in ELEMENT_FACTORS
                    yield Fault(title, size, number, one, make, _normal(*shape))
    for size, rows in (("small", 9), ("large", 5000)):
        for name, factor in (("sign", -1.0), ("one doubled", 2.0)):

            def inner(large: bool, rows=rows) -> list[keras.layers.Layer]:
                return [layers.Embedding(rows, 16), layers.Flatten()]

            def words(rng: np.random.Generator, rows=rows) -> np.ndarray:
                return rng.integers(0, rows, (EXAMPLES, 4))

            number += 1
            make = _plant(inner, (4,), size == "large", 0, factor, dtype="int32")
            title, one = f"Embedding: {name}", name in ELEMENT_FACTORS
            yield Fault(title, size, number, one, make, words)


def _plant(
    inner: Callable[[bool], list[keras.layers.Layer]],
    shape: tuple[int, ...],
    large: bool,
    weight: int,
    factor: float,
    **options: Any,
) -> Callable[[bool], keras.Model]:
    def make(wrong: bool) -> keras.Model:
        found = inner(large)
        at = 1 if found[0].name == "first" else 0
        found[at] = Planted(found[at], weight, factor if wrong else 1.0, name="custom")
        return _compiled(shape, found, **options)

    return make
