"""Values that the template shows."""

from __future__ import annotations

from dataclasses import fields
from types import ModuleType

import pytest

from keras_ext.records import Augmentation, TrainConfig
from keras_ext.reports.page import configuration, tiles


def test_every_field_of_the_configuration_is_shown_once() -> None:
    config = TrainConfig(augmentation=Augmentation(rotation=5))
    names = [row["name"] for rows in configuration(config).values() for row in rows]
    expected = [
        item.name.replace("_", " ") for item in fields(config) if item.name != "augmentation"
    ]
    expected += [f"augmentation {item.name.replace('_', ' ')}" for item in fields(Augmentation)]
    assert sorted(names) == sorted(expected)


def test_what_differs_from_the_default_is_marked() -> None:
    config = TrainConfig(epochs=9, dropout=(0.1, 0.2), batch_size=64, optimal_error=0.002)
    rows = {row["name"]: row for group in configuration(config).values() for row in group}
    marked = {name: (row["value"], row["default"]) for name, row in rows.items() if row["default"]}
    assert marked == {
        "epochs": ("9", "5"),
        "dropout": ("0.1, 0.2", "0"),
        "batch size": ("64", "by the rule of thumb"),
        "optimal error": ("0.20 %", "0 %"),
    }
    assert rows["augmentation"]["value"] == "none"


def test_tiles_share_one_scale(samples: ModuleType) -> None:
    result = samples.sample_result()
    shown = {tile["name"]: tile for tile in tiles(result)}
    assert list(shown) == ["test", "validation", "train", "optimal"]
    top = max(estimate.interval()[1] for estimate in result.errors.values())
    for name, estimate in result.errors.items():
        low, high = estimate.interval()
        tile = shown[name]
        assert tile["at"] == pytest.approx(100 * estimate.error / top, abs=0.01)
        assert tile["low"] == pytest.approx(100 * low / top, abs=0.01)
        assert tile["low"] + tile["width"] == pytest.approx(100 * high / top, abs=0.02)


def test_tiles_of_a_perfect_model(samples: ModuleType) -> None:
    result = samples.regression_result()
    zero = samples.ErrorEstimate(0.0, 10, 0.0, proportion=False)
    perfect = samples.replace(result, errors={"train": zero})
    assert [tile["at"] for tile in tiles(perfect)] == [0.0, 0.0]
