"""Does a signal reach every layer, forwards and backwards? From measurements to a verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, inf, isfinite, log, sqrt
from statistics import median

import numpy as np

from keras_ext.diagnosis.initialization import (
    HIGH_FACTOR,
    LOW_FACTOR,
    Initialization,
    unsuited_initialization,
)
from keras_ext.diagnosis.layer_record import LayerRecord

LEAST_LAYERS = 3
"""Fewer hidden layers show no trend."""

MAGNITUDE = 10.0
"""What a trend must add up to over all hidden layers to matter: one order of magnitude."""

SATURATED_ABOVE = 0.5
DEAD_STANDARD_ERRORS = 4.0

FAINT = 1e-6
"""Of the largest activation: from so little, half precision makes zeros that are no dead units."""

_SMALLEST = 1.4e-45
"""The smallest number above 0 in single precision; a signal of 0 counts as that."""


@dataclass(frozen=True)
class LayerHealthReport:
    """How a network passes on its signals, and why.

    Args:
        layers: in the order in which they were called.
        verdict: "healthy", or the first of the problems.
        problems: of "dead", "saturated", "exploding" and "vanishing" those that there are, causes
            before effects.
        reasons: a sentence for each finding.
        activation_factor: by what the RMS of the activations is multiplied from one hidden layer to
            the next; infinite where they aren't finite, None with fewer than three hidden layers.
        gradient_factor: by what the gradient is multiplied on its way from one hidden layer to the
            one before it, likewise.
        dead_share, saturated_share: the largest of all hidden layers, 0 without such units.
        update_ratio: the median of all layers; None where none was measured.
        initializations: of the layers whose initial weights don't suit their activation.
    """

    layers: tuple[LayerRecord, ...]
    verdict: str
    problems: tuple[str, ...]
    reasons: tuple[str, ...]
    activation_factor: float | None
    gradient_factor: float | None
    dead_share: float
    saturated_share: float
    update_ratio: float | None
    initializations: tuple[Initialization, ...]

    def summary(self) -> str:
        """The verdict in words, with what speaks for it and what to do."""
        found = [*self.reasons, *_grouped(self.initializations)]
        return "\n".join([f"verdict: {self.verdict}", *(f"- {line}" for line in found)])


def judge_layers(layers: Sequence[LayerRecord]) -> LayerHealthReport:
    """A verdict from the trend over depth, so that no signal is too small or large by itself.

    A layer that multiplies a signal by f, and stands in a row of L of its kind, multiplies it by
    f^L. Between f = 0.8 and 1.25 ten layers change it by at most an order of magnitude (0.8^10 =
    0.11), which training copes with. ReLU with weights of variance 1/n has f = sqrt(1/2) = 0.71
    and is found; tanh with 1/n falls as one over the root of the depth and not by a factor (0.94
    to 0.97 over 30 to 50 layers), and isn't. f is taken from a line through the logarithms over the
    depth, by least squares, and must add up to an order of magnitude over the hidden layers.

    - Forwards the signal is the RMS of the activations. Backwards it is the norm of the
      gradient of an example, its RMS times the root of the layer's size: that doesn't change where
      a healthy network gets narrower. With layers of one size the RMS has the same slope.
    - dead: more ReLU units are off for all examples than there would be if all examples were alike
      to a random layer, half of them, and four standard errors; or all of them. Not where the
      layer before gives out next to nothing.
    - saturated: more than half the outputs of a tanh or sigmoid layer are.

    The output layer, whose size and activation are what the task wants, is not judged.

    Sources: Glorot and Bengio (2010), AISTATS 9, 249-256 (RMS over depth, saturation); He et al.
    (2015), arXiv:1502.01852, equations 9 and 14 (the factors); Schoenholz et al. (2017),
    arXiv:1611.01232 (tanh, depth).

    Args:
        layers: measurements, in the order in which the layers were called.

    >>> layers = [LayerRecord(f"d{i}", i, "tanh", False, 8, 8, 0.5**i, 1.0) for i in range(1, 6)]
    >>> report = judge_layers(layers)
    >>> report.verdict, round(report.activation_factor, 3), report.gradient_factor
    ('vanishing', 0.5, 1.0)
    """
    hidden = [layer for layer in layers if not layer.output]
    forwards = _factor(hidden, lambda layer: layer.activation_rms)
    backwards = _factor(hidden, lambda layer: layer.gradient_rms * sqrt(layer.size))
    found = [
        *_units(hidden),
        *_trend(hidden, forwards, "activations", "from a layer to the next"),
        *_trend(hidden, _inverse(backwards), "gradients", "from a layer to the one before it"),
        *_not_finite(layers),
        *_silent(hidden),
    ]
    order = ("dead", "saturated", "exploding", "vanishing")
    problems = tuple(name for name in order if any(name == problem for problem, _ in found))
    ratios = [layer.update_ratio for layer in layers if layer.update_ratio is not None]
    return LayerHealthReport(
        layers=tuple(layers),
        verdict=problems[0] if problems else "healthy",
        problems=problems,
        reasons=tuple(reason for name in order for problem, reason in found if problem == name),
        activation_factor=forwards,
        gradient_factor=_inverse(backwards),
        dead_share=max((layer.dead_share or 0.0 for layer in hidden), default=0.0),
        saturated_share=max((layer.saturated_share or 0.0 for layer in hidden), default=0.0),
        update_ratio=median(ratios) if ratios else None,
        initializations=tuple(filter(None, map(_initialization, hidden))),
    )


def _points(hidden: Sequence[LayerRecord]) -> list[LayerRecord]:
    """One layer for each depth: the last one there, which is the activation if it is a layer."""
    return [layer for _, layer in sorted({h.depth: h for h in hidden if h.depth > 0}.items())]


def _factor(hidden: Sequence[LayerRecord], signal: Callable[[LayerRecord], float]) -> float | None:
    """By what the signal is multiplied with each step in depth."""
    points = _points(hidden)
    if len(points) < LEAST_LAYERS:
        return None
    values = [signal(layer) for layer in points]
    if not all(map(isfinite, values)):
        return inf
    depths = np.array([layer.depth for layer in points], dtype="float64")
    logs = np.log([max(value, _SMALLEST) for value in values])
    away = depths - depths.mean()
    return exp(float(away @ logs / (away @ away)))


def _inverse(factor: float | None) -> float | None:
    """The factor in the other direction; what isn't finite has none."""
    return factor if factor is None or not isfinite(factor) else 1 / factor


