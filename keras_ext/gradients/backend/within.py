"""Gradients with respect to values within a computation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

Tap = Callable[[Any], Any]


def gradients_within(cost: Callable[[Tap], Any]) -> tuple[list[Any], list[Any]]:
    """Values within the computation of a cost, and its gradient with respect to each of them.

    Args:
        cost: computes a scalar tensor without side effects. It calls the tap that it is given with
            each float tensor of interest, and goes on with the tensor that the tap returns. It may
            be called twice, and must then do the same.

    Returns:
        The tensors that the tap was called with, and the gradients, zeros where the cost doesn't
        depend on one.
    """
    make = {
        "tensorflow": _tensorflow_within,
        "jax": _jax_within,
        "torch": _torch_within,
    }.get(keras.backend.backend())
    if make is None:
        raise NotImplementedError(f"no gradients on the {keras.backend.backend()} backend")
    return make(cost)


def _tensorflow_within(cost: Callable[[Tap], Any]) -> tuple[list[Any], list[Any]]:
    import tensorflow as tf

    values: list[Any] = []
    with tf.GradientTape(watch_accessed_variables=False) as tape:

        def tap(value: Any) -> Any:
            tape.watch(value)
            values.append(value)
            return value

        found = cost(tap)
    zero = tf.UnconnectedGradients.ZERO
    gradients = tape.gradient(found, values, unconnected_gradients=zero) if values else []
    return values, [tf.convert_to_tensor(gradient) for gradient in gradients]


def _jax_within(cost: Callable[[Tap], Any]) -> tuple[list[Any], list[Any]]:
    import jax
    import jax.numpy as jnp

    def with_offsets(offsets: list[Any]) -> tuple[Any, list[Any]]:
        values: list[Any] = []

        def tap(value: Any) -> Any:
            values.append(value)
            return value + offsets[len(values) - 1] if offsets else value

        return cost(tap), values

    # A gradient with respect to what is added to a value is one with respect to the value.
    _, shapes = jax.eval_shape(with_offsets, [])
    offsets = [jnp.zeros(shape.shape, shape.dtype) for shape in shapes]
    gradients, values = jax.grad(with_offsets, has_aux=True)(offsets)
    return values, gradients


def _torch_within(cost: Callable[[Tap], Any]) -> tuple[list[Any], list[Any]]:
    import torch

    values: list[Any] = []

    def tap(value: Any) -> Any:
        value = value if value.requires_grad else value.detach().requires_grad_()
        values.append(value)
        return value

    # Dropout without a seed follows torch's own random state, not Keras's seed generator.
    with torch.enable_grad(), torch.random.fork_rng(list(range(torch.cuda.device_count()))):
        found = cost(tap)
    if not values or not found.requires_grad:
        return values, [torch.zeros_like(value) for value in values]
    gradients = torch.autograd.grad(found, values, allow_unused=True)
    return [value.detach() for value in values], [
        torch.zeros_like(value) if gradient is None else gradient
        for value, gradient in zip(values, gradients, strict=True)
    ]
