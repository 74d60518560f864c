"""An elongated bowl, and ways down into it: by an update formula, and by an optimizer of Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from keras_ext.chart_records import Chart, Line, Panel, Surface

CURVATURES = np.array([1.0, 100.0])
START = np.array([-10.0, 1.0])

Update = Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""From dW, the state (V and S, of shape (2, weights)) and t to the change of W and the state."""


def gradient(w: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Of the bowl scale / 2 (w1^2 + 100 w2^2)."""
    return scale * CURVATURES * w


def walk(update: Update, steps: int, scale: float = 1.0) -> np.ndarray:
    """The weights after each step of a formula, of shape (steps + 1, 2)."""
    path, state = [START], np.zeros((2, 2))
    for t in range(1, steps + 1):
        change, state = update(gradient(path[-1], scale), state, t)
        path.append(path[-1] + change)
    return np.array(path)


def keras_walk(optimizer: keras.optimizers.Optimizer, steps: int) -> np.ndarray:
    """The same of an optimizer of Keras."""
    w = keras.Variable(START, dtype="float64")
    path = [START]
    for _ in range(steps):
        optimizer.apply([gradient(path[-1])], [w])
        path.append(np.array(w.numpy()))
    return np.array(path)


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """The largest distance between two paths, relative to the way to the minimum."""
    return float(np.abs(one - other).max() / np.linalg.norm(START))


def descend(dw: np.ndarray, state: np.ndarray, _: int, *, rate: float) -> Any:
    """Gradient descent, as an update."""
    return -rate * dw, state


def arrival(path: np.ndarray, within: float = 0.01) -> int:
    """After how many steps a path stays within a share of the way from start to minimum."""
    far = np.linalg.norm(path, axis=1) > within * np.linalg.norm(START)
    return int(np.flatnonzero(far).max()) + 1 if far.any() else 0


def panel(title: str, paths: Mapping[str, np.ndarray], steps: int) -> Panel:
    """Contours of the bowl with the first steps of paths on it."""
    x, y = np.linspace(-11, 3, 57), np.linspace(-1.3, 1.3, 53)
    z = (CURVATURES[0] * x[None, :] ** 2 + CURVATURES[1] * y[:, None] ** 2) / 2
    return Panel(
        x_label=f"w1 (flat), {steps} steps",
        y_label="w2 (steep)",
        title=title,
        lines=tuple(
            Line(name, path[: steps + 1, 0], path[: steps + 1, 1], kind="path")
            for name, path in paths.items()
        ),
        surface=Surface(x, y, z, (1, 5, 15, 30, 50, 75)),
        x_limits=(-11, 3),
        y_limits=(-1.3, 1.3),
    )


def chart(*panels: Panel, more: str = "") -> Chart:
    """Ways down the bowl, and what belongs beside them."""
    caption = "From (-10, 1), with exact gradients and no seed; lines are contours of the cost. "
    return Chart(title="Down an elongated bowl", caption=caption + more, panels=panels)