def _trend(
    hidden: Sequence[LayerRecord], factor: float | None, what: str, way: str
) -> list[tuple[str, str]]:
    if factor is None or not isfinite(factor):
        return []
    points = _points(hidden)
    total = abs(log(factor)) * (points[-1].depth - points[0].depth)
    if LOW_FACTOR <= factor <= HIGH_FACTOR or total < log(MAGNITUDE):
        return []
    problem, change = ("exploding", "grow") if factor > 1 else ("vanishing", "shrink")
    return [
        (
            problem,
            f"the {what} {change} by a factor of {factor:.3g} {way}; between {LOW_FACTOR:g} and"
            f" {HIGH_FACTOR:g} is healthy",
        )
    ]


def _units(hidden: Sequence[LayerRecord]) -> list[tuple[str, str]]:
    """Layers with too many dead or saturated units."""
    dead = [layer for layer in hidden if _is_dead(layer) and not _is_starved(layer, hidden)]
    saturated = [layer for layer in hidden if (layer.saturated_share or 0.0) > SATURATED_ABOVE]
    found = []
    if dead:
        share = max(layer.dead_share or 0.0 for layer in dead)
        text = f"{_named(dead)}: up to {share:.0%} of the ReLU units are off for every example"
        found.append(("dead", f"{text}; try a smaller learning rate, biases at 0, or leaky_relu"))
    if saturated:
        share = max(layer.saturated_share or 0.0 for layer in saturated)
        text = f"{_named(saturated)}: up to {share:.0%} of the outputs are saturated"
        found.append(("saturated", f"{text}; try smaller weights, or inputs of smaller scale"))
    return found


def _is_dead(layer: LayerRecord) -> bool:
    if layer.dead_share is None:
        return False
    chance = 0.5 + DEAD_STANDARD_ERRORS * 0.5 / sqrt(max(layer.units, 1))
    return layer.dead_share > chance or layer.dead_share >= 1.0


def _is_starved(layer: LayerRecord, hidden: Sequence[LayerRecord]) -> bool:
    """Whether the signal is lost before the layer, which then can't be blamed for its zeros."""
    before = [point.activation_rms for point in _points(hidden) if point.depth < layer.depth]
    return bool(before) and before[-1] < FAINT * max(before)


def _not_finite(layers: Sequence[LayerRecord]) -> list[tuple[str, str]]:
    """Whether anything overflows, wherever it is."""
    signals = {
        "activations": [layer.activation_rms for layer in layers],
        "gradients": [layer.gradient_rms for layer in layers],
    }
    return [
        ("exploding", f"the {what} are not finite")
        for what, values in signals.items()
        if not all(map(isfinite, values))
    ]


def _silent(hidden: Sequence[LayerRecord]) -> list[tuple[str, str]]:
    """Layers that give out nothing but zeros pass nothing on, whatever the trend."""
    silent = [layer for layer in hidden if layer.activation_rms == 0.0]
    return [("vanishing", f"{_named(silent)}: all outputs are 0")] if silent else []


def _initialization(layer: LayerRecord) -> Initialization | None:
    if layer.gain is None:
        return None
    return unsuited_initialization(
        layer.name,
        layer.activation,
        gain=layer.gain,
        count=layer.count,
        initializer=layer.initializer,
    )


def _grouped(initializations: Sequence[Initialization]) -> list[str]:
    """A line for the first of those that are alike, with the number of the others."""
    groups: dict[tuple[str, str | None, bool], list[Initialization]] = {}
    for item in initializations:
        too_small = item.gain < item.suited_gain
        groups.setdefault((item.activation, item.initializer, too_small), []).append(item)
    return [
        items[0].text + (f"; the same for {len(items) - 1} more" if len(items) > 1 else "")
        for items in groups.values()
    ]


def _named(layers: Sequence[LayerRecord]) -> str:
    names = ", ".join(layer.name for layer in layers[:3])
    return names + (f" and {len(layers) - 3} more" if len(layers) > 3 else "")
