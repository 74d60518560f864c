"""What the sweep of the article tunes, and from where to where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keras_ext.records import TrainConfig

BASE = TrainConfig(model="mlp", batch_norm=False, optimizer="adam", schedule="time_based")
NAMES = {
    "learning_rate": "alpha",
    "momentum": "beta_1",
    "units": "hidden units",
    "batch_size": "mini-batch size",
    "layers": "layers",
    "decay_rate": "decay",
    "beta_2": "beta_2",
    "epsilon": "epsilon",
}
"""The article's names."""


def space(hp: Any, base: TrainConfig) -> TrainConfig:
    """What is tuned, and from where to where."""
    return replace(
        base,
        learning_rate=hp.Float("learning_rate", 1e-5, 1e-1, sampling="log"),
        momentum=hp.Choice("momentum", [0.0, 0.5, 0.9, 0.97, 0.99]),
        units=hp.Int("units", 16, 256, sampling="log"),
        batch_size=hp.Choice("batch_size", [16, 32, 64, 128, 256]),
        layers=hp.Int("layers", 1, 4),
        decay_rate=hp.Float("decay_rate", 0.01, 3.0, sampling="log"),
        beta_2=hp.Choice("beta_2", [0.9, 0.99, 0.999, 0.9999]),
        epsilon=hp.Choice("epsilon", [1e-10, 1e-8, 1e-7, 1e-6, 1e-4]),
    )


def ranges(item: Any) -> str:
    """A hyperparameter and its range in words."""
    ends = item.get("values") or (item["min_value"], item["max_value"])
    return f"{NAMES[item['name']]} {ends[0]:g} to {ends[-1]:g}"
