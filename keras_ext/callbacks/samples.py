"""Which examples are measured: fixed samples, as large as the precision asked for needs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from math import sqrt
from typing import Any

from keras_ext.callbacks import checks
from keras_ext.callbacks.examples import Examples, batches, check, read
from keras_ext.callbacks.on_device import OnDevice
from keras_ext.callbacks.outputs import Output
from keras_ext.callbacks.reservoir import Reservoir
from keras_ext.diagnosis import ErrorEstimate
from keras_ext.errors import ConfigError, DivergedError, KerasExtError

LEAST_TRAIN_EXAMPLES = 5_000
PILOT_EXAMPLES = 1_000
SEED = 0
LONG = 10
"""Times the examples wanted, read from a data set, are worth a word."""

Estimate = Callable[[Examples], ErrorEstimate]


class Drawn:
    """Samples that several measure, one after the other: drawn once, on the accelerator once."""

    def __init__(self) -> None:
        self._how: tuple[Any, ...] = ()
        self._parts: list[Any] = []
        self.pools: dict[str, Examples] = {}
        self.device = OnDevice()

    def begin(self, how: tuple[Any, ...], parts: list[Any]) -> None:
        """Forget all, unless it is drawn of the very same data in the same way."""
        same = self._how == how and len(self._parts) == len(parts)
        if not same or any(a is not b for a, b in zip(self._parts, parts, strict=True)):
            self._how, self._parts = how, parts
            self.pools, self.device = {}, OnDevice()


class Samples:
    """Samples of several data sets, each fixed for a run.

    Args:
        data: by the name of the argument: "train", "validation" and maybe others, which may be
            None; arrays or data sets of batches.
        most: examples of each sample.
        precision: how close to the truth each error must be, with 95 % confidence; None takes all
            examples up to ``most``, but of train no more than of validation or 5,000, whichever is
            more.

    Raises:
        ConfigError: for what is no data at all.
    """

    def __init__(self, data: Mapping[str, Any], most: int, precision: float | None) -> None:
        self.data = {name: check(part, name) for name, part in data.items() if _given(name, part)}
        self.most = most
        self.precision = precision
        # The same object in all deep copies, so that no data set is read twice.
        self.drawn = Drawn()
        self._own = True
        self.chosen: dict[str, Examples] = {}

    @property
    def pools(self) -> dict[str, Examples]:
        """Of each data set, the examples that samples are taken of."""
        return self.drawn.pools

    def share(self, drawn: Drawn) -> None:
        """Measure what others have drawn of the same data, or draw it for them."""
        each = [data if isinstance(data, tuple) else (data,) for data in self.data.values()]
        drawn.begin((self.most, self.precision, *self.data), [part for one in each for part in one])
        self.drawn, self._own = drawn, False

    def shared(self) -> list[Any]:
        """What a deep copy is not to copy."""
        tuples = [data for data in self.data.values() if isinstance(data, tuple)]
        drawn = [*self.pools.values(), *self.chosen.values()]
        return [
            *self.data.values(),
            *(part for data in tuples for part in data),
            self.drawn,
            self.pools,
            *drawn,
        ]

    def draw(self, output: Output) -> None:
        """Read the data unless that is done, and take a sample of each.

        Raises:
            ConfigError: for data that can't be used.
        """
        if not self.pools:
            self.pools.update(self._drawn(output))
        if self.precision is None:
            self.chosen = self.pools

    def try_first(self, count: int, estimate: Estimate) -> None:
        """Find out with a few examples of each, and not after the first epoch, what doesn't fit.

        Raises:
            ConfigError: naming the argument whose examples can't be measured.
        """
        for name, pool in self.pools.items():
            try:
                estimate(pool.rows(slice(count)))
            except DivergedError:
                pass  # The measurement will tell.
            except KerasExtError as error:
                raise ConfigError(f"{name} can't be measured: {error}") from error
            except Exception as error:
                raise ConfigError(
                    f"{name} does not fit the model: {checks.reason(error)}"
                ) from error

    def forget(self) -> None:
        """Leave it to the next measurement how many examples are needed."""
        self.chosen = {}
        self.release()

    def release(self) -> None:
        """Make room on the accelerator, unless others want what is there."""
        if self._own:
            self.drawn.device.forget()

    def sized(self, estimate: Estimate) -> dict[str, Examples]:
        """The samples, at the first call as large as ``precision`` needs.

        In two steps: a pilot sample tells the spread of the error, and that how many are needed
        (Cox (1952), Biometrika 39, 217-227).

        Args:
            estimate: measures the error on some examples.
        """
        if not self.chosen:
            self.resize({name: self._needed(pool, estimate) for name, pool in self.pools.items()})
        return self.chosen

    def sizes(self) -> dict[str, int]:
        """How many examples each sample has."""
        return {name: len(examples) for name, examples in self.chosen.items()}

    def resize(self, sizes: Mapping[str, int]) -> None:
        """Take so many examples of each, always the same ones for a number."""
        self.chosen = {name: self.pools[name].sample(n, SEED) for name, n in sizes.items()}

    def _drawn(self, output: Output) -> dict[str, Examples]:
        validation = draw(self.data["validation"], "validation", output, self.most)
        enough = max(len(validation), LEAST_TRAIN_EXAMPLES) if self.precision is None else self.most
        train = draw(self.data["train"], "train", output, min(self.most, enough))
        found = {"train": train, "validation": validation}
        others = {name: part for name, part in self.data.items() if name not in found}
        return found | {name: draw(part, name, output, self.most) for name, part in others.items()}

    def _needed(self, pool: Examples, estimate: Estimate) -> int:
        """An error above 1/2 counts as 1/2, which it may still come to and which needs most."""
        pilot = estimate(pool.sample(PILOT_EXAMPLES, SEED))
        if pilot.proportion and pilot.error > 0.5:
            pilot = ErrorEstimate(0.5, pilot.count, sqrt(0.25 / pilot.count), proportion=True)
        needed = pilot.examples_for(self.precision) if self.precision else None
        return max(PILOT_EXAMPLES, needed or len(pool))


def _given(name: str, part: Any) -> bool:
    return part is not None or name in ("train", "validation")


def draw(data: Any, name: str, output: Output, most: int | None) -> Examples:
    """At most so many examples, a fair and stratified sample of all there are; with None, all.

    Raises:
        ConfigError: as ``examples.read`` does.
    """
    if most is None:
        return read(data, name, output)
    if isinstance(data, tuple):
        return read(data, name, output).sample(most, SEED)
    reservoir = Reservoir(most, SEED)
    long = LONG * most
    for batch in batches(data, name, output):
        reservoir.add(batch)
        if reservoir.seen - len(batch) < long <= reservoir.seen:
            warnings.warn(
                f"{long:,} examples of {name} are read, and more come: it is read to its end for a"
                " fair sample; give data that has one, or a part of it",
                stacklevel=2,
            )
    return reservoir.sample(name)
