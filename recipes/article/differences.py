"""One- and two-sided differences of a cost, and how far they are from its slope."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_ext.records import Arrays

STEPS = 10.0 ** np.arange(-1, -12.5, -0.5)


def differences(digits: Arrays, kind: str) -> np.ndarray:
    """The relative error of a difference at each epsilon: a logistic cost along one direction."""
    dtype: Any = np.float32 if kind == "single" else np.float64
    x: Any = (digits.x.reshape(len(digits), -1) / 255).astype(dtype)
    y: Any = np.where(digits.y < 5, 1, -1).astype(dtype)
    theta = np.full(784, 0.02, dtype)
    along = np.full(784, 0.1, dtype)

    def cost(at: Any) -> Any:
        return np.mean(np.log1p(np.exp(-y * (x @ at))), dtype=dtype)

    slope = -np.mean(y * (x @ along) / (1 + np.exp(y * (x @ theta))), dtype=np.float64)
    steps = STEPS.astype(dtype)
    ahead = np.array([cost(theta + step * along) for step in steps])
    behind = np.array([cost(theta - step * along) for step in steps])
    sided = {"one-sided": (ahead - cost(theta)) / steps}
    found = sided.get(kind, (ahead - behind) / (2 * steps))
    return np.abs(found.astype("float64") / slope - 1)
