"""What was measured of one layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

SATURATED_SLOPE = 0.05
"""A sigmoid or tanh whose slope is below this part of its steepest one is saturated."""


@dataclass(frozen=True)
class LayerRecord:
    """One layer on one probe batch.

    Args:
        name: of the layer.
        depth: how many layers with weights lie on the way from the input, itself included.
        activation: "relu", "tanh", "linear", ...; "" where it has none, or none that is known.
        output: whether the model gives out what comes from here; such a layer is not judged.
        units: how many there are: features, or channels.
        size: numbers an example: units times positions.
        activation_rms: root mean square of what the layer gives out; infinite where any of it is
            not finite.
        gradient_rms: of the cost's gradient with respect to that.
        dead_share: the part of the ReLU units that are off for every example of the batch.
        saturated_share: the part of the outputs of a tanh or sigmoid that are saturated.
        update_ratio: RMS of the change of its weights a step, relative to the RMS of the weights.
        initializer: the name of the one for its kernel.
        gain: variance of its initial kernel times fan-in.
        count: of the weights in that kernel.
    """

    name: str
    depth: int
    activation: str
    output: bool
    units: int
    size: int
    activation_rms: float
    gradient_rms: float
    dead_share: float | None = None
    saturated_share: float | None = None
    update_ratio: float | None = None
    initializer: str | None = None
    gain: float | None = None
    count: int = 0


def rms(values: Any) -> float:
    """The root mean square in double precision; infinite where a value is not finite.

    >>> round(rms([3.0, 4.0]), 4)
    3.5355
    """
    values = np.asarray(values, dtype="float64")
    if not np.isfinite(values).all():
        return float("inf")
    return float(np.sqrt(np.mean(values**2))) if values.size else 0.0


def dead_share(values: Any) -> float:
    """The part of the units whose output is 0 (or less) wherever it was looked at.

    Args:
        values: array of shape (..., units), what ReLU units give out.

    >>> dead_share([[0.0, 1.0], [0.0, 0.0]])
    0.5
    """
    values = np.asarray(values)
    return float((values.reshape(-1, values.shape[-1]) <= 0).all(axis=0).mean())


def saturated_share(values: Any, activation: str) -> float:
    """The part of the outputs where the slope is below a twentieth of the steepest.

    The slope of tanh is 1 - a^2 for the output a, and sigmoid(x) = (1 + tanh(x / 2)) / 2.

    Args:
        values: array of any shape, what the units give out.
        activation: "tanh" or "sigmoid".

    >>> saturated_share([0.0, 0.5, 0.97, -0.98], "tanh"), saturated_share([0.5, 0.01], "sigmoid")
    (0.25, 0.5)
    """
    values = np.asarray(values, dtype="float64")
    values = values if activation == "tanh" else 2 * values - 1
    return float((1 - values**2 < SATURATED_SLOPE).mean())


def update_ratio(before: Any, after: Any, steps: int) -> float:
    """RMS of the change of the weights a step, relative to the RMS of the weights.

    The change between two measurements, divided by the steps between them. So steps to and fro
    cancel: it is what the weights travelled, and the lower limit of a mean single step.

    Args:
        before, after: arrays of one shape, the weights at the two measurements.
        steps: of the optimizer in between; without any there is no change either.

    Returns:
        A number from 0; infinite where a weight isn't finite.

    >>> round(update_ratio([1.0, 1.0], [1.1, 0.9], steps=10), 4)
    0.01
    """
    before, after = np.asarray(before, dtype="float64"), np.asarray(after, dtype="float64")
    scale = max(rms(before), rms(after))
    if not np.isfinite(scale):
        return float("inf")
    return rms(after - before) / scale / steps if scale and steps else 0.0
