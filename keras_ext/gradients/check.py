"""Checking the gradients of a whole Keras model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_ext.errors import ConfigError
from keras_ext.gradients import adapter, algorithm, backend, copies, reasons
from keras_ext.gradients.finding import Finding, norm_error
from keras_ext.gradients.gradient_report import GradientReport
from keras_ext.gradients.remaking import reason_of
from keras_ext.gradients.variable_report import VariableReport, frozen


def check_gradients(
    model: keras.Model,
    x: Any,
    y: Any = None,
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

    A ``train_step`` of the model's own isn't seen: the cost is that of ``compute_loss``.

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

    Returns:
        A row for each trainable weight; frozen ones come last, untested.

    Raises:
        ConfigError: naming the argument and what to do; also for a cost that isn't deterministic.
    """
    adapter.check_model(model, loss)
    how = Measuring(method, seed, directions, max_elements)
    report = measured(model, (x, y, sample_weight), how, loss=loss, training=training, build=build)
    rest = tuple(
        frozen(variable.path, tuple(variable.shape)) for variable in adapter.frozen_weights(model)
    )
    return report.with_rows(rest)


def check_input_gradients(
    model: keras.Model,
    x: Any,
    y: Any = None,
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
    """The same for the gradient of the cost with respect to the inputs.

    It is what saliency maps and adversarial examples are made from, and what a model passes on to
    whatever feeds it. The weights need not be trainable.

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="tanh")])
    >>> report = check_input_gradients(model, np.ones((4, 3)), np.zeros((4, 2)), loss="mse")
    >>> [(row.path, row.shape, row.status) for row in report.variables]
    [('x', (4, 3), 'ok')]

    Args:
        x: as for ``check_gradients``; the leaves of floating-point numbers are checked.
        model, y, sample_weight, loss, method, training, build, seed, directions, max_elements: as
            for ``check_gradients``.

    Returns:
        A row for each float array of x. The first number of an index is that of the example.

    Raises:
        ConfigError: as ``check_gradients``, and where x holds no floats.
    """
    adapter.check_model(model, loss, trains=False)
    adapter.check_data(x, y, sample_weight)
    if not adapter.has_float_inputs(x):
        raise ConfigError(
            "x must hold floats for a gradient with respect to it, got whole numbers: check the "
            "part of the model after its Embedding or Rescaling"
        )
    how = Measuring(method, seed, directions, max_elements)
    data, of = (x, y, sample_weight), (adapter.INPUTS,)
    return measured(model, data, how, loss=loss, training=training, build=build, of=of)


@dataclass(frozen=True)
class Measuring:
    """How slopes are measured, see ``check_gradients``.

    Raises:
        ConfigError: naming the argument.
    """

    method: str = "projection"
    seed: int = 0
    directions: int = 3
    max_elements: int | None = None

    def __post_init__(self) -> None:
        if self.method not in algorithm.METHODS:
            names = ", ".join(algorithm.METHODS)
            raise ConfigError(f"method must be one of {names}, got method={self.method!r}")
        for name, least in (("directions", 1), ("max_elements", 1), ("seed", 0)):
            count = getattr(self, name)
            whole = isinstance(count, int) and not isinstance(count, bool)
            if not (whole and count >= least) and not (name == "max_elements" and count is None):
                raise ConfigError(
                    f"{name} must be a whole number of at least {least}, got {name}={count!r}"
                )


def measured(
    model: keras.Model,
    data: tuple[Any, Any, Any],
    how: Measuring,
    *,
    loss: Any,
    training: bool,
    build: Callable[[], keras.Model] | None,
    of: tuple[str, ...] = (adapter.WEIGHTS,),
) -> GradientReport:
    """The report on a model that was checked, in double precision if it can be.

    Args:
        model, loss, training, build, of: as for ``adapter.flatten``.
        data: x, y and sample_weight.
        how: slopes are measured.

    Raises:
        ConfigError: where the cost can't be computed, or isn't deterministic.
    """
    adapter.check_data(*data)
    failure: Exception | None = None
    for dtype in ("float64", "float32"):
        with copies.computing_in(dtype):
            try:
                flat = adapter.flatten(
                    model, data, loss=loss, training=training, build=build, dtype=dtype, of=of
                )
                value = flat.cost(flat.theta)
            except ConfigError:
                raise
            except backend.errors() as error:
                failure = error
                continue
            reasons.check_deterministic(flat, value, flat.cost)
            report = _report(flat, how)
            if not report.ok:
                # Numbers that Python or numpy drew are constants of what was compiled.
                reasons.check_deterministic(flat, value, flat.retraced())
            return report
    reason = reason_of(failure)
    raise ConfigError(
        f"the cost of {model.name!r} can't be computed on x and y: {reason}"
    ) from failure


def _report(flat: adapter.Flat, how: Measuring) -> GradientReport:
    """The findings of the pure algorithm with the names of the variables."""
    findings = algorithm.check(
        flat.cost,
        flat.gradient,
        flat.theta,
        flat.segments,
        method=how.method,
        directions=how.directions,
        max_elements=how.max_elements,
        seed=how.seed,
    )
    texts = reasons.of_findings(flat, findings)
    rows = tuple(map(_row, flat.paths, flat.shapes, findings, texts))
    slopes = [slope for finding in findings for slope in finding.slopes]
    single = any(row.precision == "single" for row in rows)
    return GradientReport(rows, norm_error(slopes), "single" if single else "double", how.method)


def _row(path: str, shape: tuple[int, ...], finding: Finding, reason: str) -> VariableReport:
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
        reason,
    )
