"""One cost at many weights at once, where the backend can.

The weights of one variable change and the others stay, so that what doesn't depend on it is
computed once for all.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

Run = Callable[[np.ndarray, np.ndarray], np.ndarray]
Make = Callable[[int], Run]

EQUAL = {"float64": 1e-12, "float32": 1e-5}
"""Relative difference that another order of the same sums may make."""


class Cost:
    """The cost of a flat vector, one at a time and, for one variable's changes, in chunks.

    Args:
        one: from theta, a float64 array of shape (weights,), to the cost.
        make: from the number of a variable to a function that computes costs at once: of theta and
            an array of shape (points, elements), a row for each value of the variable.
        ends: where each variable begins in theta, and after the last one its length.
        dtype: that the cost is computed in.
    """

    def __init__(
        self,
        one: Callable[[np.ndarray], float],
        make: Make | None,
        ends: Sequence[int],
        dtype: str,
    ) -> None:
        self._one, self._make, self._ends, self._dtype = one, make, list(ends), dtype
        self._runs: dict[int, Run | None] = {}

    def __call__(self, theta: np.ndarray) -> float:
        return self._one(theta)

    def many(self, theta: np.ndarray, where: slice, rows: np.ndarray) -> np.ndarray | None:
        """The costs with the weights ``where`` replaced by each of the rows in turn.

        None where the backend can't compute them at once, or computes something else that way.

        Args:
            theta: all weights, float64 of shape (weights,).
            where: the slice of one variable.
            rows: float64 of shape (points, elements). Each number of points costs a compilation.
        """
        number = self._ends.index(where.start)
        if number not in self._runs:
            self._runs[number] = self._tried(number, theta, where, rows)
        run = self._runs[number]
        return None if run is None else run(theta, rows)

    def _tried(self, number: int, theta: np.ndarray, where: slice, rows: np.ndarray) -> Run | None:
        if self._make is None:
            return None
        # Whatever an operation without a rule for it raises: one at a time always works.
        try:
            run = self._make(number)
            found = run(theta, rows)
        except Exception:
            return None
        first = theta.copy()
        first[where] = rows[0]
        expected = self._one(first)
        close = abs(found[0] - expected) <= EQUAL[self._dtype] * abs(expected)
        return run if close or not np.isfinite(expected) else None


def maker(
    stateless: Callable[[list[Any]], Any],
    split: Callable[[Any], list[Any]],
    shapes: Sequence[tuple[int, ...]],
    dtype: str,
) -> Make | None:
    """What ``Cost`` needs for many points at once on the backend that Keras runs on.

    Args:
        stateless: from one tensor a variable to the cost, a scalar tensor; without side effects.
        split: from theta to these tensors.
        shapes: of the variables.
        dtype: that they are computed in.
    """
    vectorise = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}.get(
        keras.backend.backend()
    )
    if vectorise is None:
        return None

    def make(number: int) -> Run:
        def along(theta: Any) -> Callable[[Any], Any]:
            parts = split(theta)

            def cost(row: Any) -> Any:
                own = ops.reshape(row, shapes[number])
                return stateless([*parts[:number], own, *parts[number + 1 :]])

            return cost

        return vectorise(along, dtype)

    return make


def _tensorflow(along: Callable[[Any], Callable[[Any], Any]], dtype: str) -> Run:
    import tensorflow as tf

    def costs(theta: Any, rows: Any) -> Any:
        return tf.vectorized_map(along(theta), rows)

    @functools.cache
    def compiled(*shapes: tuple[int, ...]) -> Any:
        # The concrete function: calling the other counts as retracing from the fifth model on.
        specs = [tf.TensorSpec(shape, dtype) for shape in shapes]
        return tf.function(costs, autograph=False).get_concrete_function(*specs)

    def run(theta: np.ndarray, rows: np.ndarray) -> np.ndarray:
        found = compiled(theta.shape, rows.shape)(
            tf.constant(theta, dtype), tf.constant(rows, dtype)
        )
        return found.numpy().astype("float64")

    return run


def _jax(along: Callable[[Any], Callable[[Any], Any]], dtype: str) -> Run:
    import jax

    compiled = jax.jit(lambda theta, rows: jax.vmap(along(theta))(rows))
    return lambda theta, rows: np.asarray(
        compiled(theta.astype(dtype), rows.astype(dtype)), dtype="float64"
    )


def _torch(along: Callable[[Any], Callable[[Any], Any]], dtype: str) -> Run:
    import torch

    devices = list(range(torch.cuda.device_count()))

    def run(theta: np.ndarray, rows: np.ndarray) -> np.ndarray:
        # Dropout without a seed follows torch's own random state, as in a single cost.
        with torch.no_grad(), torch.random.fork_rng(devices):
            torch.manual_seed(0)
            cost = along(ops.convert_to_tensor(theta, dtype))
            found = torch.func.vmap(cost, randomness="same")(ops.convert_to_tensor(rows, dtype))
        return found.cpu().numpy().astype("float64")

    return run
