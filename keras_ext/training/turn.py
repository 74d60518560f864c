"""Turning one knob of a configuration by one notch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keras_ext.diagnosis import notch
from keras_ext.errors import ConfigError
from keras_ext.records import TrainConfig

KNOBS = ("epochs", "units", "layers", "learning_rate", "magnitude", "dropout", "l2")


def knob_values(config: TrainConfig) -> dict[str, Any]:
    """The present value of each knob that the configuration has.

    The augmentation magnitude is a knob only where some augmentation is configured.

    >>> knob_values(TrainConfig(units=16))["units"]
    16
    """
    values = {knob: getattr(config, knob) for knob in KNOBS if knob != "magnitude"}
    if replace(config.augmentation, magnitude=1.0).active:
        values["magnitude"] = config.augmentation.magnitude
    return values


def turn(config: TrainConfig, knob: str, *, up: bool = True) -> TrainConfig | None:
    """The configuration with one knob one notch further, or None at the end of the knob's range.

    >>> turn(TrainConfig(dropout=0.1), "dropout").dropout
    0.2

    Raises:
        ConfigError: when the configuration has no such knob.
    """
    values = knob_values(config)
    if knob not in values:
        raise ConfigError(f"knob must be one of {', '.join(values)}, got knob={knob!r}")
    value = notch(knob, values[knob], up=up)
    return None if value is None else with_knob(config, knob, value)


def with_knob(config: TrainConfig, knob: str, value: Any) -> TrainConfig:
    """The configuration with one knob at the given value.

    >>> with_knob(TrainConfig(), "magnitude", 0.5).augmentation.magnitude
    0.5
    """
    if knob == "magnitude":
        return replace(config, augmentation=replace(config.augmentation, magnitude=value))
    return replace(config, **{knob: value})
