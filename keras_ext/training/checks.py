"""What a careful engineer looks at before and right after the first training run."""

from __future__ import annotations

import math
from collections import Counter

import keras
import numpy as np

from keras_ext import models
from keras_ext.callbacks import measure
from keras_ext.diagnosis import falling
from keras_ext.gradients import check_gradients
from keras_ext.records import Arrays, Check, Round, Splits, TrainConfig
from keras_ext.training.round import Builder, compiled_model

EXAMPLES_FOR_COST = 1000
EXAMPLES_FOR_GRADIENTS = 16
LARGEST_COST_RATIO = 1.2
TOO_COSTLY = (
    "too far above: are the inputs normalised, do the weights start with variance 1/n or 2/n?"
)


def preflight(
    config: TrainConfig, splits: Splits, *, build: Builder = models.build
) -> tuple[Check, ...]:
    """Before training: the cost at initialisation, and the gradients on a small batch.

    Works on a model of its own, which is thrown away.
    """
    model, _ = compiled_model(config, splits.train, build=build)
    checks = [check_gradients_of(model, splits.train)]
    if splits.train.classes:
        checks.insert(0, check_initial_cost(model, splits.train))
    return tuple(checks)


def check_initial_cost(model: keras.Model, train: Arrays) -> Check:
    """A network that knows nothing should cost ln(classes); more means too large initial weights.

    Source: cs231n, "Look for correct loss at chance performance". A fifth more is let pass.
    """
    _, cost = measure(model, (train.x[:EXAMPLES_FOR_COST], train.y[:EXAMPLES_FOR_COST]))
    assert cost is not None
    expected = math.log(len(train.classes))
    passed = math.isfinite(cost) and cost <= LARGEST_COST_RATIO * expected
    verdict = "as it should be" if passed else TOO_COSTLY
    message = (
        f"cost at initialisation {cost:.3f}, ln {len(train.classes)} = {expected:.3f}: {verdict}"
    )
    return Check("initial cost", passed, message, value=cost, expected=expected)


def check_gradients_of(model: keras.Model, train: Arrays) -> Check:
    """Backpropagation against central differences, on a small batch."""
    rows = slice(0, EXAMPLES_FOR_GRADIENTS)
    report = check_gradients(model, np.asarray(train.x[rows]), np.asarray(train.y[rows]))
    counts = Counter(variable.status for variable in report.variables)
    verdicts = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    message = (
        f"gradients of {len(report.variables)} weights against central differences "
        f"in {report.precision} precision: relative error {report.relative_error:.1e} ({verdicts})"
    )
    return Check("gradients", report.ok, message, value=report.relative_error)


def check_cost_falls(first: Round) -> Check:
    """The clean training cost of a run without regularization goes down epoch by epoch.

    A rise of less than a twentieth of the first cost is taken for mini-batch noise. A single epoch
    is judged by the costs of its own iterations: the last quarter must be below the first.
    """
    costs = [row["train_cost"] for row in first.history]
    what = f"{len(costs)} epochs"
    if len(costs) == 1 and first.iteration_costs:
        iterations = first.iteration_costs[0]
        quarter = max(1, len(iterations) // 4)
        costs = [float(np.mean(iterations[:quarter])), float(np.mean(iterations[-quarter:]))]
        what = "one epoch, its first to its last quarter"
    found = falling(costs)
    if found.passed is None:
        return Check("cost falls", False, "training cost: no epoch was finished")
    rises = ", ".join(f"epoch {place + 1}" for place in found.rises)
    trouble = f"rises in {rises}" if rises and len(costs) > 2 else "does not fall"
    verdict = "falls" if found.passed else f"{trouble}: lower the learning rate first"
    message = f"training cost over {what}: {found.first:.4f} -> {found.last:.4f}, {verdict}"
    return Check("cost falls", found.passed, message)
