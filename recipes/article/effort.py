"""How much an experiment may do: a quick look, fifteen minutes for all, or everything."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from keras_ext.errors import ConfigError

MODES = ("quick", "normal", "full")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Effort:
    """The mode and the seed of all experiments.

    Args:
        mode: "quick" (a look, in seconds), "normal" (all claims in 15 minutes on two cores) or
            "full" (more seeds and the whole data).
        seed: of the first run; further ones count on from there.
        work: where an experiment keeps what it would otherwise have to do again after Ctrl-C.

    Raises:
        ConfigError: for another mode, or a seed below 0.

    >>> Effort("quick").pick(10, 100, 1000), Effort("full", seed=3).seeds(1, 2, 4)
    (10, (3, 4, 5, 6))
    """

    mode: str = "normal"
    seed: int = 0
    work: Path | None = None

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(f"mode must be one of {', '.join(MODES)}, got mode={self.mode!r}")
        if self.seed < 0:
            raise ConfigError(f"--seed must be at least 0, got --seed {self.seed}")

    def pick(self, quick: Value, normal: Value, full: Value) -> Value:
        """The value for the mode."""
        return {"quick": quick, "normal": normal, "full": full}[self.mode]

    def seeds(self, quick: int, normal: int, full: int) -> tuple[int, ...]:
        """As many seeds as the mode has room for."""
        return tuple(range(self.seed, self.seed + self.pick(quick, normal, full)))

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """``work``, or a folder for the time of the experiment alone."""
        if self.work is not None:
            yield self.work
            return
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
