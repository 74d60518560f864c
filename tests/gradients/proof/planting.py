"""Right values with wrong gradients: how faults are planted, on every backend."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

REGISTER = keras.saving.register_keras_serializable(package="keras_ext_proof")


def pretend(value: Any, other: Any) -> Any:
    """The value, with the gradient of ``other``, a tensor of the same shape."""
    return ops.stop_gradient(value) + (other - ops.stop_gradient(other))


def scaled(value: Any, factors: Any) -> Any:
    """The value, whose gradient comes back multiplied by the factors."""
    return pretend(value, value * ops.cast(factors, value.dtype))


@REGISTER
class Formula(keras.layers.Layer):
    """A layer that computes one formula and backpropagates another.

    A subclass names its faults in FAULTS and writes ``compute``, whose ``fault`` is the name of
    one, or "" for the right formula.
    """

    FAULTS: tuple[str, ...] = ()

    def __init__(self, fault: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fault = fault

    def compute(self, inputs: Any, fault: str) -> Any:
        raise NotImplementedError

    def weight(self, name: str, *shape: int) -> Any:
        """A new weight. Scaled by its fan-in, so that nothing saturates."""
        spread = keras.initializers.RandomNormal(stddev=0.7 / np.sqrt(shape[0]))
        return self.add_weight(name=name, shape=shape, initializer=spread)

    def call(self, inputs: Any) -> Any:
        right = self.compute(inputs, "")
        return pretend(right, self.compute(inputs, self.fault)) if self.fault else right

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "fault": self.fault}


@REGISTER
class Planted(keras.layers.Wrapper):
    """Any layer, with the gradient of one of its weights multiplied by ``factor``.

    Args:
        layer: the layer.
        weight: the number of the weight among the trainable ones.
        factor: -1 is a wrong sign, 0 a forgotten gradient.
        element: the flat number of the only element concerned; None is all.
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        weight: int,
        factor: float,
        element: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(layer, **kwargs)
        self.weight, self.factor, self.element = weight, factor, element

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        wrong = self.layer.trainable_variables[self.weight]
        factors = np.full(tuple(wrong.shape), self.factor)
        if self.element is not None:
            factors = np.ones(tuple(wrong.shape))
            factors.flat[self.element] = self.factor
        values = [(one, ops.convert_to_tensor(one.value)) for one in self.layer.variables]
        values = [(one, scaled(at, factors) if one is wrong else at) for one, at in values]
        options = {"training": training} if self.layer._call_has_training_arg else {}
        with keras.StatelessScope(state_mapping=values):
            return self.layer(inputs, **options)

    def get_config(self) -> dict[str, Any]:
        own = {"weight": self.weight, "factor": self.factor, "element": self.element}
        return {**super().get_config(), **own}
