"""A seed that is drawn before it is known whether random numbers are wanted."""

from __future__ import annotations

from typing import Any

import keras


class DrawnSeed(keras.random.SeedGenerator):
    """A seed already drawn, for random functions that accept a generator but no tensor.

    JAX can't change a generator's state inside of a condition; this one has none to change.

    >>> seed = DrawnSeed(keras.random.SeedGenerator(0).next())
    >>> seed.next() is seed.next()
    True
    """

    def __init__(self, seed: Any) -> None:  # The parent's state isn't needed.
        self.seed = seed

    def next(self, ordered: bool = True) -> Any:
        """The same seed each time."""
        return self.seed
