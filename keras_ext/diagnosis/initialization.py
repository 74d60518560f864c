"""Does the variance of a layer's initial weights suit its activation?"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

LOW_FACTOR, HIGH_FACTOR = 0.8, 1.25
"""A signal that a layer multiplies by less, or more, has lost or won ten times in ten layers."""

_STANDARD_ERRORS = 3.0

# Activation -> variance of the weights times fan-in that keeps the signal, and who draws it so.
SUITED: dict[str, tuple[float, str]] = {
    "relu": (2.0, "he_normal"),
    "relu6": (2.0, "he_normal"),
    "leaky_relu": (2.0, "he_normal"),
    "tanh": (1.0, "lecun_normal"),
    "selu": (1.0, "lecun_normal"),
}


@dataclass(frozen=True)
class Initialization:
    """How the initial weights of a layer compare with what its activation wants.

    Args:
        layer: its name.
        activation: "tanh", "relu", ...
        initializer: the name of the one in use; None where it isn't known.
        gain: variance of the weights times fan-in, as it is.
        suited_gain: as it should be: 1 for tanh, 2 for ReLU.
        suited_initializer: the Keras initializer that draws such weights.
    """

    layer: str
    activation: str
    initializer: str | None
    gain: float
    suited_gain: float
    suited_initializer: str

    @property
    def text(self) -> str:
        """What is wrong, and which initializer to use."""
        size = "small" if self.gain < self.suited_gain else "large"
        by = f" ({self.initializer})" if self.initializer else ""
        return (
            f"{self.layer}: the initial weights{by} are too {size} for {self.activation}, variance"
            f" {self.gain:.3g}/n instead of {self.suited_gain:g}/n, n = fan-in: use"
            f" kernel_initializer={self.suited_initializer!r}"
        )


def unsuited_initialization(
    layer: str, activation: str, *, gain: float, count: int, initializer: str | None = None
) -> Initialization | None:
    """What is wrong with the initial weights of a layer; None if nothing is, or nobody knows.

    Weights of variance gain / n multiply the RMS of a signal by sqrt(gain / suited gain), n being
    the number of inputs of a unit. They pass while that lies between 0.8 and 1.25, the limits for
    the factor of a layer, or the difference could be chance at three standard errors.

    Sources: for tanh 1/n, LeCun et al. (1998), Efficient BackProp, equation 16; for ReLU 2/n, He et
    al. (2015), arXiv:1502.01852, equation 10; for SELU 1/n, Klambauer et al. (2017),
    arXiv:1706.02515. The variance of a variance, 2/count of its square: of normal weights.

    Args:
        layer: its name.
        activation: what follows the weights; one that isn't in ``SUITED`` is not judged.
        gain: variance of the weights times fan-in.
        count: of the weights.
        initializer: the name of the one that drew them.

    >>> unsuited_initialization("dense", "tanh", gain=1.02, count=4096) is None
    True
    >>> unsuited_initialization("dense", "relu", gain=1.0, count=4096).suited_initializer
    'he_normal'
    """
    if activation not in SUITED:
        return None
    suited, name = SUITED[activation]
    chance = 1 + _STANDARD_ERRORS * sqrt(2 / max(count, 1))
    if LOW_FACTOR**2 / chance <= gain / suited <= HIGH_FACTOR**2 * chance:
        return None
    return Initialization(layer, activation, initializer, gain, suited, name)
