"""Optimizer and learning-rate schedule by name; all of them Keras's own, with numbers that live.

Learning rate, decay rate and Adam's beta are variables: a compiled training step can be used again
with other ones (``reset``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras.optimizers import schedules

from keras_ext.callbacks.time_based_schedule import TimeBasedSchedule
from keras_ext.records import TrainConfig

WARMUP_SHARE = 0.25
START_FRACTION = 0.04
END_FRACTION = 0.001
ADAM_BETA_2, RMSPROP_BETA = 0.999, 0.9
"""Keras's defaults."""


class _Live:
    """Makes variables of the attributes that ``LIVE`` names, and floats of them in the config."""

    LIVE: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.LIVE:
            value = getattr(self, name)
            if value is not None:
                variable = keras.Variable(value, dtype="float32", trainable=False, name=name)
                setattr(self, name, variable)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, with the numbers at present."""
        # The shortest decimal that single precision can't tell from the value.
        numbers = {name: float(str(np.float32(v.numpy()))) for name, v in self._numbers().items()}
        config: dict[str, Any] = super().get_config()  # type: ignore[misc]
        return {**config, **numbers}

    def _numbers(self) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in self.LIVE}
        return {name: variable for name, variable in found.items() if variable is not None}


@keras.saving.register_keras_serializable(package="keras_ext")
class LiveCosineDecay(_Live, schedules.CosineDecay):
    """``keras.optimizers.schedules.CosineDecay`` whose rates are variables."""

    LIVE = ("initial_learning_rate", "warmup_target")


@keras.saving.register_keras_serializable(package="keras_ext")
class LiveTimeBasedSchedule(_Live, TimeBasedSchedule):
    """``TimeBasedSchedule`` whose rates are variables."""

    LIVE = ("initial_learning_rate", "decay_rate")

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor; the rate that decays is of the whole stair."""
        config = super().get_config()
        return {**config, "decay_rate": config["decay_rate"] / config["staircase"]}


@keras.saving.register_keras_serializable(package="keras_ext")
class LiveAdam(_Live, keras.optimizers.Adam):
    """``keras.optimizers.Adam`` whose beta_1 is a variable."""

    LIVE = ("beta_1",)


@keras.saving.register_keras_serializable(package="keras_ext")
class LiveAdamW(_Live, keras.optimizers.AdamW):
    """``keras.optimizers.AdamW`` whose beta_1 is a variable."""

    LIVE = ("beta_1",)


def schedule(config: TrainConfig, steps_per_epoch: int) -> float | schedules.LearningRateSchedule:
    """The learning rate over the steps of a whole run.

    Args:
        config: of which schedule, learning_rate, decay_rate and epochs are used.
        steps_per_epoch: optimizer steps of one epoch.

    "time_based" is learning_rate / (1 + decay_rate * epoch), epoch counted from 0 and constant
    within an epoch. "one_cycle" rises linearly for a quarter of the run and falls along a cosine
    (Smith and Topin 2017).

    >>> config = TrainConfig(schedule="time_based", learning_rate=0.2, decay_rate=1.0)
    >>> rate = schedule(config, steps_per_epoch=10)
    >>> round(float(rate(0)), 3), round(float(rate(19)), 3), round(float(rate(20)), 4)
    (0.2, 0.1, 0.0667)
    """
    rate, steps = config.learning_rate, config.epochs * steps_per_epoch
    if config.schedule == "constant":
        return rate
    if config.schedule == "time_based":
        return LiveTimeBasedSchedule(config.decay_rate, rate, steps=steps_per_epoch)
    if config.schedule == "cosine":
        return LiveCosineDecay(rate, steps)
    warmup = max(1, round(WARMUP_SHARE * steps))
    return LiveCosineDecay(
        initial_learning_rate=START_FRACTION * rate,
        decay_steps=max(1, steps - warmup),
        alpha=END_FRACTION,
        warmup_target=rate,
        warmup_steps=warmup,
    )


def optimizer(config: TrainConfig, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """The optimizer that ``config.optimizer`` names, with its schedule.

    ``momentum`` is Ng's beta: of SGD and RMSprop the momentum, of Adam and AdamW beta_1. ``beta_2``
    and ``epsilon`` are constants of the compiled step.

    >>> optimizer(TrainConfig(optimizer="adam", momentum=0.8), 10).get_config()["beta_1"]
    0.8
    """
    rate, beta = schedule(config, steps_per_epoch), config.momentum
    if config.optimizer == "sgd":
        return _alone(keras.optimizers.SGD(rate, momentum=beta, name="sgd"))
    how: dict[str, Any] = {"epsilon": config.epsilon, "name": config.optimizer}
    squares = config.beta_2
    if config.optimizer == "rmsprop":
        rho = RMSPROP_BETA if squares is None else squares
        return _alone(keras.optimizers.RMSprop(rate, rho=rho, momentum=beta, **how))
    how |= {"beta_1": beta, "beta_2": ADAM_BETA_2 if squares is None else squares}
    if config.optimizer == "adamw":
        return _alone(LiveAdamW(rate, weight_decay=config.weight_decay, **how))
    return _alone(LiveAdam(rate, **how))


def _alone(made: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The same, without the sum of gradients over replicas where there is one replica.

    TensorFlow registers a gradient of that sum for the life of the process, and with it everything
    that was traced for a compiled step: 4 to 9 MiB a small model.
    """
    strategy = getattr(made, "_distribution_strategy", None)  # On TensorFlow alone.
    if strategy is not None and strategy.num_replicas_in_sync == 1:
        made._all_reduce_sum_gradients = list
    return made


def fixed(fresh: keras.optimizers.Optimizer) -> dict[str, Any]:
    """What of an optimizer is part of the compiled step: its config without the live numbers.

    >>> adam = optimizer(TrainConfig(schedule="constant"), 10)
    >>> "beta_1" in fixed(adam), "beta_2" in fixed(adam)
    (False, True)
    """
    config = {"class": type(fresh).__name__, **fresh.get_config(), "name": None}
    rate = fresh._learning_rate
    config["learning_rate"] = None
    if isinstance(rate, schedules.LearningRateSchedule):
        config["learning_rate"] = {"class": type(rate).__name__, **rate.get_config()}
    for part, owner in ((config, fresh), (config["learning_rate"], rate)):
        for name in getattr(owner, "LIVE", ()):
            part.pop(name, None)
    return config


def reset(used: keras.optimizers.Optimizer, fresh: keras.optimizers.Optimizer) -> None:
    """Make an optimizer that has trained what a fresh one with the same ``fixed`` part is.

    Its state (iterations, moments) is set to zeros, as Keras's optimizers begin, and the live
    numbers to those of ``fresh``.
    """
    for variable in used.variables:
        variable.assign(keras.ops.zeros(variable.shape, variable.dtype))
    for old, new in zip(_live(used), _live(fresh), strict=True):
        old.assign(new)


def _live(item: keras.optimizers.Optimizer) -> Iterator[Any]:
    rate = item._learning_rate
    if isinstance(rate, schedules.LearningRateSchedule):
        yield from rate._numbers().values()
    else:
        yield rate
    if isinstance(item, _Live):
        yield from item._numbers().values()
