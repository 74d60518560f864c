"""Time-based decay of the learning rate: the formula, and the same values inside the graph."""

from __future__ import annotations

from math import isfinite
from numbers import Real
from typing import Any

import keras
from keras import ops
from keras.optimizers import schedules

from keras_ext.callbacks import checks
from keras_ext.errors import ConfigError


def time_based_rate(
    number: int,
    initial_learning_rate: float,
    decay_rate: float,
    *,
    staircase: int = 1,
    warmup: int = 0,
    floor: float = 0.0,
) -> float:
    """The learning rate ``initial / (1 + decay_rate * number)`` of an epoch or step.

    Source: A. Ng, Improving Deep Neural Networks, week 2, "Learning rate decay", with the epoch
    counted from 0, so that number 0 has the initial rate. Linear warm-up: Goyal et al. (2017),
    arXiv:1706.02677, section 2.2.

    Args:
        number: of the epoch or step, from 0.
        initial_learning_rate: of number 0, or of the first after the warm-up.
        decay_rate: per epoch or step.
        staircase: how many epochs or steps keep one rate; at the start of each stair it is that of
            the formula.
        warmup: how many epochs or steps come before ``initial_learning_rate`` is reached, in equal
            steps from ``initial / (warmup + 1)``; the decay counts from there.
        floor: the lowest rate that the decay leads to.

    >>> [round(time_based_rate(epoch, 0.2, 1.0), 4) for epoch in range(4)]
    [0.2, 0.1, 0.0667, 0.05]
    >>> [round(time_based_rate(epoch, 0.2, 1.0, warmup=1, floor=0.09), 4) for epoch in range(4)]
    [0.1, 0.2, 0.1, 0.09]
    """
    if number < warmup:
        return initial_learning_rate * (number + 1) / (warmup + 1)
    passed = (number - warmup) // staircase * staircase
    return max(floor, initial_learning_rate / (1 + decay_rate * passed))


def time_based_schedule(
    decay_rate: float,
    initial_learning_rate: float,
    *,
    steps_per_epoch: int | None = None,
    by: str = "epoch",
    staircase: int = 1,
    warmup_epochs: int = 0,
    warmup_steps: int = 0,
    floor: float = 0.0,
) -> TimeBasedSchedule:
    """The rates of ``TimeBasedDecay`` as a schedule that the optimizer computes at each step.

    It costs no time between the steps and is right with any ``steps_per_execution``, but it counts
    the optimizer's own steps: a second ``fit`` goes on where the first one ended.

    Args:
        decay_rate, by, staircase, warmup_epochs, warmup_steps, floor: as for ``TimeBasedDecay``.
        initial_learning_rate: must be given: there is no optimizer yet to take it from.
        steps_per_epoch: mini-batches of an epoch; needed for ``by="epoch"``.

    Returns:
        A ``TimeBasedSchedule``: Keras's ``InverseTimeDecay`` with ``staircase=True`` and
        ``decay_steps`` set to the steps of a stair, and what that class leaves out.

    Raises:
        ConfigError: naming the argument and the value received.

    >>> rate = time_based_schedule(1.0, 0.2, steps_per_epoch=10)
    >>> [round(float(rate(step)), 4) for step in (0, 9, 10, 20)]
    [0.2, 0.2, 0.1, 0.0667]
    """
    warmup = check(decay_rate, initial_learning_rate, by, staircase, warmup_epochs, warmup_steps)
    check_floor(floor, initial_learning_rate)
    steps = 1
    if by == "epoch":
        steps = checks.whole_number("steps_per_epoch", steps_per_epoch, 1)
    return TimeBasedSchedule(
        decay_rate,
        initial_learning_rate,
        steps=steps,
        staircase=staircase,
        warmup=warmup,
        floor=floor,
    )


@keras.saving.register_keras_serializable(package="keras_ext")
class TimeBasedSchedule(schedules.InverseTimeDecay):
    """``InverseTimeDecay`` with a warm-up and a floor; made by ``time_based_schedule``.

    Keras finds the stair by dividing floats. Compiled by XLA, its ``InverseTimeDecay`` lowers the
    rate one step late where the quotient ends just below a whole number: with 41, 47 or 55 steps an
    epoch, for one. Here stairs are counted in whole numbers.

    Args:
        decay_rate, initial_learning_rate, staircase, warmup, floor: as for ``time_based_rate``.
        steps: mini-batches that share a number: those of an epoch, or 1.

    >>> rate = TimeBasedSchedule(1.0, 0.2, steps=10, warmup=1)
    >>> [round(float(rate(step)), 4) for step in (0, 10, 20)]
    [0.1, 0.2, 0.1]
    """

    def __init__(
        self,
        decay_rate: float,
        initial_learning_rate: float,
        *,
        steps: int = 1,
        staircase: int = 1,
        warmup: int = 0,
        floor: float = 0.0,
    ) -> None:
        super().__init__(
            initial_learning_rate, staircase * steps, decay_rate * staircase, staircase=True
        )
        self._config = {
            "decay_rate": decay_rate,
            "initial_learning_rate": initial_learning_rate,
            "steps": steps,
            "staircase": staircase,
            "warmup": warmup,
            "floor": floor,
        }

    def __call__(self, step: Any) -> Any:
        """The rate at a step of the optimizer, a scalar tensor."""
        initial, warmup = self.initial_learning_rate, self._config["warmup"]
        number = ops.floor_divide(ops.cast(step, "int32"), self._config["steps"])
        passed = ops.maximum(number - warmup, 0)
        stair = ops.cast(ops.floor_divide(passed, self._config["staircase"]), "float32")
        decayed = ops.maximum(initial / (1.0 + self.decay_rate * stair), self._config["floor"])
        rising = initial / (warmup + 1) * (ops.cast(number, "float32") + 1.0)
        return ops.where(number < warmup, rising, decayed)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return dict(self._config)


def check(
    decay_rate: Any,
    initial_learning_rate: Any,
    by: Any,
    staircase: Any,
    warmup_epochs: Any,
    warmup_steps: Any,
) -> int:
    """Refuse what can't be used, and give the length of the warm-up in what ``by`` counts.

    Raises:
        ConfigError: naming the argument and the value received.
    """
    checks.not_negative("decay_rate", decay_rate)
    _positive("initial_learning_rate", initial_learning_rate)
    if by not in ("epoch", "step"):
        raise ConfigError(f'by must be "epoch" or "step", got by={by!r}')
    checks.whole_number("staircase", staircase, 1)
    warmups = {
        "warmup_epochs": checks.whole_number("warmup_epochs", warmup_epochs, 0),
        "warmup_steps": checks.whole_number("warmup_steps", warmup_steps, 0),
    }
    wanted, other = f"warmup_{by}s", "warmup_steps" if by == "epoch" else "warmup_epochs"
    if warmups[other]:
        raise ConfigError(
            f"{other} must be 0 with by={by!r}, got {other}={warmups[other]!r}: give {wanted}"
        )
    return warmups[wanted]


def check_floor(floor: Any, initial_learning_rate: float | None) -> None:
    """Refuse a floor that isn't a rate, or lies above the initial one as far as that is known.

    Raises:
        ConfigError: naming the argument and the value received.
    """
    checks.not_negative("floor", floor)
    if initial_learning_rate is not None and floor > initial_learning_rate:
        raise ConfigError(
            f"floor must be at most the initial learning rate, {initial_learning_rate:g}, got"
            f" floor={floor!r}"
        )


def _positive(name: str, value: Any) -> None:
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not isfinite(value) or value <= 0:
        raise ConfigError(f"{name} must be finite and above 0, got {name}={value!r}")
