"""What many trials say about single hyperparameters: which ones matter, and where they end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np

from keras_ext.diagnosis.intervals import z_score

BINS = 4
EDGE = 0.1
"""Share of a range, at either end, that counts as its edge."""
NOTHING = 1e-6
"""A range that begins at or below it has no lower edge: what is there is as good as 0."""


def place(item: Mapping[str, Any], value: Any) -> float:
    """Where a value lies in the range of a hyperparameter, from 0 (lowest) to 1, on its scale.

    Args:
        item: ``kind`` ("Float", "Int", "Choice", "Boolean"), ``min_value``, ``max_value`` and
            ``sampling`` of a number, ``values`` of a choice.
        value: in the range.

    >>> place({"kind": "Float", "min_value": 1e-4, "max_value": 1.0, "sampling": "log"}, 0.01)
    0.5
    """
    choices = choices_of(item)
    if choices:
        return choices.index(value) / max(1, len(choices) - 1) if value in choices else 0.0
    low, high = float(item["min_value"]), float(item["max_value"])
    if item.get("sampling") in ("log", "reverse_log") and low > 0:
        low, high, value = log(low), log(high), log(value)
    return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.5


def choices_of(item: Mapping[str, Any]) -> list[Any]:
    """All values in order, of a hyperparameter whose values can be counted."""
    if item["kind"] == "Boolean":
        return [False, True]
    return list(item.get("values") or ([item["value"]] if item["kind"] == "Fixed" else []))


def edge(item: Mapping[str, Any], value: Any) -> str | None:
    """ "low" or "high" where the value is at that edge of a range that could go on there.

    A range ends by itself at (almost) 0, and whole numbers at 1; choices that are no numbers have
    no edge.

    >>> rate = {"kind": "Float", "min_value": 1e-4, "max_value": 1.0, "sampling": "log"}
    >>> edge(rate, 0.9), edge(rate, 0.01), edge({**rate, "min_value": 0, "sampling": None}, 0.0)
    ('high', None, None)
    """
    choices = choices_of(item)
    if choices and (len(choices) < 3 or not all(_is_number(choice) for choice in choices)):
        return None
    least = choices[0] if choices else item["min_value"]
    at = place(item, value)
    if at >= 1 - (0 if choices else EDGE):
        return "high"
    whole = isinstance(least, int)
    ends = least <= (1 if whole else NOTHING)
    return "low" if at <= (0 if choices else EDGE) and not ends else None


def importance(places: Sequence[float] | np.ndarray, errors: Sequence[float] | np.ndarray) -> float:
    """Share of the differences between errors that one hyperparameter explains by itself.

    Omega squared of the logarithm of the error over four groups of equal size: what the groups
    explain, without what as many groups would explain by chance (Hays 1963; see Olejnik and Algina
    2003, equation 2). Near 0 with few trials, unless it matters a lot.

    Args:
        places: of each trial, from 0 to 1.
        errors: of each trial, at least 0.

    Returns:
        From 0 to 1.

    >>> importance([0.0, 0.1, 0.4, 0.5, 0.9, 1.0], [0.1, 0.11, 0.2, 0.21, 0.4, 0.41]) > 0.9
    True
    """
    x = np.asarray(places, dtype=float)
    y = np.log(np.maximum(np.asarray(errors, dtype=float), 1e-6))
    groups = _groups(x)
    inside = len(x) - len(groups)
    total = float(((y - y.mean()) ** 2).sum()) if len(y) else 0.0
    if len(groups) < 2 or inside < 1 or total == 0:
        return 0.0
    between = sum(len(rows) * (y[rows].mean() - y.mean()) ** 2 for rows in groups)
    noise = max(total - between, 0.0) / inside
    explained = (between - (len(groups) - 1) * noise) / (total + noise)
    return float(min(1.0, max(0.0, explained)))


@dataclass(frozen=True)
class Importances:
    """The importance of several hyperparameters in the same trials, and how far it may be chance.

    Args:
        values: by name, see ``importance``.
        samples: by name, the same in trials drawn again, of shape (resamples,).
    """

    values: Mapping[str, float]
    samples: Mapping[str, np.ndarray]

    def interval(self, name: str, confidence: float = 0.95) -> tuple[float, float]:
        """The limits of one."""
        return self._quantiles(self.samples[name], confidence)

    def difference(
        self, names: Sequence[str], others: Sequence[str], confidence: float = 0.95
    ) -> tuple[float, float, float]:
        """The mean importance of some minus that of others, with the limits of its interval."""

        def mean(of: Mapping[str, Any], which: Sequence[str]) -> Any:
            return sum(of[name] for name in which) / len(which)

        value = mean(self.values, names) - mean(self.values, others)
        drawn = mean(self.samples, names) - mean(self.samples, others)
        return (float(value), *self._quantiles(drawn, confidence))

    @staticmethod
    def _quantiles(samples: np.ndarray, confidence: float) -> tuple[float, float]:
        z_score(confidence)
        low, high = np.quantile(samples, [(1 - confidence) / 2, (1 + confidence) / 2])
        return float(low), float(high)


def importances(
    places: Mapping[str, Sequence[float] | np.ndarray],
    errors: Sequence[float] | np.ndarray,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Importances:
    """The importance of each hyperparameter, with intervals from trials drawn again.

    Trials are drawn with replacement, the same ones for all hyperparameters, so that differences
    between these have intervals too. In simulations with 36 and 60 trials the percentile intervals
    covered the importance in 96 to 99 % of the cases for a confidence of 95 %.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, section 13.3.

    Args:
        places: by name, of each trial, from 0 to 1.
        errors: of each trial, at least 0.
        resamples: how often trials are drawn.
        seed: of the draws.

    >>> rate = [n / 40 for n in range(40)]
    >>> found = importances({"rate": rate, "none": rate[::2] + rate[1::2]}, [2**r for r in rate])
    >>> found.interval("rate")[0] > 0.8, found.difference(["rate"], ["none"])[1] > 0
    (True, True)
    """
    columns = {name: np.asarray(column, dtype=float) for name, column in places.items()}
    y = np.asarray(errors, dtype=float)
    rows = np.random.default_rng(seed).integers(0, len(y), (resamples, len(y)))
    return Importances(
        {name: importance(x, y) for name, x in columns.items()},
        {name: np.array([importance(x[r], y[r]) for r in rows]) for name, x in columns.items()},
    )


def _groups(x: np.ndarray) -> list[np.ndarray]:
    """Rows of each group; equal values stay together."""
    found = np.unique(x)
    if len(found) > BINS:
        limits = np.quantile(x, np.linspace(0, 1, BINS + 1)[1:-1])
        labels = np.searchsorted(np.unique(limits), x, side="right")
    else:
        labels = np.searchsorted(found, x)
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
