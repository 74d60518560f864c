"""How many examples to a step."""

from __future__ import annotations

from keras_ext.errors import ConfigError

FULL_BATCH_BELOW = 2_000
SMALLEST, LARGEST = 64, 512


def mini_batch_size(examples: int) -> int:
    """All examples below 2,000 of them, else a power of two from 64 to 512.

    From 2,000 on it is 64, and doubles each time the examples are eight times as many.

    Source: Andrew Ng, "Improving Deep Neural Networks", week 2, "Understanding mini-batch gradient
    descent"; the step by eight is ours.

    Raises:
        ConfigError: when ``examples`` is below 1.

    >>> [mini_batch_size(n) for n in (500, 2_000, 16_000, 60_000, 1_200_000)]
    [500, 64, 128, 128, 512]
    """
    if examples < 1:
        raise ConfigError(f"examples must be at least 1, got examples={examples!r}")
    if examples < FULL_BATCH_BELOW:
        return examples
    size, bound = SMALLEST, FULL_BATCH_BELOW * 8
    while examples >= bound and size < LARGEST:
        size, bound = size * 2, bound * 8
    return size
