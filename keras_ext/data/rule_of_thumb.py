"""How much of the data goes where, when nobody says otherwise."""

from __future__ import annotations

import math

from keras_ext.errors import ConfigError

SMALL, LARGE = 10_000, 1_000_000


def rule_of_thumb(examples: int) -> tuple[float, float, float]:
    """Fractions for train, validation and test: 70/20/10 to 10,000 examples, 98/1/1 from a million.

    In between, validation and test shrink by the same factor for every doubling of the examples
    (geometrically in the logarithm of their number), which is smooth and joins both ends.

    Source: Andrew Ng, "Improving Deep Neural Networks", week 1, "Train / Dev / Test sets".

    Raises:
        ConfigError: when ``examples`` is below 1.

    >>> [round(part, 4) for part in rule_of_thumb(100_000)]
    [0.9237, 0.0447, 0.0316]
    """
    if examples < 1:
        raise ConfigError(f"examples must be at least 1, got examples={examples!r}")
    if examples <= SMALL:
        return 0.7, 0.2, 0.1
    if examples >= LARGE:
        return 0.98, 0.01, 0.01
    position = math.log(examples / SMALL) / math.log(LARGE / SMALL)
    validation, test = 0.2 * 0.05**position, 0.1 * 0.1**position
    return 1 - validation - test, validation, test
