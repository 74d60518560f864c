"""A cost and its gradient as functions of one flat vector."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_ext.gradients.backend import vectorised

Cost = Callable[[np.ndarray], float]
Gradient = Callable[[np.ndarray], np.ndarray]
Stateless = Callable[[list[Any]], Any]


def functions(
    stateless: Stateless, shapes: Sequence[tuple[int, ...]], dtype: str
) -> tuple[Cost, Gradient]:
    """The cost and its gradient over one flat float64 vector, compiled once except on torch.

    Args:
        stateless: from one tensor a variable to the cost, a scalar tensor; without side effects.
        shapes: of the variables.
        dtype: that they are computed in, "float64" or "float32".

    Returns:
        The cost, which can do many points at once, and the gradient.
    """
    make = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}.get(keras.backend.backend())
    if make is None:
        raise NotImplementedError(f"no gradients on the {keras.backend.backend()} backend")
    sizes = [int(np.prod(shape, dtype="int64")) for shape in shapes]
    ends = [int(end) for end in np.cumsum([0, *sizes])]

    def split(theta: Any) -> list[Any]:
        parts = [theta[first:last] for first, last in itertools.pairwise(ends)]
        return [ops.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)]

    cost, gradient = make(stateless, split, dtype, ends[-1])
    return vectorised.Cost(
        cost, vectorised.maker(stateless, split, shapes, dtype), ends, dtype
    ), gradient


def _tensorflow(
    stateless: Stateless, split: Callable[[Any], list[Any]], dtype: str, size: int
) -> tuple[Cost, Gradient]:
    import tensorflow as tf

    def cost(theta: Any) -> Any:
        return stateless(split(theta))

    def gradient(theta: Any) -> Any:
        parts = split(theta)
        with tf.GradientTape() as tape:
            tape.watch(parts)
            value = stateless(parts)
        found = tape.gradient(value, parts, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return tf.concat([tf.reshape(tf.convert_to_tensor(part), [-1]) for part in found], 0)

    def compiled(function: Callable[[Any], Any]) -> Callable[[np.ndarray], Any]:
        # The concrete function: calling the other counts as retracing from the fifth model on.
        spec = tf.TensorSpec([size], dtype)
        concrete = tf.function(function, autograph=False).get_concrete_function(spec)
        return lambda theta: concrete(tf.constant(theta, dtype)).numpy().astype("float64")

    compiled_cost = compiled(cost)
    return lambda theta: float(compiled_cost(theta)), compiled(gradient)


def _jax(
    stateless: Stateless, split: Callable[[Any], list[Any]], dtype: str, size: int
) -> tuple[Cost, Gradient]:
    import jax

    def of_theta(theta: Any) -> Any:
        return stateless(split(theta))

    cost, gradient = jax.jit(of_theta), jax.jit(jax.grad(of_theta))
    return (
        lambda theta: float(cost(theta.astype(dtype))),
        lambda theta: np.asarray(gradient(theta.astype(dtype)), dtype="float64"),
    )


def _torch(
    stateless: Stateless, split: Callable[[Any], list[Any]], dtype: str, size: int
) -> tuple[Cost, Gradient]:
    import torch

    devices = list(range(torch.cuda.device_count()))

    def evaluate(flat: Any) -> Any:
        # Dropout without a seed follows torch's own random state, not Keras's seed generator.
        with torch.random.fork_rng(devices):
            torch.manual_seed(0)
            return stateless(split(flat))

    def cost(theta: np.ndarray) -> float:
        with torch.no_grad():
            return float(evaluate(ops.convert_to_tensor(theta, dtype)))

    def gradient(theta: np.ndarray) -> np.ndarray:
        flat = ops.convert_to_tensor(theta, dtype).requires_grad_()
        value = evaluate(flat)
        if not value.requires_grad:
            return np.zeros_like(theta)
        (found,) = torch.autograd.grad(value, [flat], allow_unused=True)
        return np.zeros_like(theta) if found is None else found.cpu().numpy().astype("float64")

    return cost, gradient
