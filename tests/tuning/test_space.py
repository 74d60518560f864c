"""Spaces are pure functions; what they ask for is found out before the first trial."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import keras_tuner
import pytest

from keras_ext.errors import ConfigError
from keras_ext.records import Augmentation, TrainConfig
from keras_ext.tuning import StagedOracle, default_space
from keras_ext.tuning.axes_of import axes_of
from keras_ext.tuning.proposal import Tried
from keras_ext.tuning.space import declare, described, point

pytestmark = pytest.mark.tensorflow

BASES = [
    TrainConfig(),
    TrainConfig(model="mlp", units=3, layers=6, dropout=(0.1, 0.2), momentum=0.85, l2=1e-3),
    TrainConfig(schedule="time_based", decay_rate=0.5, batch_size=48, learning_rate=0.5),
    TrainConfig(augmentation=Augmentation(rotation=10, magnitude=0.25)),
]


@pytest.mark.parametrize("base", BASES)
def test_the_default_of_the_space_is_the_base(base):
    config = point(default_space, declare(default_space, base), base)
    rate = max(base.dropout) if isinstance(base.dropout, tuple) else base.dropout
    least = max(1e-6, base.l2)
    assert config == replace(base, batch_size=base.batch_size or 128, dropout=rate, l2=least)


@pytest.mark.parametrize("base", BASES)
def test_all_hyperparameters_are_found_each_once(base):
    names = Counter(item["name"] for item in described(declare(default_space, base)))
    expected = {"learning_rate", "momentum", "batch_size", "units", "layers", "schedule"}
    expected |= {"dropout", "l2", "decay_rate"}
    if base.augmentation.rotation:
        expected |= {"magnitude"}
    assert names == Counter(expected)


def test_staged_turns_the_decay_of_the_default_space_in_its_third_stage():
    oracle = StagedOracle(max_trials=40, seed=0, hyperparameters=declare(default_space, BASES[0]))
    axes = axes_of(oracle.hyperparameters)
    tried: list[Tried] = []
    while (made := oracle.propose(axes, tried)) is not None:
        metrics = {"avoidable_bias": 0.1, "variance": 0.1}
        tried.append(Tried(made.values, 0.2 + 0.001 * len(tried), metrics, made))
    decays = {t.values["schedule"] for t in tried if t.step == "stage 3"}
    assert decays == {"constant", "time_based", "cosine", "one_cycle"}
    assert {t.values["schedule"] for t in tried if t.step in ("stage 1", "stage 2")} == {
        BASES[0].schedule
    }


def test_conditions_are_met_and_told():
    def space(hp: Any, base: TrainConfig) -> TrainConfig:
        depth = hp.Choice("depth", [1, 2, 3])
        for number in range(1, depth):
            with hp.conditional_scope("depth", list(range(number + 1, 4))):
                hp.Int(f"units_{number}", 4, 16)
        return replace(base, layers=depth)

    found = {item["name"]: item for item in described(declare(space, TrainConfig()))}
    assert set(found) >= {"depth"}
    in_scope = {item["name"]: item for item in described(declare(default_space, TrainConfig()))}[
        "decay_rate"
    ]
    assert in_scope["parents"] == [{"name": "schedule", "values": ["time_based"]}]


def test_a_seed_in_the_space_is_the_seed_of_the_trial():
    hp = keras_tuner.HyperParameters()
    hp.Int("seed", 5, 9)
    assert point(lambda hp, base: base, hp, TrainConfig()).seed == 5


def test_what_is_no_configuration_is_refused():
    with pytest.raises(ConfigError, match="space must give a TrainConfig, got int"):
        point(lambda hp, base: 3, keras_tuner.HyperParameters(), TrainConfig())  # type: ignore
