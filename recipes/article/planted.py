"""A network with a bug planted in its gradient: one weight's part of the penalty is forgotten."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_ext.gradients import GradientReport, check_gradients
from keras_ext.records import Arrays

UNITS = 16


def place(seed: int) -> tuple[int, int]:
    """The weight whose gradient is forgotten."""
    row, column = np.random.default_rng(seed).integers((200, 0), (600, UNITS))
    return int(row), int(column)


def spot(report: GradientReport) -> Any:
    """Where the check says the bug is."""
    bad = [row for row in report.variables if row.status in ("wrong", "suspect")]
    return bad[0].worst_index if len(bad) == 1 else None


def checked(digits: Arrays, seed: int, strength: float, *, planted: bool) -> GradientReport:
    """The report on a network whose penalty is differentiated for all weights, or all but one."""
    mask = np.zeros((784, UNITS))
    mask[place(seed)] = float(planted)

    def penalty(kernel: Any) -> Any:
        chosen = ops.cast(mask, kernel.dtype)
        kept = kernel * (1 - chosen) + ops.stop_gradient(kernel * chosen)
        return strength * ops.sum(ops.square(kept))

    def build() -> keras.Model:
        layers = [
            keras.Input((28, 28, 1)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten(),
            keras.layers.Dense(UNITS, "tanh", kernel_regularizer=penalty), keras.layers.Dense(10),
        ]  # fmt: skip
        return keras.Sequential(layers)

    keras.utils.set_random_seed(seed)
    model = build()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return check_gradients(model, digits.x, digits.y, loss=loss, build=build, seed=seed)
