"""Checking the gradients of a whole Keras model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_ext.errors import ConfigError
from keras_ext.gradients import adapter, algorithm, backend, copies
from keras_ext.gradients.finding import Finding, norm_error
from keras_ext.gradients.gradient_report import GradientReport
from keras_ext.gradients.variable_report import VariableReport


def check_gradients(
    model: keras.Model,
    x: Any,
    y: Any,
    *,
    sample_weight: Any = None,
    loss: Any = None,
    method: str = "projection",
    training: bool = True,
    build: Callable[[], keras.Model] | None = None,
    seed: int = 0,
    directions: int = 3,
    max_elements: int | None = None,
) -> GradientReport:
    """Compare the gradient that ``fit`` would use with central differences, variable by variable.

    Works on a copy in double precision; the model, its optimizer and all random states stay as
    they are. Code that insists on float32 is judged in single precision, and so is code that says
    float64 and computes in float32: that is measured. While it runs, Keras's global precision is
    changed, so no other thread should make or train models.

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="tanh")])
    >>> model.compile(loss="mse")
    >>> check_gradients(model, np.ones((4, 3)), np.zeros((4, 2))).relative_error < 1e-7
    True

    Args:
        model: built, and compiled unless ``loss`` is given.
        x: array of shape (examples, ...), or a structure of such arrays; 8 to 32 examples do.
        y: labels as for ``fit``, or None for a model that adds its own losses.
        sample_weight: array of shape (examples,), as for ``fit``.
        loss: in place of the compiled one: all that ``compile(loss=...)`` takes.
        method: "projection" measures random directions of each variable and halves one that fails
            down to the worst element; "exhaustive" measures single elements.
        training: whether dropout and batch norm work as they do in ``fit``; the masks of dropout
            are the same at every evaluation.
        build: a function without arguments that makes the model, where its config can't.
        seed: of the directions and of the elements drawn.
        directions: how many for each variable; smaller variables are measured by element.
        max_elements: how many elements of each variable "exhaustive" measures; None is all.

    Raises:
        ConfigError: naming the argument and what to do; also for a cost that isn't deterministic.
    """
    if method not in algorithm.METHODS:
        names = ", ".join(algorithm.METHODS)
        raise ConfigError(f"method must be one of {names}, got method={method!r}")
    for name, count in (("directions", directions), ("max_elements", max_elements)):
        if count is not None and (type(count) is not int or count < 1):
            raise ConfigError(f"{name} must be a whole number of at least 1, got {name}={count!r}")
    adapter.check_model(model, loss)
    adapter.check_data(x, y, sample_weight)
    data = (x, y, sample_weight)
    failure: Exception | None = None
    for dtype in ("float64", "float32"):
        with copies.computing_in(dtype):
            try:
                flat = adapter.flatten(
                    model, data, loss=loss, training=training, build=build, dtype=dtype
                )
                flat.cost(flat.theta)
            except backend.errors() as error:
                failure = error
                continue
            return _report(flat, method, directions, max_elements, seed)
    if isinstance(failure, ConfigError):
        raise failure
    reason = str(failure).strip().partition("\n")[0]
    raise ConfigError(
        f"the cost of {model.name!r} can't be computed on x and y: {reason}"
    ) from failure


def _report(
    flat: adapter.Flat, method: str, directions: int, max_elements: int | None, seed: int
) -> GradientReport:
    """The findings of the pure algorithm with the names of the variables."""
    findings = algorithm.check(
        flat.cost,
        flat.gradient,
        flat.theta,
        flat.segments,
        method=method,
        directions=directions,
        max_elements=max_elements,
        seed=seed,
    )
    rows = tuple(
        _row(path, shape, finding)
        for path, shape, finding in zip(flat.paths, flat.shapes, findings, strict=True)
    )
    slopes = [slope for finding in findings for slope in finding.slopes]
    single = any(row.precision == "single" for row in rows)
    return GradientReport(rows, norm_error(slopes), "single" if single else "double", method)


def _row(path: str, shape: tuple[int, ...], finding: Finding) -> VariableReport:
    index = finding.index
    place = None if index is None else tuple(int(side) for side in np.unravel_index(index, shape))
    precision = finding.precision.name if finding.precision is not None else "double"
    return VariableReport(
        path,
        shape,
        finding.status,
        finding.relative_error,
        place,
        finding.analytic,
        finding.numeric,
        precision,
    )
