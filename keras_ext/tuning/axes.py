"""One hyperparameter of a search space as the rules see it: its values, its scale and its notch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf, log
from typing import Any

from keras_ext.diagnosis.notches import NOTCHES, Notch
from keras_ext.errors import ConfigError

Values = Mapping[str, Any]

SCALES = ("linear", "log", "complement")

ROLES = (
    "learning_rate",
    "momentum",
    "batch_size",
    "units",
    "layers",
    "decay_rate",
    "schedule",
    "l2",
    "dropout",
    "magnitude",
    "epochs",
    "seed",
)
"""What a hyperparameter can be to the rules; "seed" is not tuned, it serves to measure again."""
UNORDERED = ("schedule", "seed")
"""Roles of choices without an up and a down."""

STEPS: dict[str, Notch] = {
    **NOTCHES,
    "batch_size": Notch(times=2, low=1),
    "decay_rate": Notch(times=3, start=0.1),
}
"""The table of notches, with two more that a search turns."""

MOMENTUM_TIMES = 3.0
"""A notch of momentum beta divides 1 - beta by it: averages over three times as many steps."""
OTHER_SHARE = 0.2
"""A notch of a number without a role, as a share of its range."""


@dataclass(frozen=True)
class Axis:
    """One hyperparameter.

    Args:
        name: in the search space.
        default: where a search starts.
        low, high: limits of a number.
        scale: of a number without ``choices``: "linear", "log", or "complement" (log of 1 - value).
        whole: whether only whole numbers are meant.
        choices: all values, where they can be counted.
        ordered: whether the choices are in an order.
        role: one of ``ROLES``, or None.
        parents: names with the values that each must have one of for this one to matter.
    """

    name: str
    default: Any
    low: float = 0.0
    high: float = 1.0
    scale: str = "linear"
    whole: bool = False
    choices: tuple[Any, ...] = ()
    ordered: bool = True
    role: str | None = None
    parents: tuple[tuple[str, tuple[Any, ...]], ...] = ()

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise ConfigError(f"scale must be one of {', '.join(SCALES)}, got scale={self.scale!r}")
        if self.role is not None and self.role not in ROLES:
            raise ConfigError(f"role must be one of {', '.join(ROLES)}, got role={self.role!r}")
        positive = self.low > 0 if self.scale == "log" else self.high < 1
        if not self.choices and self.scale != "linear" and not positive:
            raise ConfigError(
                f"{self.name} can't have a {self.scale} scale from {self.low} to {self.high}"
            )

    @property
    def fixed(self) -> bool:
        """Whether there is nothing to choose."""
        return len(self.choices) == 1 or (not self.choices and self.low >= self.high)

    @property
    def steps(self) -> bool:
        """Whether there is an up and a down."""
        return self.ordered and not self.fixed

    def place(self, value: Any) -> float:
        """Where the value lies, from 0 (lowest) to 1.

        >>> Axis("rate", 0.01, low=1e-4, high=1.0, scale="log").place(0.01)
        0.5
        """
        if self.choices:
            return self.choices.index(value) / max(1, len(self.choices) - 1)
        low, high = self._scaled(self.low), self._scaled(self.high)
        if low == high:
            return 0.5
        return min(1.0, max(0.0, (self._scaled(float(value)) - low) / (high - low)))

    def value(self, place: float) -> Any:
        """The value at a place from 0 to 1, the nearest one there is.

        >>> Axis("units", 64, choices=(16, 32, 64)).value(0.4)
        32
        """
        place = min(1.0, max(0.0, place))
        if self.choices:
            return self.choices[min(len(self.choices) - 1, int(place * len(self.choices)))]
        low, high = self._scaled(self.low), self._scaled(self.high)
        return self.near(self._plain(low + place * (high - low)))

    def near(self, value: float) -> Any:
        """The number in the range that is nearest, with six digits."""
        inside = min(self.high, max(self.low, float(value)))
        if self.whole:
            return int(min(self.high // 1, max(-(-self.low // 1), round(inside))))
        return float(min(self.high, max(self.low, float(f"{inside:.6g}"))))

    def moved(self, value: Any, notches: float) -> Any | None:
        """The value so many notches further (or back, below 0); None where that is the same.

        >>> Axis("l2", 0.0, high=0.1, role="l2").moved(0.0, 1)
        0.0001
        >>> units = Axis("units", 64, choices=(16, 64, 256), role="units")
        >>> units.moved(64, 1), units.moved(256, 1)
        (256, None)
        """
        if not self.steps:
            return None
        if self.choices:
            return self._next_choice(value, notches)
        after = self.near(self._turned(float(value), notches))
        return None if after == value else after

    def _next_choice(self, value: Any, notches: float) -> Any | None:
        place = self.choices.index(value)
        beyond = self.choices[place + 1 :] if notches > 0 else self.choices[:place]
        if not beyond:
            return None
        if self.role in STEPS and not isinstance(value, str):
            target = self._turned(float(value), notches)
            return min(beyond, key=lambda choice: abs(_ratio(choice) - _ratio(target)))
        # At least one, so that a small step is one all the same.
        far = min(len(beyond), max(1, round(abs(notches))))
        return beyond[far - 1] if notches > 0 else beyond[-far]

    def _turned(self, value: float, notches: float) -> float:
        """By the table of notches, without regard to the range."""
        if self.role == "momentum" and value < 1:
            return 1 - (1 - value) * MOMENTUM_TIMES**-notches
        step = STEPS.get(self.role or "")
        if step is None:
            low, high = self._scaled(self.low), self._scaled(self.high)
            if self.choices:
                return value
            return self._plain(self._scaled(value) + notches * OTHER_SHARE * (high - low))
        if step.times == 1:
            return value + step.add * notches
        if notches > 0:
            return max(step.start, value * step.times**notches)
        return value * step.times**notches if value > step.start else self.low

    def _scaled(self, value: float) -> float:
        if self.scale == "log":
            return log(value)
        return -log(1 - value) if self.scale == "complement" else value

    def _plain(self, scaled: float) -> float:
        if self.scale == "log":
            return exp(scaled)
        return 1 - exp(-scaled) if self.scale == "complement" else scaled


def _ratio(value: float) -> float:
    """Distances between choices are ratios, as far as there are any."""
    return log(value) if value > 0 else -inf if value < 0 else -50.0


def active(axes: Sequence[Axis], values: Values) -> dict[str, Any]:
    """The values that matter: of axes whose parents have one of the values they need.

    >>> depth = Axis("depth", 1, choices=(1, 2))
    >>> second = Axis("second", 8, low=4, high=16, whole=True, parents=(("depth", (2,)),))
    >>> active([depth, second], {"depth": 1, "second": 8})
    {'depth': 1}
    """
    kept: dict[str, Any] = {}
    for axis in axes:
        if all(kept.get(name) in allowed for name, allowed in axis.parents):
            kept[axis.name] = values[axis.name]
    return kept


def with_role(axes: Sequence[Axis], role: str) -> Axis | None:
    """The axis that plays a role."""
    return next((axis for axis in axes if axis.role == role), None)
