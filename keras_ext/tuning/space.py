"""Search spaces: pure functions from hyperparameters and a base to a configuration."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras_tuner

from keras_ext.errors import ConfigError
from keras_ext.records import TrainConfig

Space = Callable[[Any, TrainConfig], TrainConfig]

MOMENTA = (0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99)
"""About evenly spaced on a log scale of 1 - beta, as Ng advises; KerasTuner has no such scale."""
BATCH_SIZES = (32, 64, 128, 256, 512)
L2 = (1e-6, 0.01)
"""From as good as none: a logarithmic scale has no 0."""


def default_space(hp: Any, base: TrainConfig) -> TrainConfig:
    """Ng's hyperparameters, around a configuration for images or tables.

    Learning rate and L2 on a log scale, momentum evenly in log(1 - beta), the batch size in powers
    of two, units from a quarter of the base's to four times as many, layers, the schedule (with
    ``decay_rate`` for the time-based one) and dropout; the augmentation's magnitude where the base
    has an augmentation. Where it can be, the default of each is the base's own value.

    Args:
        hp: ``keras_tuner.HyperParameters``.
        base: what is not tuned stays as it is here.

    >>> point = keras_tuner.HyperParameters()
    >>> default_space(point, TrainConfig(units=16)).units, point.get("learning_rate")
    (16, 0.001)
    """
    rate = base.learning_rate
    values: dict[str, Any] = {
        "learning_rate": hp.Float(
            "learning_rate", min(1e-4, rate), max(0.1, rate), sampling="log", default=rate
        ),
        "momentum": _choice(hp, "momentum", MOMENTA, base.momentum),
        "batch_size": _choice(hp, "batch_size", BATCH_SIZES, base.batch_size or 128),
        "units": _choice(hp, "units", _around(base.units), base.units),
        "layers": hp.Int("layers", 1, max(4, base.layers + 1), default=base.layers),
        "schedule": hp.Choice(
            "schedule", ["constant", "time_based", "cosine", "one_cycle"], default=base.schedule
        ),
        "dropout": hp.Float("dropout", 0.0, 0.6, default=_one_rate(base)),
    }
    with hp.conditional_scope("schedule", ["time_based"]):
        if values["schedule"] == "time_based":
            default = max(0.01, base.decay_rate)
            values["decay_rate"] = hp.Float(
                "decay_rate", 0.01, max(3.0, default), sampling="log", default=default
            )
    least, most = L2
    penalty = max(least, base.l2)
    values["l2"] = hp.Float("l2", least, max(most, penalty), sampling="log", default=penalty)
    if replace(base.augmentation, magnitude=1.0).active:
        magnitude = hp.Float("magnitude", 0.0, 1.0, default=base.augmentation.magnitude)
        values["augmentation"] = replace(base.augmentation, magnitude=magnitude)
    return replace(base, **values)


def point(space: Space, hp: Any, base: TrainConfig) -> TrainConfig:
    """The configuration of a trial; a hyperparameter "seed" counts, in whatever space.

    Raises:
        ConfigError: when the space gives no configuration.
    """
    config = space(hp, base)
    if not isinstance(config, TrainConfig):
        raise ConfigError(f"space must give a TrainConfig, got {type(config).__name__}")
    return replace(config, seed=hp.values["seed"]) if "seed" in hp.values else config


def declare(space: Space, base: TrainConfig) -> Any:
    """All hyperparameters of a space, those under conditions too, as a HyperParameters object.

    The space is called once with the defaults and once for each condition that no call before
    has met.

    Raises:
        ConfigError: when it has no hyperparameter.
    """
    found = keras_tuner.HyperParameters()
    waiting: list[dict[str, Any]] = [{}]
    seen: list[Any] = []
    while waiting:
        hp = found.copy()
        hp.values.update(waiting.pop())
        hp.ensure_active_values()
        space(hp, base)
        found.merge([p for p in hp.space if not found._exists(p.name, p.conditions)])
        for conditions in hp.inactive_scopes:
            if conditions not in seen:
                seen.append(copy.deepcopy(conditions))
                waiting.append({item.name: item.values[0] for item in conditions})
    if not found.space:
        raise ConfigError("space must have a hyperparameter at least, such as hp.Float(...)")
    found.values = {item.name: item.default for item in found.space if found.is_active(item)}
    found.ensure_active_values()
    return found


def described(hp: Any) -> tuple[dict[str, Any], ...]:
    """Kind and range of each hyperparameter as plain values."""
    found = []
    for item in hp.space:
        config = dict(item.get_config())
        conditions = [c["config"] for c in config.pop("conditions", [])]
        parents = [{"name": c["name"], "values": list(c["values"])} for c in conditions]
        found.append({"kind": type(item).__name__, **config, "parents": parents})
    return tuple(found)


def _choice(hp: Any, name: str, values: tuple[Any, ...], default: Any) -> Any:
    """A choice in order, with the default among the values."""
    return hp.Choice(name, sorted({*values, default}), ordered=True, default=default)


def _around(units: int) -> tuple[int, ...]:
    return tuple(sorted({max(1, units // 4), max(1, units // 2), units, 2 * units, 4 * units}))


def _one_rate(base: TrainConfig) -> float:
    rate = base.dropout if isinstance(base.dropout, float | int) else max(base.dropout)
    return min(0.6, float(rate))
