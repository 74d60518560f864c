"""Why something was not seen: as far as the numbers themselves can tell."""

from __future__ import annotations

from keras_ext.diagnosis import OverSeeds


def why_not(found: OverSeeds, otherwise: str) -> str:
    """Why an interval isn't all above 0: too wide, or around a mean that isn't above it either.

    Args:
        found: a difference, or the logarithm of a ratio.
        otherwise: why one thinks the mean isn't above 0.

    >>> why_not(OverSeeds(0.1, -0.2, 0.4, seeds=3), "the network is too small")
    'in the mean it is so, but 3 seeds leave the interval too wide to tell'
    """
    if found.value <= 0:
        return otherwise
    return f"in the mean it is so, but {found.seeds} seeds leave the interval too wide to tell"
