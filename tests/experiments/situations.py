"""Twenty real situations in which somebody trains a network and asks what to turn next.

Ten were looked at while the order of the remedies was tuned, ten were kept aside; each half has
five networks that fit too little and five that fit too much, by design, and five on each data set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from keras_ext.records import Augmentation, TrainConfig
from keras_ext.training import turn
from keras_ext.training.turn import knob_values

Turn = tuple[str, bool]
"""A knob, and whether it is turned up."""

LESS = ("learning_rate", "dropout", "l2", "magnitude")
"""Knobs that a remedy turns down, as well as up."""

AUGMENTATIONS = {
    "mnist": Augmentation(rotation=20, zoom=0.2, translation=0.1, magnitude=0.0),
    "cifar10": Augmentation(flip="horizontal", rotation=10, zoom=0.1, translation=0.1, magnitude=0),
}
OPTIMAL = {"mnist": 0.002, "cifar10": 0.06}


@dataclass(frozen=True)
class Situation:
    """A configuration, and how many images of which data set it is trained on."""

    name: str
    data: str
    examples: int
    config: TrainConfig


def situation(
    name: str, data: str, examples: int, magnitude: float = 0.0, **fields: Any
) -> Situation:
    """A situation; what isn't named is as in ``TrainConfig``, or the same for all."""
    augmentation = replace(AUGMENTATIONS[data], magnitude=magnitude)
    settings = {"learning_rate": 0.003, "batch_size": 64, "tolerance": 0.01, **fields}
    config = TrainConfig(augmentation=augmentation, optimal_error=OPTIMAL[data], **settings)
    return Situation(name, data, examples, config)


TUNING = (
    situation("tiny MLP, digits", "mnist", 20_000, model="mlp", units=4, layers=1, epochs=3),
    situation(
        "low learning rate, pictures",
        "cifar10",
        5_000,
        units=8,
        learning_rate=1e-4,
        schedule="constant",
        epochs=3,
    ),
    situation(
        "high learning rate, digits",
        "mnist",
        10_000,
        model="mlp",
        batch_norm=False,
        learning_rate=0.05,
        schedule="constant",
        epochs=4,
    ),
    situation("much dropout, digits", "mnist", 10_000, model="mlp", dropout=0.6, epochs=4),
    situation("much L2, pictures", "cifar10", 5_000, units=8, l2=0.01, epochs=4),
    situation("large MLP, few digits", "mnist", 1_000, model="mlp", units=256, epochs=20),
    situation("convnet, few pictures", "cifar10", 2_000, units=12, layers=3, epochs=8),
    situation("convnet with dropout, few digits", "mnist", 500, units=16, dropout=0.3, epochs=20),
    situation(
        "slight augmentation, pictures", "cifar10", 3_000, 0.25, units=12, layers=3, epochs=6
    ),
    situation("MLP, pictures", "cifar10", 5_000, model="mlp", units=128, l2=1e-4, epochs=10),
)

KEPT_ASIDE = (
    situation("tiny convnet, pictures", "cifar10", 10_000, units=2, epochs=3),
    situation(
        "low learning rate, digits",
        "mnist",
        10_000,
        model="mlp",
        layers=1,
        learning_rate=1e-4,
        epochs=3,
    ),
    situation(
        "high learning rate, pictures",
        "cifar10",
        5_000,
        units=8,
        batch_norm=False,
        learning_rate=0.02,
        schedule="constant",
        epochs=4,
    ),
    situation("much dropout, pictures", "cifar10", 5_000, units=8, dropout=0.5, epochs=4),
    situation("much augmentation, digits", "mnist", 5_000, 1.0, units=4, epochs=3),
    situation("large MLP, few pictures", "cifar10", 2_000, model="mlp", units=256, epochs=15),
    situation("convnet, few digits", "mnist", 500, units=16, layers=3, epochs=20),
    situation(
        "MLP with L2, few digits", "mnist", 2_000, model="mlp", units=128, layers=3, l2=1e-3,
        epochs=12,
    ),
    situation(
        "slight augmentation, digits", "mnist", 1_000, 0.25, units=8, dropout=0.1, epochs=12
    ),
    situation("convnet with dropout, pictures", "cifar10", 3_000, units=12, dropout=0.2, epochs=6),
)  # fmt: skip

SITUATIONS = (*TUNING, *KEPT_ASIDE)


def turns(config: TrainConfig) -> Iterator[tuple[Turn, TrainConfig]]:
    """Every knob one notch up, and down those that a remedy would turn down, where they can be.

    >>> [(knob, up) for (knob, up), _ in turns(TUNING[0].config) if not up]
    [('learning_rate', False)]
    """
    values = knob_values(config)
    candidates = [(knob, True) for knob in values]
    candidates += [(knob, False) for knob in LESS if values[knob] > 0]
    for knob, up in candidates:
        turned = turn(config, knob, up=up)
        if turned is not None:
            yield (knob, up), turned
