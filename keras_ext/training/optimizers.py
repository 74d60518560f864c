"""Optimizer and learning-rate schedule by name; all of them Keras's own."""

from __future__ import annotations

import keras
from keras.optimizers import schedules

from keras_ext.callbacks import time_based_schedule
from keras_ext.records import TrainConfig

WARMUP_SHARE = 0.25
START_FRACTION = 0.04
END_FRACTION = 0.001


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
        return time_based_schedule(config.decay_rate, rate, steps_per_epoch=steps_per_epoch)
    if config.schedule == "cosine":
        return schedules.CosineDecay(rate, steps)
    warmup = max(1, round(WARMUP_SHARE * steps))
    return schedules.CosineDecay(
        initial_learning_rate=START_FRACTION * rate,
        decay_steps=max(1, steps - warmup),
        alpha=END_FRACTION,
        warmup_target=rate,
        warmup_steps=warmup,
    )


def optimizer(config: TrainConfig, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """The optimizer that ``config.optimizer`` names, with its schedule.

    ``momentum`` is Ng's beta: of SGD and RMSprop the momentum, of Adam and AdamW beta_1.

    >>> optimizer(TrainConfig(optimizer="adam", momentum=0.8), 10).beta_1
    0.8
    """
    rate, beta = schedule(config, steps_per_epoch), config.momentum
    if config.optimizer == "sgd":
        return keras.optimizers.SGD(rate, momentum=beta)
    if config.optimizer == "rmsprop":
        return keras.optimizers.RMSprop(rate, momentum=beta)
    if config.optimizer == "adamw":
        return keras.optimizers.AdamW(rate, beta_1=beta, weight_decay=config.weight_decay)
    return keras.optimizers.Adam(rate, beta_1=beta)
