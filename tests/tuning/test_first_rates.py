"""Staged and guided sweeps begin with a learning-rate range test, made once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_ext.records import Arrays, Splits, TrainConfig
from keras_ext.tuning import sweep
from keras_ext.tuning.journal import Journal
from keras_ext.tuning.trainer import Trainer

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]

BASE = TrainConfig(model="mlp", units=8, layers=1, epochs=1, batch_size=20, seed=3)


def space(hp: Any, base: TrainConfig) -> TrainConfig:
    """The default rate is far too high."""
    rate = hp.Float("learning_rate", 1e-6, 1e3, sampling="log", default=1e3)
    return replace(base, learning_rate=rate)


@pytest.fixture(scope="module")
def splits() -> Splits:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 5)).astype("float32")
    whole = Arrays(x, (x[:, 0] > 0).astype("int32"), "half")
    return Splits(*(whole.take(slice(a, b)) for a, b in ((0, 200), (200, 300), (300, 400))))


def run(folder: Path, splits: Splits, **changes: Any) -> Any:
    arguments: dict[str, Any] = {"max_trials": 2, "confirm": 0, "quiet": True, **changes}
    return sweep(BASE, space, splits, directory=folder, **arguments)


def range_tests(folder: Path) -> list[dict[str, Any]]:
    return Journal(folder / "journal.jsonl").of("range")


@pytest.mark.parametrize("strategy", ["guided", "staged"])
def test_the_first_rate_is_one_that_the_test_speaks_for(tmp_path, splits, strategy):
    result = run(tmp_path, splits, strategy=strategy)
    (made,) = range_tests(tmp_path)
    low, high = made["range"]
    assert made["event"] == "range"
    assert 1e-6 < low < high < 10
    assert result.trials[0].values["learning_rate"] == pytest.approx(high, rel=0.01)
    assert low <= result.trials[1].values["learning_rate"] <= high * 1.01
    assert f"what the range test found: {low:.2g} to {high:.2g}" in result.trials[0].reason


def test_a_sweep_that_goes_on_keeps_its_rates(tmp_path, splits, monkeypatch):
    run(tmp_path / "on", splits, strategy="guided")
    monkeypatch.setattr(Trainer, "learning_rate_range", None)
    longer = run(tmp_path / "on", splits, strategy="guided", max_trials=4)
    monkeypatch.undo()
    whole = run(tmp_path / "whole", splits, strategy="guided", max_trials=4)
    assert [t.values for t in longer.trials[:2]] == [t.values for t in whole.trials[:2]]
    assert len(range_tests(tmp_path / "on")) == 1


def test_rates_that_are_given_are_not_tested(tmp_path, splits):
    result = run(tmp_path, splits, strategy="guided", options={"learning_rates": (1e-3, 1e-2)})
    assert result.trials[0].values["learning_rate"] == pytest.approx(1e-2)
    assert range_tests(tmp_path) == []


def test_other_strategies_are_not_told(tmp_path, splits):
    run(tmp_path, splits, strategy="random")
    assert range_tests(tmp_path) == []


def test_a_test_that_fails_limits_nothing(tmp_path, splits, monkeypatch):
    def broken(self: Any, config: TrainConfig) -> Any:
        raise ValueError("no such layer")

    monkeypatch.setattr(Trainer, "learning_rate_range", broken)
    result = run(tmp_path, splits, strategy="guided")
    (made,) = range_tests(tmp_path)
    assert made["range"] is None
    assert "no such layer" in made["summary"]
    assert result.trials[0].values["learning_rate"] == 1e3
