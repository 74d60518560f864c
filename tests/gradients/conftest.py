"""Layers and losses whose values are right and whose gradients are wrong, on every backend."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops


def with_gradient(value: Any, factor: Any) -> Any:
    """The value itself, whose gradient comes back multiplied by ``factor``."""
    extra = value * (factor - 1)
    return value + (extra - ops.stop_gradient(extra))


@keras.saving.register_keras_serializable(package="keras_ext_tests")
class FaultyDense(keras.layers.Dense):
    """A Dense layer that multiplies a gradient by ``factor``.

    ``fault`` is "kernel", "bias" or the flat number of one element of the kernel.
    """

    def __init__(self, units: int, *, fault: str | int, factor: float, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.fault, self.factor = fault, factor

    def call(self, inputs: Any) -> Any:
        kernel, bias = ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.bias)
        if self.fault == "bias":
            bias = with_gradient(bias, self.factor)
        elif self.fault == "kernel":
            kernel = with_gradient(kernel, self.factor)
        else:
            factors = np.ones(tuple(kernel.shape))
            factors.flat[self.fault] = self.factor
            kernel = with_gradient(kernel, ops.cast(factors, kernel.dtype))
        return self.activation(ops.matmul(inputs, kernel) + bias)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "fault": self.fault, "factor": self.factor}


@keras.saving.register_keras_serializable(package="keras_ext_tests")
class ForgottenL2(keras.regularizers.Regularizer):
    """Adds the penalty to the cost and nothing to the gradient."""

    def __call__(self, x: Any) -> Any:
        return ops.stop_gradient(0.1 * ops.sum(ops.square(x)))

    def get_config(self) -> dict[str, Any]:
        return {}


class Faults:
    """The above by name, for tests that can't import a conftest."""

    dense = FaultyDense
    forgotten_l2 = ForgottenL2
    with_gradient = staticmethod(with_gradient)


@pytest.fixture
def faults() -> type[Faults]:
    return Faults


@pytest.fixture
def batch(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Six examples of five features, and class numbers from 0 to 2."""
    return rng.standard_normal((6, 5)).astype("float32"), rng.integers(0, 3, 6)
